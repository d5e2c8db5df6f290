// SPDX-License-Identifier: MIT
// The windows of the calendar: hours, days, weeks, months and years as the wall clocks of a time zone show them.
//
// Each window ends where the next one begins: at the first instant of a civil day, or when the local clock shows a
// full hour. Their lengths depend on the zone: in much of the world, two days a year have 23 and 25 hours, and Samoa
// once had a week of six days. Depends on zones and units.
//
//     clocks go forward        | 23 hours |     24 hours      |     24 hours      |      ---> time
#ifndef RATELIMIT_ALGORITHMS_CALENDAR_H
#define RATELIMIT_ALGORITHMS_CALENDAR_H

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string_view>

#include "ratelimit/algorithms/zone.h"
#include "ratelimit/units.h"

namespace ratelimit {

enum class CalendarUnit : std::uint8_t {
  hour = 1,
  day,
  week,  ///< from Monday on
  month,
  year,
};

/// How the unit is written in a command; empty if there is no such unit.
[[nodiscard]] constexpr std::string_view keyword(CalendarUnit unit) {
  switch (unit) {
    case CalendarUnit::hour: return "HOUR";
    case CalendarUnit::day: return "DAY";
    case CalendarUnit::week: return "WEEK";
    case CalendarUnit::month: return "MONTH";
    case CalendarUnit::year: return "YEAR";
  }
  return {};
}

/// The usual length of such a window: some days have 23 hours, and most months more than 30 days.
[[nodiscard]] constexpr Span nominal_length(CalendarUnit unit) {
  switch (unit) {
    case CalendarUnit::hour: return std::chrono::hours{1};
    case CalendarUnit::day: return std::chrono::days{1};
    case CalendarUnit::week: return std::chrono::weeks{1};
    case CalendarUnit::month: return std::chrono::days{30};
    case CalendarUnit::year: return std::chrono::days{365};
  }
  return {};
}

/// No window of that unit is longer: a clock that is set back makes it so, in all by less than two days.
[[nodiscard]] constexpr Span longest_length(CalendarUnit unit) {
  switch (unit) {
    case CalendarUnit::hour: return std::chrono::hours{2};
    case CalendarUnit::month: return std::chrono::days{31 + 2};
    case CalendarUnit::year: return std::chrono::days{366 + 2};
    case CalendarUnit::day:
    case CalendarUnit::week: break;
  }
  return nominal_length(unit) + std::chrono::days{2};
}

/// No window is longer: a leap year, in which clocks are set back by less than two days in all.
inline constexpr Span kLongestCalendarWindow = std::chrono::days{366 + 2};
static_assert(kLongestCalendarWindow < kMaxSpan);

class CalendarWindows {
 public:
  /// `unit` is one of the enumerators. A null zone is UTC; others must outlive this object.
  constexpr CalendarWindows(CalendarUnit unit, const Zone* zone) : unit_(unit), zone_(zone) {}

  /// Windows of UTC that stand in for those of a zone which this machine does not know. A window that the zone's
  /// calendar has made ends when that said.
  [[nodiscard]] static constexpr CalendarWindows stand_in(CalendarUnit unit, std::string_view zone) {
    CalendarWindows windows(unit, nullptr);
    windows.stands_in_for_ = hash_of(zone);
    return windows;
  }
  [[nodiscard]] constexpr bool is_stand_in() const { return stands_in_for_ != 0; }

  /// The end (exclusive) of the window that contains `now`, which lies in [kEarliest, kLatest]. Always later than
  /// `now`.
  [[nodiscard]] constexpr Instant end_after(Instant now) const {
    return unit_ == CalendarUnit::hour ? full_hour_after(now) : first_day_after(now);
  }

  /// The latest instant at which a window can end that is open at `now`.
  [[nodiscard]] constexpr Instant latest_end_after(Instant now) const {
    const Instant end = end_after(now);
    return is_stand_in() ? std::max(end, now + longest_length()) : end;
  }

  [[nodiscard]] constexpr Span nominal_length() const { return ratelimit::nominal_length(unit_); }
  [[nodiscard]] constexpr Span longest_length() const { return ratelimit::longest_length(unit_); }

  [[nodiscard]] constexpr Instant end_of_adopted(const CalendarWindows&, Instant, Instant now) const {
    return end_after(now);
  }

  friend constexpr bool operator==(const CalendarWindows&, const CalendarWindows&) = default;

 private:
  using LocalDays = std::chrono::local_days;

  /// A clock that is set back over midnight shows the old day again after the new day has begun. (Newfoundland did so
  /// until 2011, at one minute past midnight.) Then the next day has begun already, and the day after it is the
  /// answer.
  [[nodiscard]] constexpr Instant first_day_after(Instant now) const {
    LocalDays day = std::chrono::floor<std::chrono::days>(local(now));
    Instant begin{};
    do {
      day = next_first(day);
      begin = begin_of(day);
    } while (begin <= now);
    return begin;
  }

  /// The offset may change before the local clock shows the full hour, also by half an hour or a quarter. So an answer
  /// counts only if the offset is still the same there; else the search goes on from the change. No offset changes and
  /// changes back within an hour.
  [[nodiscard]] constexpr Instant full_hour_after(Instant now) const {
    Instant from = now + Span{1};
    while (true) {
      const Span offset = offset_at(from);
      const Instant full = sys(std::chrono::ceil<std::chrono::hours>(local(from)), offset);
      if (offset_at(full) == offset) return full;
      from = first_change(from, full);
    }
  }

  /// The first instant in (from, until] at which the offset differs from that at `from`. It must differ at `until`.
  [[nodiscard]] constexpr Instant first_change(Instant from, Instant until) const {
    const Span offset = offset_at(from);
    while (until - from > Span{1}) {
      const Instant middle = from + (until - from) / 2;
      (offset_at(middle) == offset ? from : until) = middle;
    }
    return until;
  }

  /// The first day of the next day, week, month or year.
  [[nodiscard]] constexpr LocalDays next_first(LocalDays day) const {
    const std::chrono::year_month_day date{day};
    switch (unit_) {
      case CalendarUnit::hour:
      case CalendarUnit::day: break;
      case CalendarUnit::week: return day + std::chrono::weeks{1} - (std::chrono::weekday{day} - std::chrono::Monday);
      case CalendarUnit::month: return LocalDays{(date.year() / date.month() + std::chrono::months{1}) / 1};
      case CalendarUnit::year: return LocalDays{(date.year() + std::chrono::years{1}) / std::chrono::January / 1};
    }
    return day + std::chrono::days{1};
  }

  [[nodiscard]] constexpr Span offset_at(Instant instant) const {
    return zone_ == nullptr ? Span{} : zone_->offset_at(instant);
  }
  [[nodiscard]] constexpr Instant begin_of(LocalDays day) const {
    return zone_ == nullptr ? sys(day, Span{}) : zone_->begin_of(day);
  }

  [[nodiscard]] constexpr std::chrono::local_time<Span> local(Instant instant) const {
    return std::chrono::local_time<Span>{instant.time_since_epoch() + offset_at(instant)};
  }
  [[nodiscard]] static constexpr Instant sys(std::chrono::local_time<Span> local, Span offset) {
    return Instant{local.time_since_epoch() - offset};
  }

  /// FNV-1a, which never gives 0 here. Tells the zones that a machine lacks from one another.
  [[nodiscard]] static constexpr std::uint64_t hash_of(std::string_view zone) {
    std::uint64_t hash = 0xCBF29CE484222325U;
    for (const char c : zone) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
    return hash | 1U;
  }

  CalendarUnit unit_;
  const Zone* zone_;
  std::uint64_t stands_in_for_ = 0;
};

}  // namespace ratelimit

#endif  // RATELIMIT_ALGORITHMS_CALENDAR_H
