// SPDX-License-Identifier: MIT
// Counts in logs and options. Depends on units only.
#ifndef RATELIMIT_TOOLS_REPLAY_NUMBERS_H
#define RATELIMIT_TOOLS_REPLAY_NUMBERS_H

#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "ratelimit/units.h"

namespace ratelimit::replay {

/// The number that all of `text` spells in digits, up to kMaxUnits.
[[nodiscard]] inline std::optional<std::int64_t> parse_count(std::string_view text) {
  std::int64_t count = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, count);
  const bool has_sign = text.starts_with('-');  // also that of -0
  if (error != std::errc{} || at != end || has_sign || count > kMaxUnits.count()) return std::nullopt;
  return count;
}

/// The sum, or the largest number if that is less: a hostile log may cost more than can be counted.
[[nodiscard]] inline std::uint64_t sum_of(std::uint64_t a, std::uint64_t b) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  return a <= kMost - b ? a + b : kMost;
}
[[nodiscard]] inline std::uint64_t sum_of(std::uint64_t a, Units b) {
  return sum_of(a, static_cast<std::uint64_t>(b.count()));
}

/// A cost: digits, and perhaps a fraction, which is rounded up.
[[nodiscard]] inline std::optional<Units> parse_cost(std::string_view text) {
  const std::size_t point = text.find('.');
  const std::optional<std::int64_t> whole = parse_count(text.substr(0, point));
  if (!whole || point == std::string_view::npos) return whole ? std::optional(Units(*whole)) : std::nullopt;
  const std::string_view fraction = text.substr(point + 1);
  if (fraction.empty() || fraction.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  const bool is_whole = fraction.find_first_not_of('0') == std::string_view::npos;
  if (!is_whole && *whole == kMaxUnits.count()) return std::nullopt;
  return Units(*whole + (is_whole ? 0 : 1));
}

/// `1,234,567`
[[nodiscard]] inline std::string with_commas(std::uint64_t count) {
  std::string text = std::to_string(count);
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, 1, ',');
  return text;
}

/// A part of a whole in percent: `0`, `0.004`, `1.25`, `37.5`; never 0 unless the part is nothing.
[[nodiscard]] std::string percent(std::uint64_t part, std::uint64_t whole);

/// `27 B`, `1.2 kB`, `3.4 MB`
[[nodiscard]] std::string text_of_bytes(std::uint64_t bytes);

}  // namespace ratelimit::replay

#endif  // RATELIMIT_TOOLS_REPLAY_NUMBERS_H
