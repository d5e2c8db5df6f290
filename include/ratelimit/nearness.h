// SPDX-License-Identifier: MIT
// Whether a granted call left a limit nearly used up. Depends on limits and verdicts.
#ifndef RATELIMIT_NEARNESS_H
#define RATELIMIT_NEARNESS_H

#include <cstddef>
#include <cstdint>
#include <limits>

#include "ratelimit/limits.h"
#include "ratelimit/units.h"
#include "ratelimit/verdict.h"

namespace ratelimit {

/// Whether more than `percent` of a limit of that size are used when so many units remain. `percent` is from 0 to 100.
[[nodiscard]] constexpr bool is_near(Units size, Units remaining, std::int64_t percent) {
  static_assert(kMaxUnits.count() <= std::numeric_limits<std::int64_t>::max() / 100);
  return (size - remaining).count() * 100 > size.count() * percent;
}

/// A set of limits of a list: bit i is set if limit i is in it.
using LimitSet = std::uint8_t;
static_assert(kMaxLimits <= 8 * sizeof(LimitSet));

/// The limits of which more than `percent` are used after a call that was granted.
[[nodiscard]] inline LimitSet near_limits(const Limits& limits, const Verdict& verdict, std::int64_t percent) {
  if (limits.size() == 1) [[likely]]
    return is_near(verdict.decision.size, verdict.decision.remaining, percent) ? 1 : 0;
  LimitSet near = 0;
  for (std::size_t i = 0; i < limits.size(); ++i) {
    if (is_near(limits[i].size(), verdict.remaining[i], percent)) near |= static_cast<LimitSet>(1U << i);
  }
  return near;
}

}  // namespace ratelimit

#endif  // RATELIMIT_NEARNESS_H
