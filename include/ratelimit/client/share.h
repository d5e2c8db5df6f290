// SPDX-License-Identifier: MIT
// The part of the limits that one of several processes may grant by itself when no server answers. Pure; depends on the
// limits of the core.
#ifndef RATELIMIT_CLIENT_SHARE_H
#define RATELIMIT_CLIENT_SHARE_H

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <vector>

#include "ratelimit/algorithms/token_bucket.h"
#include "ratelimit/limits.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

/// This process may grant `numerator` / `denominator` of each limit when no server answers.
struct Share {
  std::uint32_t numerator = 1;
  std::uint32_t denominator = 1;
};

/// The process's part of a limit, rounded down, but at least one unit; a closed limit stays closed. The parts of all
/// processes together are thus no more than the limit, unless there are more processes than units.
[[nodiscard]] inline LimitSpec part_of(LimitSpec limit, const Share& share) {
  __extension__ using Wide = unsigned __int128;
  const std::uint64_t parts = std::max(std::min(share.numerator, share.denominator), 1U);
  const std::uint64_t whole = std::max(share.denominator, 1U);
  const auto part = [&](Units units) {
    const Wide share_of_it = Wide(static_cast<std::uint64_t>(units.count())) * parts / whole;
    return std::max(Units(static_cast<std::int64_t>(share_of_it)), kMinUnits);
  };
  if (limit.size > kNoUnits) limit.size = part(limit.size);
  if (!is_bucket(limit.algorithm)) return limit;
  // The part of the refill, if it is whole; else a whole refill in a longer time.
  // Both factors have 32 bits.
  const std::uint64_t times_parts = static_cast<std::uint64_t>(limit.refill.count()) * parts;
  const std::uint64_t divisor = std::gcd(times_parts, whole);
  const std::uint64_t refill = times_parts / divisor;
  const auto longer = static_cast<std::int64_t>(whole / divisor);
  const bool fits =
      refill <= static_cast<std::uint64_t>(kMax32BitUnits.count()) && longer <= kMaxSpan.count() / limit.span.count() &&
      TokenBucket::refills_in_time(limit.size, Units(static_cast<std::int64_t>(refill)), limit.span * longer);
  if (fits) {
    limit.refill = Units(static_cast<std::int64_t>(refill));
    limit.span *= longer;
  } else {
    limit.refill = part(limit.refill);
  }
  return limit;
}

/// The process's part of each limit. None if the parts are no valid limits.
[[nodiscard]] inline std::optional<Limits> part_of(const Limits& limits, const Share& share) {
  std::vector<LimitSpec> parts;
  for (std::size_t i = 0; i < limits.size(); ++i) parts.push_back(part_of(limits[i].spec(), share));
  return Limits::make(parts);
}

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_SHARE_H
