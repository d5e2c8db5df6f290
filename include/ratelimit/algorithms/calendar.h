// The windows of the calendar: hours, days, weeks, months and years as the clocks on the wall of a time zone show them.
//
// They partition time: each window ends where the next one begins, and that is the first instant of a civil day, or
// one at which the local clock shows a full hour. How long they are is up to the zone: two days a year have 23 and 25
// hours in much of the world, and Samoa once had a week of six days. Depends on zones only; UTC needs none.
//
//     clocks go forward        | 23 hours |     24 hours      |     24 hours      |      ---> time
#ifndef RATELIMIT_ALGORITHMS_CALENDAR_H
#define RATELIMIT_ALGORITHMS_CALENDAR_H

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

/// How long such a window is as a rule: some days have 23 hours, most months more than 30 days.
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

/// No window is longer: a leap year, and what clocks may be set back by within it, which is less than two days.
inline constexpr Span kLongestCalendarWindow = std::chrono::days{366 + 2};
static_assert(kLongestCalendarWindow < kMaxSpan);

class CalendarWindows {
 public:
  /// `unit` is one of those above. The zone, if any, must outlive this; null is UTC.
  constexpr CalendarWindows(CalendarUnit unit, const Zone* zone) : unit_(unit), zone_(zone) {}

  /// When the window ends (exclusive) that contains `now`, which lies in [kEarliest, kLatest]. Always later than `now`.
  [[nodiscard]] constexpr Instant end_after(Instant now) const {
    return unit_ == CalendarUnit::hour ? full_hour_after(now) : first_day_after(now);
  }

  [[nodiscard]] constexpr Span nominal_length() const { return ratelimit::nominal_length(unit_); }

  friend constexpr bool operator==(const CalendarWindows&, const CalendarWindows&) = default;

 private:
  using LocalDays = std::chrono::local_days;

  /// A clock that is set back over midnight shows the old day once more when the new one has begun already (as in
  /// Newfoundland, at one minute past midnight, until 2011): so the next beginning may be over, and the one behind it
  /// counts.
  [[nodiscard]] constexpr Instant first_day_after(Instant now) const {
    LocalDays day = std::chrono::floor<std::chrono::days>(local(now));
    Instant begin{};
    do {
      day = next_first(day);
      begin = begin_of(day);
    } while (begin <= now);
    return begin;
  }

  /// A clock may be moved by half an hour, or to another quarter of it, before it shows the full hour: so an offset is
  /// good for an answer at which it still holds, else it is asked again from when it changed. That an offset changes
  /// and is back within the hour does not happen.
  [[nodiscard]] constexpr Instant full_hour_after(Instant now) const {
    Instant from = now + Span{1};
    while (true) {
      const Span offset = offset_at(from);
      const Instant full = sys(std::chrono::ceil<std::chrono::hours>(local(from)), offset);
      if (offset_at(full) == offset) return full;
      from = first_change(from, full);
    }
  }

  /// The first instant in (from, until] at which the offset is no longer that of `from`; that of `until` is not.
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

  CalendarUnit unit_;
  const Zone* zone_;
};

}  // namespace ratelimit

#endif  // RATELIMIT_ALGORITHMS_CALENDAR_H
