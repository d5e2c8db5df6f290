// SPDX-License-Identifier: MIT
// Where windows start on the wall calendar: on which days, and at which time of those days.
//
// An anchor says one start, and its unit all the others. What is kept of the anchor is what they have in common: of a
// month, its day and its time. A month without that day starts on its last one, and the next month on that day again.
// This is arithmetic of dates: what a clock shows, and no instants. Depends on anchors and calendar units.
//
//     MONTH ANCHOR 2026-01-31    | Jan 31 | Feb 28 | Mar 31 | Apr 30 | May 31      ---> dates
#ifndef RATELIMIT_ALGORITHMS_WINDOW_STARTS_H
#define RATELIMIT_ALGORITHMS_WINDOW_STARTS_H

#include <chrono>
#include <cstdint>

#include "ratelimit/algorithms/anchor.h"
#include "ratelimit/algorithms/calendar_unit.h"
#include "ratelimit/units.h"

namespace ratelimit {

/// Equal if windows start at the same times, even if the anchors are not the same.
class WindowStarts {
 public:
  using LocalDays = std::chrono::local_days;

  /// `unit` is one of the enumerators, and the anchor is valid.
  constexpr WindowStarts(CalendarUnit unit, Anchor anchor) : unit_(unit) {
    if (anchor.is_given()) start_at(anchor.minute());
  }

  [[nodiscard]] constexpr CalendarUnit unit() const { return unit_; }

  /// The time of day at which windows start; of hours, the time after the full one.
  [[nodiscard]] constexpr Span time() const { return time_; }

  /// The first day later than `day` on which a window starts. Not for hours.
  [[nodiscard]] constexpr LocalDays next_day(LocalDays day) const {
    if (unit_ == CalendarUnit::day) return day + std::chrono::days{1};
    if (unit_ == CalendarUnit::week) {
      return day + std::chrono::weeks{1} - (std::chrono::weekday{day} - std::chrono::weekday{day_});
    }
    const std::chrono::year_month_day date{day};
    return day_ == 1 && month_ == 0 ? next_first(date) : next_month(date, months_in(unit_));
  }

  friend constexpr bool operator==(const WindowStarts&, const WindowStarts&) = default;

 private:
  constexpr void start_at(LocalMinute minute) {
    const auto day = std::chrono::floor<std::chrono::days>(minute);
    const std::chrono::year_month_day date{day};
    const unsigned months = months_in(unit_);
    time_ = unit_ == CalendarUnit::hour ? (minute - day) % std::chrono::hours{1} : minute - day;
    if (unit_ == CalendarUnit::week) day_ = static_cast<std::uint8_t>(std::chrono::weekday{day}.c_encoding());
    if (months == 0) return;
    day_ = static_cast<std::uint8_t>(static_cast<unsigned>(date.day()));
    month_ = static_cast<std::uint8_t>((static_cast<unsigned>(date.month()) - 1) % months);
  }

  /// The first day of the next month, quarter or year: where windows without an anchor start. It takes 25 of 145
  /// instructions less than the general way, and most quotas need no more.
  [[nodiscard]] constexpr LocalDays next_first(const std::chrono::year_month_day& date) const {
    if (unit_ == CalendarUnit::year) return LocalDays{(date.year() + std::chrono::years{1}) / std::chrono::January / 1};
    if (unit_ == CalendarUnit::month) return LocalDays{(date.year() / date.month() + std::chrono::months{1}) / 1};
    return next_month(date, 3);
  }

  /// The first day later than `date` on which a window of so many months starts.
  [[nodiscard]] constexpr LocalDays next_month(const std::chrono::year_month_day& date, unsigned months) const {
    const auto month = static_cast<unsigned>(date.month());
    const unsigned past = (month - 1 + 12 - month_) % months;  // since a window started
    if (past == 0) {
      const std::chrono::year_month_day start = start_in(date.year() / date.month());
      if (date.day() < start.day()) return LocalDays{start};
    }
    return LocalDays{start_in(date.year() / date.month() + std::chrono::months{months - past})};
  }

  /// The day of that month on which a window starts, if one does.
  [[nodiscard]] constexpr std::chrono::year_month_day start_in(std::chrono::year_month month) const {
    const std::chrono::year_month_day date = month / std::chrono::day{day_};
    if (day_ <= 28 || date.ok()) return date;
    return month / std::chrono::last;
  }

  CalendarUnit unit_;
  std::uint8_t month_ = 0;  ///< of the quarter or the year: the first is 0
  std::uint8_t day_ = 1;    ///< of the month; of the week: Sunday is 0, and Monday 1
  Span time_{};             ///< of the day, or of the hour
};

}  // namespace ratelimit

#endif  // RATELIMIT_ALGORITHMS_WINDOW_STARTS_H
