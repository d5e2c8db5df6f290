// SPDX-License-Identifier: MIT
// Who asked most: subjects, and subnets with several subjects; when they were busiest, and what they asked for mostly. For
// a look at a log before there is a limit. Depends on calls and subnets.
#ifndef RATELIMIT_TOOLS_REPLAY_BUSIEST_H
#define RATELIMIT_TOOLS_REPLAY_BUSIEST_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ratelimit/units.h"
#include "replay/replayer.h"
#include "replay/subject_names.h"
#include "replay/suggest.h"

namespace ratelimit::replay {

/// A subject, or all subjects of a subnet.
struct Busy {
  std::string name{};
  std::size_t subjects = 1;
  std::uint64_t calls = 0;
  Instant minute{};  ///< the begin of its busiest minute of the clock, the first of equals
  std::uint64_t calls_of_minute = 0;
  std::string prefix{};  ///< the begin of a path that it asked for most; empty if there are no paths
  std::uint64_t calls_of_prefix = 0;
};

struct Busiest {
  std::vector<Busy> subjects;  ///< the busiest first
  std::vector<Busy> subnets;
};

/// Visits all calls once. `most` is how many of each are wanted. None if the user ended it.
[[nodiscard]] std::optional<Busiest> find_busiest(const SubjectNames& names, const SubjectNames& prefixes,
                                                  std::span<const Asked> asked, std::size_t most,
                                                  const VisitCalls& calls);

}  // namespace ratelimit::replay

#endif  // RATELIMIT_TOOLS_REPLAY_BUSIEST_H
