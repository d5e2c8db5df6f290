// SPDX-License-Identifier: MIT
// What a bucket remembers about a subject, in 16 bytes. Depends on units only.
#ifndef RATELIMIT_ALGORITHMS_BUCKET_STATE_H
#define RATELIMIT_ALGORITHMS_BUCKET_STATE_H

#include <cstdint>

#include "ratelimit/units.h"

namespace ratelimit {

/// The bucket is full again at `full_at()` plus `fraction / denominator` of a nanosecond. The denominator is that of
/// the bucket's emission interval. Default: full, as if never used.
struct BucketState {
  std::uint64_t nanoseconds = 0;  ///< of the instant, and `kCutOff`
  std::uint32_t fraction = 0;
  /// By how many units, rounded up, the last charge went beyond an empty bucket: without it, debt would look like a
  /// state from a clock that was ahead. Or the cut-off, if `has_cut_off()`; then there is no debt.
  std::uint32_t debt = 0;

  constexpr BucketState() = default;
  constexpr BucketState(Instant full_at, std::uint32_t fraction_, std::uint32_t debt_ = 0)
      : nanoseconds(static_cast<std::uint64_t>(full_at.time_since_epoch().count())), fraction(fraction_), debt(debt_) {}

  [[nodiscard]] constexpr Instant full_at() const {
    return Instant{Span{static_cast<std::int64_t>(nanoseconds & ~kCutOff)}};
  }
  [[nodiscard]] constexpr bool has_cut_off() const { return (nanoseconds & kCutOff) != 0; }

  // No instant needs the highest bit.
  static constexpr std::uint64_t kCutOff = std::uint64_t{1} << 63U;

  friend constexpr bool operator==(const BucketState&, const BucketState&) = default;
};

static_assert(sizeof(BucketState) == 16);

}  // namespace ratelimit

#endif  // RATELIMIT_ALGORITHMS_BUCKET_STATE_H
