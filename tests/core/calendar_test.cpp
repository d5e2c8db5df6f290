// SPDX-License-Identifier: MIT
#include "ratelimit/algorithms/calendar.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

#include "random.h"

namespace ratelimit::tests {
namespace {

using std::chrono::days;
using std::chrono::local_days;
using std::chrono::minutes;
using std::chrono::sys_days;
using std::chrono::year_month_day;
using namespace std::chrono_literals;

constexpr std::array kUnits{CalendarUnit::hour,  CalendarUnit::day,     CalendarUnit::week,
                            CalendarUnit::month, CalendarUnit::quarter, CalendarUnit::year};

/// What the clock of UTC shows.
constexpr Instant utc(year_month_day date, Span time = {}) { return Instant{sys_days{date}} + time; }

constexpr Instant end_after(CalendarUnit unit, const Zone* zone, Instant now) {
  return CalendarWindows(unit, zone).end_after(now);
}
constexpr Instant end_after(CalendarUnit unit, std::string_view anchor, const Zone* zone, Instant now) {
  return CalendarWindows(unit, zone, parse_anchor(anchor).value()).end_after(now);
}

// Without a zone, windows are decided at compile time as well as at any other.
static_assert(end_after(CalendarUnit::hour, nullptr, utc(2024y / 2 / 29, 13h + 1ns)) == utc(2024y / 2 / 29, 14h));
static_assert(end_after(CalendarUnit::day, nullptr, utc(2024y / 2 / 29, 13h)) == utc(2024y / 3 / 1));
static_assert(end_after(CalendarUnit::year, nullptr, kEarliest) == utc(1971y / 1 / 1));
static_assert(end_after(CalendarUnit::year, nullptr, kLatest) == utc(2201y / 1 / 1));
static_assert(keyword(CalendarUnit::week) == "WEEK" && keyword(CalendarUnit{}).empty() &&
              keyword(CalendarUnit{7}).empty());
static_assert(end_after(CalendarUnit::quarter, nullptr, kLatest) == utc(2200y / 4 / 1));
static_assert(end_after(CalendarUnit::year, "2199-12-31T23:59", nullptr, kEarliest) == utc(1970y / 12 / 31, 1439min));
static_assert(end_after(CalendarUnit::year, "1970-01-01T00:01", nullptr, kLatest) == utc(2200y / 1 / 1, 1min));

/// A zone whose clock is moved a few times.
class FakeZone final : public Zone {
 public:
  struct Move {
    Instant at;
    Span offset;
  };

  explicit FakeZone(Span offset, std::vector<Move> moves = {}) : moves_(std::move(moves)) {
    moves_.insert(moves_.begin(), {Instant::min(), offset});
  }

  [[nodiscard]] Span offset_at(Instant instant) const override {
    return std::prev(std::ranges::upper_bound(moves_, instant, {}, &Move::at))->offset;
  }

  /// The first instant at which the clock shows that time or a later one.
  [[nodiscard]] Instant begin_of(local_days day, Span time) const override {
    for (std::size_t i = 0;; ++i) {
      const Instant begin = std::max(moves_[i].at, Instant{day.time_since_epoch() + time - moves_[i].offset});
      if (i + 1 == moves_.size() || begin < moves_[i + 1].at) return begin;
    }
  }

 private:
  std::vector<Move> moves_;
};

TEST(Calendar, EndsEachWindowWhereTheNextBegins) {
  EXPECT_EQ(end_after(CalendarUnit::hour, nullptr, utc(2024y / 2 / 29, 13h - 1ns)), utc(2024y / 2 / 29, 13h));
  EXPECT_EQ(end_after(CalendarUnit::hour, nullptr, utc(2024y / 2 / 29, 13h)), utc(2024y / 2 / 29, 14h));
  EXPECT_EQ(end_after(CalendarUnit::day, nullptr, utc(2024y / 2 / 29) - 1ns), utc(2024y / 2 / 29));
  EXPECT_EQ(end_after(CalendarUnit::day, nullptr, utc(2024y / 2 / 29)), utc(2024y / 3 / 1));
  EXPECT_EQ(end_after(CalendarUnit::month, nullptr, utc(2024y / 3 / 1) - 1ns), utc(2024y / 3 / 1));
  EXPECT_EQ(end_after(CalendarUnit::month, nullptr, utc(2024y / 3 / 1)), utc(2024y / 4 / 1));
  EXPECT_EQ(end_after(CalendarUnit::quarter, nullptr, utc(2024y / 4 / 1) - 1ns), utc(2024y / 4 / 1));
  EXPECT_EQ(end_after(CalendarUnit::quarter, nullptr, utc(2024y / 4 / 1)), utc(2024y / 7 / 1));
  EXPECT_EQ(end_after(CalendarUnit::quarter, nullptr, utc(2024y / 9 / 30, 23h)), utc(2024y / 10 / 1));
  EXPECT_EQ(end_after(CalendarUnit::quarter, nullptr, utc(2024y / 12 / 31, 23h)), utc(2025y / 1 / 1));
  EXPECT_EQ(end_after(CalendarUnit::year, nullptr, utc(2025y / 1 / 1) - 1ns), utc(2025y / 1 / 1));
  EXPECT_EQ(end_after(CalendarUnit::year, nullptr, utc(2025y / 1 / 1)), utc(2026y / 1 / 1));
}

TEST(Calendar, BeginsWeeksOnMonday) {
  // The epoch was a Thursday.
  EXPECT_EQ(end_after(CalendarUnit::week, nullptr, kEarliest), utc(1970y / 1 / 5));
  EXPECT_EQ(end_after(CalendarUnit::week, nullptr, utc(2024y / 12 / 30) - 1ns), utc(2024y / 12 / 30));
  for (const int day : {0, 1, 2, 3, 4, 5, 6}) {
    EXPECT_EQ(end_after(CalendarUnit::week, nullptr, utc(2024y / 12 / 30) + days{day}), utc(2025y / 1 / 6));
  }
}

TEST(Calendar, KnowsLeapYears) {
  const auto february = [](std::chrono::year year) {
    return end_after(CalendarUnit::month, nullptr, utc(year / 2 / 1)) - utc(year / 2 / 1);
  };
  EXPECT_EQ(february(2023y), days{28});
  EXPECT_EQ(february(2024y), days{29});
  EXPECT_EQ(february(2000y), days{29});
  EXPECT_EQ(february(2100y), days{28});
  EXPECT_EQ(end_after(CalendarUnit::year, nullptr, utc(2024y / 1 / 1)) - utc(2024y / 1 / 1), days{366});
  EXPECT_EQ(end_after(CalendarUnit::year, nullptr, utc(2100y / 1 / 1)) - utc(2100y / 1 / 1), days{365});
}

TEST(Calendar, EndsWhereTheLocalClockShowsIt) {
  for (const Span offset : {Span{-12h}, Span{-3h - 30min}, Span{5h + 45min}, Span{14h}}) {
    const FakeZone zone(offset);
    const Instant midnight = utc(2025y / 1 / 1) - offset;
    for (const CalendarUnit unit : kUnits) {
      if (unit == CalendarUnit::week) continue;  // it was a Wednesday
      EXPECT_EQ(end_after(unit, &zone, midnight - 1ns), midnight);
    }
    EXPECT_EQ(end_after(CalendarUnit::hour, &zone, midnight), midnight + 1h);
    EXPECT_EQ(end_after(CalendarUnit::day, &zone, midnight), midnight + days{1});
    EXPECT_EQ(end_after(CalendarUnit::week, &zone, midnight), midnight + days{5});
    EXPECT_EQ(end_after(CalendarUnit::month, &zone, midnight), midnight + days{31});
    EXPECT_EQ(end_after(CalendarUnit::quarter, &zone, midnight), midnight + days{90});
    EXPECT_EQ(end_after(CalendarUnit::year, &zone, midnight), midnight + days{365});
  }
}

TEST(Calendar, HasDaysOf23And25HoursWhenClocksAreMoved) {
  const FakeZone berlin(1h, {{utc(2024y / 3 / 31, 1h), 2h}, {utc(2024y / 10 / 27, 1h), 1h}});
  EXPECT_EQ(end_after(CalendarUnit::day, &berlin, utc(2024y / 3 / 30, 23h)), utc(2024y / 3 / 31, 22h));
  EXPECT_EQ(end_after(CalendarUnit::day, &berlin, utc(2024y / 10 / 26, 22h)), utc(2024y / 10 / 27, 23h));
  EXPECT_EQ(end_after(CalendarUnit::month, &berlin, utc(2024y / 2 / 29, 23h)), utc(2024y / 3 / 31, 22h));
  EXPECT_EQ(end_after(CalendarUnit::hour, &berlin, utc(2024y / 3 / 31)), utc(2024y / 3 / 31, 1h));
  EXPECT_EQ(end_after(CalendarUnit::hour, &berlin, utc(2024y / 10 / 27, 30min)), utc(2024y / 10 / 27, 1h));
  EXPECT_EQ(end_after(CalendarUnit::hour, &berlin, utc(2024y / 10 / 27, 1h)), utc(2024y / 10 / 27, 2h));
}

TEST(Calendar, BeginsADayWithoutMidnightWhereTheGapEnds) {
  // At 00:00 it became 01:00, as in Beirut.
  const FakeZone zone(2h, {{utc(2024y / 3 / 30, 22h), 3h}});
  EXPECT_EQ(end_after(CalendarUnit::day, &zone, utc(2024y / 3 / 30, 22h) - 1ns), utc(2024y / 3 / 30, 22h));
  EXPECT_EQ(end_after(CalendarUnit::day, &zone, utc(2024y / 3 / 30, 22h)), utc(2024y / 3 / 31, 21h));
}

TEST(Calendar, BeginsADayWithTwoMidnightsAtTheFirst) {
  // At 01:00 it became 00:00, as in Havana.
  const FakeZone zone(-4h, {{utc(2024y / 11 / 3, 5h), -5h}});
  EXPECT_EQ(end_after(CalendarUnit::day, &zone, utc(2024y / 11 / 3, 4h) - 1ns), utc(2024y / 11 / 3, 4h));
  EXPECT_EQ(end_after(CalendarUnit::day, &zone, utc(2024y / 11 / 3, 4h)), utc(2024y / 11 / 4, 5h));
  EXPECT_EQ(end_after(CalendarUnit::day, &zone, utc(2024y / 11 / 3, 5h)), utc(2024y / 11 / 4, 5h));
}

TEST(Calendar, EndsADayOnceThoughTheClockShowsItAgainAfterMidnight) {
  // At 00:01 it became 23:01, as in Newfoundland.
  const Instant midnight = utc(2010y / 11 / 7, 2h + 30min);
  const FakeZone zone(-2h - 30min, {{midnight + 1min, -3h - 30min}});
  const Instant next = utc(2010y / 11 / 8, 3h + 30min);
  EXPECT_EQ(end_after(CalendarUnit::day, &zone, midnight - 1ns), midnight);
  for (const Span after : {Span{0}, Span{1min - 1ns}, Span{1min}, Span{1h}, Span{1h + 1min}}) {
    EXPECT_EQ(end_after(CalendarUnit::day, &zone, midnight + after), next);
  }
}

TEST(Calendar, EndsAMonthOnceThoughTheClockShowsItAgainAfterMidnight) {
  const FakeZone zone(0h, {{utc(2010y / 11 / 1, 1min), -1h}});
  EXPECT_EQ(end_after(CalendarUnit::month, &zone, utc(2010y / 11 / 1) - 1ns), utc(2010y / 11 / 1));
  EXPECT_EQ(end_after(CalendarUnit::month, &zone, utc(2010y / 11 / 1, 30min)), utc(2010y / 12 / 1, 1h));
}

TEST(Calendar, HasNoWindowForADayThatIsSkipped) {
  // Samoa went from the 29th to the 31st.
  const Instant midnight = utc(2011y / 12 / 30, 10h);
  const FakeZone apia(-10h, {{midnight, 14h}});
  EXPECT_EQ(end_after(CalendarUnit::day, &apia, midnight - 1ns), midnight);
  EXPECT_EQ(end_after(CalendarUnit::day, &apia, midnight), midnight + days{1});
  EXPECT_EQ(end_after(CalendarUnit::week, &apia, utc(2011y / 12 / 26, 10h)), utc(2011y / 12 / 26, 10h) + days{6});
}

TEST(Calendar, HasHoursOfNinetyMinutesWhereClocksAreMovedByHalfAnHour) {
  // Lord Howe: at 02:00 it became 02:30, and at 02:00 it became 01:30.
  const Instant spring = utc(2024y / 10 / 5, 15h + 30min);
  const Instant autumn = utc(2025y / 4 / 5, 15h);
  const FakeZone zone(10h + 30min, {{spring, 11h}, {autumn, 10h + 30min}});
  for (const Instant moved : {spring, autumn}) {
    EXPECT_EQ(end_after(CalendarUnit::hour, &zone, moved - 1h - 1ns), moved - 1h);
    for (const Span after : {Span{-1h}, Span{-1ns}, Span{0}, Span{30min - 1ns}}) {
      EXPECT_EQ(end_after(CalendarUnit::hour, &zone, moved + after), moved + 30min);
    }
    EXPECT_EQ(end_after(CalendarUnit::hour, &zone, moved + 30min), moved + 90min);
  }
}

TEST(Calendar, EndsAnHourWhenTheClockIsMovedToAFullOne) {
  const FakeZone zone(30min, {{utc(2024y / 1 / 1, 15min), 45min}});  // from 00:45 to 01:00
  EXPECT_EQ(end_after(CalendarUnit::hour, &zone, utc(2024y / 1 / 1)), utc(2024y / 1 / 1, 15min));
  EXPECT_EQ(end_after(CalendarUnit::hour, &zone, utc(2024y / 1 / 1, 15min)), utc(2024y / 1 / 1, 75min));
}

TEST(Calendar, BeginsWindowsAtTheAnchorAndAWholeNumberOfUnitsEarlierAndLater) {
  const auto end = [](CalendarUnit unit, std::string_view anchor, Instant now) {
    return end_after(unit, anchor, nullptr, now);
  };
  EXPECT_EQ(end(CalendarUnit::hour, "2026-01-31T06:15", utc(2024y / 2 / 29, 13h)), utc(2024y / 2 / 29, 13h + 15min));
  EXPECT_EQ(end(CalendarUnit::hour, "2026-01-31T06:15", utc(2027y / 2 / 28, 13h + 15min)),
            utc(2027y / 2 / 28, 14h + 15min));
  EXPECT_EQ(end(CalendarUnit::day, "2026-01-31T06:00", utc(2024y / 2 / 29, 6h) - 1ns), utc(2024y / 2 / 29, 6h));
  EXPECT_EQ(end(CalendarUnit::day, "2026-01-31T06:00", utc(2024y / 2 / 29, 6h)), utc(2024y / 3 / 1, 6h));
  EXPECT_EQ(end(CalendarUnit::week, "2026-02-01", utc(2024y / 12 / 30)), utc(2025y / 1 / 5)) << "Sundays";
  EXPECT_EQ(end(CalendarUnit::week, "2026-02-01T12:00", utc(2025y / 1 / 5, 12h)), utc(2025y / 1 / 12, 12h));
  EXPECT_EQ(end(CalendarUnit::quarter, "2026-02-10", utc(2025y / 5 / 9)), utc(2025y / 5 / 10));
  EXPECT_EQ(end(CalendarUnit::quarter, "2026-02-10", utc(2025y / 11 / 10)), utc(2026y / 2 / 10));
  EXPECT_EQ(end(CalendarUnit::year, "2026-04-06", utc(2025y / 4 / 5)), utc(2025y / 4 / 6)) << "a fiscal year";
  EXPECT_EQ(end(CalendarUnit::year, "2026-04-06", utc(2025y / 4 / 6)), utc(2026y / 4 / 6));
}

TEST(Calendar, BeginsAMonthFromThe31stOnItsLastDayAndGoesBackToThe31st) {
  Instant now = utc(2023y / 12 / 31, 9h);
  for (const auto& [month, day] : {std::pair{1, 31}, {2, 29}, {3, 31}, {4, 30}, {5, 31}, {6, 30}, {7, 31}, {8, 31}}) {
    const auto next = utc(2024y / month / day, 9h);
    EXPECT_EQ(end_after(CalendarUnit::month, "2026-01-31T09:00", nullptr, now), next);
    EXPECT_EQ(end_after(CalendarUnit::month, "2026-01-31T09:00", nullptr, next - 1ns), next);
    now = next;
  }
  EXPECT_EQ(end_after(CalendarUnit::month, "2026-01-30", nullptr, utc(2025y / 1 / 30)), utc(2025y / 2 / 28));
  EXPECT_EQ(end_after(CalendarUnit::quarter, "2026-08-31", nullptr, utc(2024y / 11 / 30)), utc(2025y / 2 / 28));
  EXPECT_EQ(end_after(CalendarUnit::quarter, "2026-08-31", nullptr, utc(2025y / 2 / 28)), utc(2025y / 5 / 31));
  EXPECT_EQ(end_after(CalendarUnit::year, "2024-02-29", nullptr, utc(2024y / 2 / 29)), utc(2025y / 2 / 28));
  EXPECT_EQ(end_after(CalendarUnit::year, "2024-02-29", nullptr, utc(2027y / 2 / 28)), utc(2028y / 2 / 29));
  EXPECT_EQ(end_after(CalendarUnit::year, "2024-02-29", nullptr, utc(2099y / 2 / 28)), utc(2100y / 2 / 28));
}

TEST(Calendar, BeginsAWindowAtATimeThatIsLeftOutWhereTheGapEnds) {
  const FakeZone berlin(1h, {{utc(2024y / 3 / 31, 1h), 2h}, {utc(2024y / 10 / 27, 1h), 1h}});
  const Instant gap = utc(2024y / 3 / 31, 1h);  // from two o'clock to three
  for (const std::string_view time : {"2026-01-01T02:00", "2026-01-01T02:30", "2026-01-01T02:59"}) {
    EXPECT_EQ(end_after(CalendarUnit::day, time, &berlin, gap - 1ns), gap);
    EXPECT_GT(end_after(CalendarUnit::day, time, &berlin, gap), gap + 22h);
  }
  EXPECT_EQ(end_after(CalendarUnit::day, "2026-01-01T02:30", &berlin, gap), utc(2024y / 4 / 1, 30min));
  EXPECT_EQ(end_after(CalendarUnit::month, "2026-01-31T02:30", &berlin, gap), utc(2024y / 4 / 30, 30min));
}

TEST(Calendar, BeginsAWindowAtATimeThatComesTwiceTheFirstTime) {
  const FakeZone berlin(2h, {{utc(2024y / 10 / 27, 1h), 1h}});  // at three o'clock it became two
  const Instant first = utc(2024y / 10 / 27, 30min);
  EXPECT_EQ(end_after(CalendarUnit::day, "2026-01-01T02:30", &berlin, first - 1ns), first);
  for (const Span after : {Span{0}, Span{30min}, Span{1h - 1ns}, Span{1h}}) {
    EXPECT_EQ(end_after(CalendarUnit::day, "2026-01-01T02:30", &berlin, first + after), first + 25h);
  }
}

TEST(Calendar, DividesWhatIsLeftOfADayThatIsSkipped) {
  // Samoa went from the 29th to the 31st. Both six o'clocks after the change are in the day that it became.
  const Instant midnight = utc(2011y / 12 / 30, 10h);
  const FakeZone apia(-10h, {{midnight, 14h}});
  EXPECT_EQ(end_after(CalendarUnit::day, "2026-01-01T06:00", &apia, midnight - 18h), midnight);
  EXPECT_EQ(end_after(CalendarUnit::day, "2026-01-01T06:00", &apia, midnight), midnight + 6h);
  EXPECT_EQ(end_after(CalendarUnit::month, "2026-01-30", &apia, midnight - 1ns), midnight);
  EXPECT_EQ(end_after(CalendarUnit::month, "2026-01-30", &apia, midnight), midnight + days{30});
  EXPECT_EQ(end_after(CalendarUnit::month, "2026-01-31", &apia, midnight - 1ns), midnight);
  EXPECT_EQ(end_after(CalendarUnit::year, "2026-12-30T12:00", &apia, midnight - 1ns), midnight);
}

TEST(Calendar, BeginsHoursWheneverTheClockShowsTheirMinute) {
  // Lord Howe: at 02:00 it became 02:30, and at 02:00 it became 01:30.
  const Instant spring = utc(2024y / 10 / 5, 15h + 30min);
  const Instant autumn = utc(2025y / 4 / 5, 15h);
  const FakeZone zone(10h + 30min, {{spring, 11h}, {autumn, 10h + 30min}});
  const auto end = [&](std::string_view time, Instant now) { return end_after(CalendarUnit::hour, time, &zone, now); };
  EXPECT_EQ(end("2026-01-01T00:15", spring - 45min), spring + 45min) << "90 minutes, as for full hours";
  EXPECT_EQ(end("2026-01-01T00:15", autumn - 45min), autumn + 45min) << "and again";
  EXPECT_EQ(end("2026-01-01T00:45", spring - 15min), spring + 15min) << "from 01:45 to 02:45, half an hour later";
  EXPECT_EQ(end("2026-01-01T00:45", autumn - 15min), autumn + 15min) << "01:45, and 01:45 again";
  EXPECT_EQ(end("2026-01-01T00:45", autumn + 15min), autumn + 75min);
}

TEST(Calendar, IsTheSameIfUnitAndZoneAre) {
  const FakeZone here(1h), there(1h);
  EXPECT_EQ(CalendarWindows(CalendarUnit::day, &here), CalendarWindows(CalendarUnit::day, &here));
  EXPECT_NE(CalendarWindows(CalendarUnit::day, &here), CalendarWindows(CalendarUnit::week, &here));
  EXPECT_NE(CalendarWindows(CalendarUnit::day, &here), CalendarWindows(CalendarUnit::day, &there));
  EXPECT_NE(CalendarWindows(CalendarUnit::day, &here), CalendarWindows(CalendarUnit::day, nullptr));
  const auto from = [](CalendarUnit unit, std::string_view anchor) {
    return CalendarWindows(unit, nullptr, parse_anchor(anchor).value());
  };
  EXPECT_EQ(from(CalendarUnit::month, "2026-01-15"), from(CalendarUnit::month, "1999-07-15")) << "the same windows";
  EXPECT_EQ(from(CalendarUnit::month, "2026-01-01"), CalendarWindows(CalendarUnit::month, nullptr));
  EXPECT_NE(from(CalendarUnit::month, "2026-01-15"), from(CalendarUnit::month, "2026-01-16"));
  EXPECT_NE(from(CalendarUnit::month, "2026-01-15"), from(CalendarUnit::month, "2026-01-15T00:01"));
}

/// A zone whose clock is moved about once a year, by up to two hours and now and then by a day, at any minute.
FakeZone random_zone(Random& random) {
  Span offset = 15min * random.between(-40, 40);
  const Span first = offset;
  std::vector<FakeZone::Move> moves;
  for (Instant at = kEarliest; at < kLatest; at += days{random.between(60, 600)} + 1min * random.between(0, 1440)) {
    const Span moved = random.one_in(50) ? Span{days{1}} : 15min * random.between(-8, 8);
    offset = std::abs((offset + moved).count()) < Span{26h}.count() ? offset + moved : Span{};
    moves.push_back({at, offset});
  }
  return FakeZone(first, std::move(moves));
}

/// The first instant after `now` at which the clock shows that minute of an hour, found minute by minute.
Instant hour_by_search(minutes of_hour, const FakeZone* zone, Instant now) {
  Instant at = std::chrono::floor<minutes>(now) + minutes{1};
  const auto is_shown = [&] {
    const Span shown = at.time_since_epoch() + (zone == nullptr ? Span{} : zone->offset_at(at));
    return (shown - of_hour) % 1h == Span{};
  };
  while (!is_shown()) at += minutes{1};
  return at;
}

/// Whether a window begins on that day: counted from the anchor in units.
bool is_first_day(CalendarUnit unit, year_month_day anchor, year_month_day date) {
  const auto month_of = [](year_month_day day) {
    return 12 * static_cast<int>(day.year()) + static_cast<int>(static_cast<unsigned>(day.month()));
  };
  const int months = month_of(date) - month_of(anchor);
  const bool is_day = date.day() == std::min(anchor.day(), (date.year() / date.month() / std::chrono::last).day());
  switch (unit) {
    case CalendarUnit::week: return (local_days{date} - local_days{anchor}) % days{7} == days{0};
    case CalendarUnit::month: return is_day;
    case CalendarUnit::quarter: return is_day && months % 3 == 0;
    case CalendarUnit::year: return is_day && months % 12 == 0;
    default: return true;
  }
}

/// The end of the window that is open at `now`, found day by day.
Instant end_by_search(CalendarUnit unit, Anchor anchor, const FakeZone* zone, Instant now) {
  // The first day of 2024 was a Monday.
  const LocalMinute from = anchor.is_given() ? anchor.minute() : LocalMinute{local_days{2024y / 1 / 1}};
  const local_days first = std::chrono::floor<days>(from);
  if (unit == CalendarUnit::hour) return hour_by_search((from - first) % 1h, zone, now);
  for (local_days day{std::chrono::floor<days>(now.time_since_epoch()) - days{3}};; day += days{1}) {
    if (!is_first_day(unit, year_month_day{first}, year_month_day{day})) continue;
    const Span time = from - first;
    const Instant begin = zone == nullptr ? Instant{day.time_since_epoch() + time} : zone->begin_of(day, time);
    if (begin > now) return begin;
  }
}

TEST(Calendar, PartitionsTimeWhateverTheZone) {
  Random random(test_seed());
  for (int zones = 0; zones < 20; ++zones) {
    const FakeZone zone = random_zone(random);
    for (std::uint64_t step = 0; step < test_steps() / 200; ++step) {
      const CalendarUnit unit = kUnits[random.below(kUnits.size())];
      const Anchor anchor = random.one_in(3) ? Anchor() : random_anchor(random);
      const FakeZone* const rules = random.one_in(10) ? nullptr : &zone;
      const CalendarWindows windows(unit, rules, anchor);
      const Instant now = random_instant(random);
      const Instant end = windows.end_after(now);
      ASSERT_EQ(end, end_by_search(unit, anchor, rules, now))
          << keyword(unit) << ' ' << (anchor.is_given() ? text_of(anchor) : "") << " at "
          << now.time_since_epoch().count() << " seed " << test_seed();
      ASSERT_GT(end, now);
      ASSERT_LE(end - now, unit == CalendarUnit::hour ? Span{4h} : kLongestCalendarWindow);
      ASSERT_EQ(windows.end_after(end - 1ns), end) << "seed " << test_seed();
      ASSERT_EQ(windows.end_after(now + Span{random.between(0, (end - now).count() - 1)}), end)
          << "seed " << test_seed();
    }
  }
}

}  // namespace
}  // namespace ratelimit::tests
