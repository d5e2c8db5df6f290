// SPDX-License-Identifier: MIT
#include "replay/time_text.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>

namespace ratelimit::replay {
namespace {

using namespace std::chrono_literals;

[[nodiscard]] constexpr bool is_digit(char c) { return '0' <= c && c <= '9'; }

/// Takes parts of a text from its front. The first part that is not there makes the whole wrong.
class Parts {
 public:
  explicit Parts(std::string_view text) : text_(text) {}

  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] bool at_end() const { return text_.empty(); }
  [[nodiscard]] char next() const { return text_.empty() ? '\0' : text_.front(); }

  /// A number of exactly so many digits.
  int number(std::size_t digits) {
    int value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      if (!is_digit(next())) return fail();
      value = value * 10 + (next() - '0');
      text_.remove_prefix(1);
    }
    return value;
  }

  bool skip(char expected) {
    if (next() != expected || text_.empty()) return fail() != 0;
    text_.remove_prefix(1);
    return true;
  }

  /// The English name of a month, of three letters.
  unsigned month() {
    constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (unsigned i = 0; i < 12; ++i) {
      if (text_.substr(0, 3) != kMonths.substr(3 * i, 3)) continue;
      text_.remove_prefix(3);
      return i + 1;
    }
    return static_cast<unsigned>(fail());
  }

  /// `.123`, if it is there; digits behind the ninth are below a nanosecond.
  Span fraction() {
    if (next() != '.' && next() != ',') return {};
    text_.remove_prefix(1);
    if (!is_digit(next())) fail();
    std::int64_t value = 0;
    int digits = 0;
    for (; is_digit(next()); text_.remove_prefix(1)) {
      if (digits == 9) continue;
      value = value * 10 + (next() - '0');
      ++digits;
    }
    for (; digits < 9; ++digits) value *= 10;
    return Span{value};
  }

  /// `Z`, `+01:00`, `+0100` or `+01`.
  std::chrono::minutes zone() {
    if (next() == 'Z' || next() == 'z') {
      text_.remove_prefix(1);
      return 0min;
    }
    const bool is_west = next() == '-';
    if (!is_west && next() != '+') return std::chrono::minutes(fail());
    text_.remove_prefix(1);
    const int hours = number(2);
    if (next() == ':') text_.remove_prefix(1);
    const int minutes = at_end() ? 0 : number(2);
    if (hours > 23 || minutes > 59) fail();
    const auto ahead = std::chrono::minutes(hours * 60 + minutes);
    return is_west ? -ahead : ahead;
  }

 private:
  int fail() {
    failed_ = true;
    text_ = {};
    return 0;
  }

  std::string_view text_;
  bool failed_ = false;
};

struct Date {
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
};

/// `HH:MM:SS`, and a fraction; the 60th second of a minute is the first of the next. Less than nothing if it is no time.
[[nodiscard]] Span take_clock(Parts& parts) {
  const int hour = parts.number(2);
  parts.skip(':');
  const int minute = parts.number(2);
  parts.skip(':');
  const int second = parts.number(2);
  const Span fraction = parts.fraction();
  if (hour > 23 || minute > 59 || second > 60) return Span{-1};
  return std::chrono::hours(hour) + std::chrono::minutes(minute) + std::chrono::seconds(second) + fraction;
}

[[nodiscard]] std::optional<Instant> instant_of(const Parts& parts, const Date& date, Span clock, Span zone) {
  if (parts.failed() || !parts.at_end() || clock < Span{}) return std::nullopt;
  const std::chrono::year_month_day day{std::chrono::year(date.year), std::chrono::month(date.month),
                                        std::chrono::day(date.day)};
  if (!day.ok() || date.year < 1970 || date.year > 2200) return std::nullopt;
  const Instant at = Instant(std::chrono::sys_days(day)) + clock - zone;
  return in_range(at) ? std::optional(at) : std::nullopt;
}

/// `10/Oct/2000:13:55:36 -0700`
[[nodiscard]] std::optional<Instant> parse_common(std::string_view text) {
  Parts parts(text);
  Date date;
  date.day = static_cast<unsigned>(parts.number(2));
  parts.skip('/');
  date.month = parts.month();
  parts.skip('/');
  date.year = parts.number(4);
  parts.skip(':');
  const Span clock = take_clock(parts);
  parts.skip(' ');
  const Span zone = parts.zone();
  return instant_of(parts, date, clock, zone);
}

/// `2026-11-30T13:26:40.123+01:00`
[[nodiscard]] std::optional<Instant> parse_rfc3339(std::string_view text) {
  Parts parts(text);
  Date date;
  date.year = parts.number(4);
  parts.skip('-');
  date.month = static_cast<unsigned>(parts.number(2));
  parts.skip('-');
  date.day = static_cast<unsigned>(parts.number(2));
  parts.skip(parts.next() == ' ' ? ' ' : 'T');
  const Span clock = take_clock(parts);
  const Span zone = parts.at_end() ? Span{} : Span{parts.zone()};
  return instant_of(parts, date, clock, zone);
}

/// Seconds since 1970, or a smaller unit if there are more digits than seconds ever have.
[[nodiscard]] std::optional<Instant> parse_unix(std::string_view text) {
  constexpr std::size_t kMostDigits = 19;
  std::size_t digits = 0;
  std::uint64_t value = 0;
  for (; digits < text.size() && is_digit(text[digits]); ++digits) {
    if (digits == kMostDigits) return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(text[digits] - '0');
  }
  if (digits == 0) return std::nullopt;
  std::int64_t unit = 1'000'000'000;
  for (const std::size_t more_than : {11U, 14U, 17U}) unit = digits > more_than ? unit / 1000 : unit;
  constexpr auto kMost = static_cast<std::uint64_t>(kLatest.time_since_epoch().count());
  if (value > kMost / static_cast<std::uint64_t>(unit)) return std::nullopt;
  Parts parts(text.substr(digits));
  const Span fraction = parts.fraction() * unit / 1'000'000'000;
  if (parts.failed() || !parts.at_end()) return std::nullopt;
  const Instant at{Span{static_cast<std::int64_t>(value) * unit} + fraction};
  return in_range(at) ? std::optional(at) : std::nullopt;
}

[[nodiscard]] std::string two_units(std::int64_t large, const char* name, std::int64_t small, const char* small_name) {
  std::string text = std::to_string(large) + name;
  if (small > 0) text += ' ' + std::to_string(small) + small_name;
  return text;
}

}  // namespace

std::optional<Instant> parse_time(std::string_view text) {
  if (text.size() > 2 && text[2] == '/') return parse_common(text);
  if (text.size() > 4 && text[4] == '-') return parse_rfc3339(text);
  return parse_unix(text);
}

std::string text_of_instant(Instant instant) {
  const auto day = std::chrono::floor<std::chrono::days>(instant);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::milliseconds>(instant - day));
  std::array<char, 64> text{};
  const int written = std::snprintf(
      text.data(), text.size(), "%04d-%02u-%02u %02d:%02d:%02d", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
      static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()));
  std::string whole(text.data(), static_cast<std::size_t>(written));
  if (clock.subseconds() == 0ms) return whole;
  const std::string digits = std::to_string(1000 + clock.subseconds().count());
  return whole + '.' + digits.substr(1);
}

std::string text_of_length(Span span) {
  const std::int64_t ms = std::chrono::ceil<std::chrono::milliseconds>(span).count();
  if (ms < 1000) return std::to_string(ms) + " ms";
  if (ms < 60'000) {
    const std::string tenth = ms % 1000 / 100 > 0 ? '.' + std::to_string(ms % 1000 / 100) : "";
    return std::to_string(ms / 1000) + tenth + " s";
  }
  const std::int64_t s = ms / 1000;
  if (s < 3600) return two_units(s / 60, " min", s % 60, " s");
  if (s < 86'400) return two_units(s / 3600, " h", s % 3600 / 60, " min");
  return two_units(s / 86'400, " d", s % 86'400 / 3600, " h");
}

}  // namespace ratelimit::replay
