// SPDX-License-Identifier: MIT
// An anchor: the date and the time of day at which a window of the calendar begins. The other windows begin a whole
// number of units earlier and later.
//
// It is a minute that a local clock shows, and no instant: the zone says which instant that is. In commands it is
// written 2026-01-31, or 2026-01-31T06:00. Depends on std only.
#ifndef RATELIMIT_ALGORITHMS_ANCHOR_H
#define RATELIMIT_ALGORITHMS_ANCHOR_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace ratelimit {

/// A minute as a local clock shows it.
using LocalMinute = std::chrono::local_time<std::chrono::minutes>;

class Anchor {
 public:
  static constexpr LocalMinute kEarliest{std::chrono::local_days{std::chrono::year{1970} / 1 / 1}};
  /// The last minute of 2199.
  static constexpr LocalMinute kLatest{std::chrono::local_days{std::chrono::year{2200} / 1 / 1} -
                                       std::chrono::minutes{1}};

  /// No anchor: windows begin where the calendar says.
  constexpr Anchor() = default;
  /// A minute out of [kEarliest, kLatest] makes an anchor that is not valid.
  constexpr explicit Anchor(LocalMinute minute)
      : number_(kEarliest <= minute && minute <= kLatest ? static_cast<std::uint32_t>((minute - kEarliest).count()) + 1
                                                         : kInvalid) {}

  [[nodiscard]] constexpr bool is_given() const { return number_ != 0; }
  [[nodiscard]] constexpr bool is_valid() const { return number_ != kInvalid; }

  /// Different for different anchors; 0 for none.
  [[nodiscard]] constexpr std::uint32_t number() const { return number_; }

  /// Of an anchor that is given and valid.
  [[nodiscard]] constexpr LocalMinute minute() const { return kEarliest + std::chrono::minutes{number_ - 1}; }

  friend constexpr bool operator==(Anchor, Anchor) = default;

 private:
  static constexpr std::uint32_t kInvalid = std::numeric_limits<std::uint32_t>::max();

  std::uint32_t number_ = 0;  ///< minutes from kEarliest on, plus one; 0 is none
};

namespace detail {

/// The number that all of `digits` spell, one or more of them; none if one is no digit.
[[nodiscard]] constexpr std::optional<unsigned> number_of(std::string_view digits) {
  unsigned number = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    number = 10 * number + static_cast<unsigned>(c - '0');
  }
  return number;
}

/// The minutes since midnight of `06:00`.
[[nodiscard]] constexpr std::optional<std::chrono::minutes> time_of_day(std::string_view text) {
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  const auto hour = number_of(text.substr(0, 2));
  const auto minute = number_of(text.substr(3, 2));
  if (!hour || !minute || *hour > 23 || *minute > 59) return std::nullopt;
  return std::chrono::hours{*hour} + std::chrono::minutes{*minute};
}

/// The day of `2026-01-31`.
[[nodiscard]] constexpr std::optional<std::chrono::local_days> day_of(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto year = number_of(text.substr(0, 4));
  const auto month = number_of(text.substr(5, 2));
  const auto day = number_of(text.substr(8, 2));
  if (!year || !month || !day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{static_cast<int>(*year)}, std::chrono::month{*month},
                                         std::chrono::day{*day}};
  return date.ok() ? std::optional(std::chrono::local_days{date}) : std::nullopt;
}

}  // namespace detail

/// Reads `2026-01-31` or `2026-01-31T06:00`. None if it is neither, there is no such day, or it is out of range.
[[nodiscard]] constexpr std::optional<Anchor> parse_anchor(std::string_view text) {
  constexpr std::size_t kDate = 10;
  const auto day = detail::day_of(text.substr(0, kDate));
  if (!day) return std::nullopt;
  std::chrono::minutes time{};
  if (text.size() > kDate) {
    const auto given = detail::time_of_day(text.substr(kDate + 1));
    if (text[kDate] != 'T' || !given) return std::nullopt;
    time = *given;
  }
  const Anchor anchor(LocalMinute{*day} + time);
  return anchor.is_valid() ? std::optional(anchor) : std::nullopt;
}

/// An anchor as it is written: the shorter form, if it is midnight. It must be given and valid.
[[nodiscard]] inline std::string text_of(Anchor anchor) {
  const auto day = std::chrono::floor<std::chrono::days>(anchor.minute());
  const std::chrono::year_month_day date{day};
  const std::int64_t minutes = (anchor.minute() - day).count();
  const auto two_digits = [](std::int64_t number) {
    return std::string(number < 10 ? "0" : "").append(std::to_string(number));
  };
  std::string text = std::to_string(static_cast<int>(date.year()));
  text.append("-").append(two_digits(static_cast<unsigned>(date.month())));
  text.append("-").append(two_digits(static_cast<unsigned>(date.day())));
  if (minutes == 0) return text;
  return text.append("T").append(two_digits(minutes / 60)).append(":").append(two_digits(minutes % 60));
}

}  // namespace ratelimit

#endif  // RATELIMIT_ALGORITHMS_ANCHOR_H
