// SPDX-License-Identifier: MIT
// The units of the calendar: how each is written, and how long its windows are. Depends on units only.
#ifndef RATELIMIT_ALGORITHMS_CALENDAR_UNIT_H
#define RATELIMIT_ALGORITHMS_CALENDAR_UNIT_H

#include <chrono>
#include <cstdint>
#include <string_view>

#include "ratelimit/units.h"

namespace ratelimit {

/// Their numbers stand in files: never change one.
enum class CalendarUnit : std::uint8_t {
  hour = 1,
  day = 2,
  week = 3,  ///< from Monday on, unless an anchor says otherwise
  month = 4,
  year = 5,
  quarter = 6,  ///< three months: from January, April, July and October on, unless an anchor says otherwise
};

/// How the unit is written in a command; empty if there is no such unit.
[[nodiscard]] constexpr std::string_view keyword(CalendarUnit unit) {
  switch (unit) {
    case CalendarUnit::hour: return "HOUR";
    case CalendarUnit::day: return "DAY";
    case CalendarUnit::week: return "WEEK";
    case CalendarUnit::month: return "MONTH";
    case CalendarUnit::quarter: return "QUARTER";
    case CalendarUnit::year: return "YEAR";
  }
  return {};
}

/// How many months the unit has; 0 if it is shorter than a month.
[[nodiscard]] constexpr unsigned months_in(CalendarUnit unit) {
  switch (unit) {
    case CalendarUnit::month: return 1;
    case CalendarUnit::quarter: return 3;
    case CalendarUnit::year: return 12;
    case CalendarUnit::hour:
    case CalendarUnit::day:
    case CalendarUnit::week: break;
  }
  return 0;
}

/// The usual length of such a window: some days have 23 hours, and most months more than 30 days.
[[nodiscard]] constexpr Span nominal_length(CalendarUnit unit) {
  switch (unit) {
    case CalendarUnit::hour: return std::chrono::hours{1};
    case CalendarUnit::day: return std::chrono::days{1};
    case CalendarUnit::week: return std::chrono::weeks{1};
    case CalendarUnit::month: return std::chrono::days{30};
    case CalendarUnit::quarter: return std::chrono::days{91};
    case CalendarUnit::year: return std::chrono::days{365};
  }
  return {};
}

/// No window of that unit is longer, wherever it begins: a clock that is set back makes it so, in all by less than two
/// days.
[[nodiscard]] constexpr Span longest_length(CalendarUnit unit) {
  switch (unit) {
    case CalendarUnit::hour: return std::chrono::hours{2};
    case CalendarUnit::month: return std::chrono::days{31 + 2};
    case CalendarUnit::quarter: return std::chrono::days{92 + 2};
    case CalendarUnit::year: return std::chrono::days{366 + 2};
    case CalendarUnit::day:
    case CalendarUnit::week: break;
  }
  return nominal_length(unit) + std::chrono::days{2};
}

/// No window is longer: a leap year, in which clocks are set back by less than two days in all.
inline constexpr Span kLongestCalendarWindow = std::chrono::days{366 + 2};
static_assert(kLongestCalendarWindow < kMaxSpan);

}  // namespace ratelimit

#endif  // RATELIMIT_ALGORITHMS_CALENDAR_UNIT_H
