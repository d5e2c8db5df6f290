// What the module redis-cell leaves in a key, and how it answers: for keys that it wrote, and clients that talk to it.
//
// It keeps a key's state as a string: the theoretical arrival time of the generic cell rate algorithm, a decimal number
// of nanoseconds since 1970. That is the very instant at which a token bucket is full again. Which bucket, the string
// does not say: whoever calls does. Depends on the token bucket only.
#ifndef RATELIMIT_CODEC_REDIS_CELL_H
#define RATELIMIT_CODEC_REDIS_CELL_H

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>

#include "ratelimit/algorithms/token_bucket.h"
#include "ratelimit/units.h"

namespace ratelimit {

/// The state of a bucket that is full again at a theoretical arrival time: valid for any bucket, whatever the number is.
/// None if `text` is not an optional minus and the digits of a number of 64 bits.
[[nodiscard]] inline std::optional<TokenBucket::State> state_at_arrival_time(std::string_view text) {
  std::int64_t nanoseconds = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, nanoseconds);
  if (error != std::errc{} || rest != end) return std::nullopt;
  // Before the clock's range it is as good as idle, beyond it as good as of a clock that was ahead.
  return TokenBucket::State{.full_at = std::clamp(Instant{Span{nanoseconds}}, kEarliest, kLatest + kMaxSpan)};
}

/// Whole seconds, rounded up: whoever waits that long has waited long enough.
[[nodiscard]] constexpr std::chrono::seconds seconds_rounded_up(Span span) {
  return std::chrono::ceil<std::chrono::seconds>(span);
}

}  // namespace ratelimit

#endif  // RATELIMIT_CODEC_REDIS_CELL_H
