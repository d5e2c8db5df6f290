// SPDX-License-Identifier: MIT
// One call of the log, ready to be decided. Depends on units and the numbers of subjects.
#ifndef RATELIMIT_TOOLS_REPLAY_CALL_H
#define RATELIMIT_TOOLS_REPLAY_CALL_H

#include <cstdint>

#include "ratelimit/units.h"
#include "replay/subject_names.h"

namespace ratelimit::replay {

inline constexpr SubjectNumber kNoPrefix = 0xFFFFFFFF;

struct Call {
  Instant at{};
  Units cost{1};
  std::uint64_t line = 0;  ///< its number, from 1 on
  SubjectNumber subject = 0;
  SubjectNumber prefix = kNoPrefix;  ///< the number of the begin of its path, if that is wanted
};

}  // namespace ratelimit::replay

#endif  // RATELIMIT_TOOLS_REPLAY_CALL_H
