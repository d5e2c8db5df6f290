// SPDX-License-Identifier: MIT
// What the module has done since it was loaded, for INFO. Only the server's own thread counts.
#ifndef RATELIMIT_MODULE_KEYSPACE_COUNTERS_H
#define RATELIMIT_MODULE_KEYSPACE_COUNTERS_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/units.h"

namespace ratelimit {

struct Counters {
  /// Decided calls; of an algorithm, decided limits.
  struct Outcomes {
    std::uint64_t granted = 0;
    std::uint64_t denied = 0;
  };
  struct OfCommand {
    std::uint64_t calls = 0;
    std::uint64_t errors = 0;
  };
  static constexpr std::size_t kMostCommands = 64;

  /// A sum of units stops at the largest number: one call may be granted 2^53 of them.
  static void add(std::uint64_t& sum, Units more) {
    if (__builtin_add_overflow(sum, static_cast<std::uint64_t>(more.count()), &sum)) [[unlikely]]
      sum = std::numeric_limits<std::uint64_t>::max();
  }

  [[nodiscard]] Outcomes& of(Algorithm algorithm) { return algorithms[static_cast<std::size_t>(algorithm)]; }

  Outcomes checks;
  std::uint64_t would_deny = 0;  ///< calls that limits on trial would have denied
  std::uint64_t near = 0;        ///< granted calls that left a limit nearly used up
  std::uint64_t units = 0;       ///< granted
  std::uint64_t forced = 0;      ///< granted by FORCE
  std::uint64_t refunds = 0;
  std::uint64_t units_refunded = 0;  ///< that came back
  std::uint64_t reservations = 0;
  std::uint64_t settlements = 0;
  std::array<Outcomes, 8> algorithms;  ///< by their numbers
  std::array<OfCommand, kMostCommands> commands;
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_KEYSPACE_COUNTERS_H
