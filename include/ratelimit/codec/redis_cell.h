// SPDX-License-Identifier: MIT
// The state and the times of the module redis-cell, so that its keys and its clients go on.
//
// redis-cell stores a string: the theoretical arrival time of the generic cell rate algorithm, as a decimal number of
// nanoseconds since 1970. That is the instant when a token bucket is full again. The string does not say which bucket;
// each call does. Source: the code of redis-cell (github.com/brandur/redis-cell). Depends on the token bucket and
// units.
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

/// The state of a bucket that is full again at a theoretical arrival time. It is valid for any bucket, whatever the
/// number. None if `text` is anything but a decimal number of 64 bits, with an optional minus.
[[nodiscard]] inline std::optional<TokenBucket::State> state_at_arrival_time(std::string_view text) {
  std::int64_t nanoseconds = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, nanoseconds);
  if (error != std::errc{} || rest != end) return std::nullopt;
  // A time before the clock's range is idle; one beyond it is taken for one from a clock that was ahead.
  return TokenBucket::State{std::clamp(Instant{Span{nanoseconds}}, kEarliest, kLatest + kMaxSpan), 0};
}

/// Whole seconds, rounded up: a client that waits that long waits long enough.
[[nodiscard]] constexpr std::chrono::seconds seconds_rounded_up(Span span) {
  return std::chrono::ceil<std::chrono::seconds>(span);
}

}  // namespace ratelimit

#endif  // RATELIMIT_CODEC_REDIS_CELL_H
