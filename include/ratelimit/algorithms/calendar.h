// SPDX-License-Identifier: MIT
// The windows of the calendar: hours, days, weeks, months, quarters and years as the wall clocks of a time zone show
// them, from an anchor on, if there is one.
//
// Each window ends where the next one begins: at the first instant at which the local clock shows its start or a later
// time. So a start that a clock leaves out is the end of the gap, and one that it shows twice is the first of the two.
// Hours begin whenever the clock shows their minute, twice if it does so twice. The lengths of windows depend on the
// zone: in much of the world, two days a year have 23 and 25 hours, and Samoa once had a week of six days. Depends on
// window starts, zones and units.
//
//     clocks go forward        | 23 hours |     24 hours      |     24 hours      |      ---> time
#ifndef RATELIMIT_ALGORITHMS_CALENDAR_H
#define RATELIMIT_ALGORITHMS_CALENDAR_H

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string_view>

#include "ratelimit/algorithms/anchor.h"
#include "ratelimit/algorithms/calendar_unit.h"
#include "ratelimit/algorithms/window_starts.h"
#include "ratelimit/algorithms/zone.h"
#include "ratelimit/units.h"

namespace ratelimit {

class CalendarWindows {
 public:
  /// `unit` is one of the enumerators, and the anchor is valid. A null zone is UTC; others must outlive this object.
  constexpr CalendarWindows(CalendarUnit unit, const Zone* zone, Anchor anchor = {})
      : starts_(unit, anchor), zone_(zone) {}

  /// Windows of UTC that stand in for those of a zone which this machine does not know. A window that the zone's
  /// calendar has made ends when that said.
  [[nodiscard]] static constexpr CalendarWindows stand_in(CalendarUnit unit, std::string_view zone,
                                                          Anchor anchor = {}) {
    CalendarWindows windows(unit, nullptr, anchor);
    windows.stands_in_for_ = hash_of(zone);
    return windows;
  }
  [[nodiscard]] constexpr bool is_stand_in() const { return stands_in_for_ != 0; }

  /// The end (exclusive) of the window that contains `now`, which lies in [kEarliest, kLatest]. Always later than
  /// `now`.
  [[nodiscard]] constexpr Instant end_after(Instant now) const {
    return starts_.unit() == CalendarUnit::hour ? hour_after(now) : start_after(now);
  }

  /// The latest instant at which a window can end that is open at `now`.
  [[nodiscard]] constexpr Instant latest_end_after(Instant now) const {
    const Instant end = end_after(now);
    return is_stand_in() ? std::max(end, now + longest_length()) : end;
  }

  [[nodiscard]] constexpr Span nominal_length() const { return ratelimit::nominal_length(starts_.unit()); }
  [[nodiscard]] constexpr Span longest_length() const { return ratelimit::longest_length(starts_.unit()); }

  [[nodiscard]] constexpr Instant end_of_adopted(const CalendarWindows&, Instant, Instant now) const {
    return end_after(now);
  }

  friend constexpr bool operator==(const CalendarWindows&, const CalendarWindows&) = default;

 private:
  using LocalDays = std::chrono::local_days;

  /// Windows start at the same time of some days: how far the clock is past that time of that day, or of the day
  /// before, says which day counts.
  ///
  /// A clock that is set back over a start shows the old window again after the new one has begun. (Newfoundland did so
  /// until 2011, at one minute past midnight.) Then the next start has come already, and the one after it is the
  /// answer.
  [[nodiscard]] constexpr Instant start_after(Instant now) const {
    const Span time = starts_.time();
    LocalDays day = std::chrono::floor<std::chrono::days>(local(now) - time);
    Instant begin{};
    do {
      day = starts_.next_day(day);
      begin = begin_of(day, time);
    } while (begin <= now);
    return begin;
  }

  /// The offset may change before the local clock shows the full hour (or the minute at which hours start), also by
  /// half an hour or a quarter. So an answer counts only if the offset is still the same there; else the search goes on
  /// from the change. No offset changes and changes back within an hour.
  [[nodiscard]] constexpr Instant hour_after(Instant now) const {
    Instant from = now + Span{1};
    if (zone_ == nullptr) return next_hour(from, Span{});
    while (true) {
      const Span offset = offset_at(from);
      const Instant full = next_hour(from, offset);
      if (offset_at(full) == offset) return full;
      from = first_change(from, full);
    }
  }

  /// The first instant from `from` on at which hours start, as long as the clock is so far ahead of UTC.
  [[nodiscard]] constexpr Instant next_hour(Instant from, Span offset) const {
    const Span shift = offset - starts_.time();
    return Instant{std::chrono::ceil<std::chrono::hours>(from.time_since_epoch() + shift) - shift};
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

  [[nodiscard]] constexpr Span offset_at(Instant instant) const {
    return zone_ == nullptr ? Span{} : zone_->offset_at(instant);
  }

  [[nodiscard]] constexpr Instant begin_of(LocalDays day, Span time) const {
    return zone_ == nullptr ? sys(day + time, Span{}) : zone_->begin_of(day, time);
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

  WindowStarts starts_;
  const Zone* zone_;
  std::uint64_t stands_in_for_ = 0;
};

}  // namespace ratelimit

#endif  // RATELIMIT_ALGORITHMS_CALENDAR_H
