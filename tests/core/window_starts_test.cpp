// SPDX-License-Identifier: MIT
// Over the 400 years in which the calendar repeats itself, against starts that are counted from the anchor one by one.
#include "ratelimit/algorithms/window_starts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>
#include <utility>
#include <vector>

#include "random.h"
#include "ratelimit/any_algorithm.h"

namespace ratelimit::tests {
namespace {

using std::chrono::days;
using std::chrono::local_days;
using std::chrono::year_month_day;
using namespace std::chrono_literals;

constexpr local_days kBegin{1970y / 1 / 1};
constexpr local_days kEnd{2370y / 1 / 1};
static_assert(kEnd - kBegin == days{146'097});

constexpr WindowStarts starts(CalendarUnit unit, std::string_view anchor) {
  return {unit, parse_anchor(anchor).value()};
}

static_assert(sizeof(AnyAlgorithm) <= 64, "a limit is no larger than it was before there were anchors");
static_assert(starts(CalendarUnit::month, "2026-01-31").next_day(local_days{2026y / 1 / 31}) ==
              local_days{2026y / 2 / 28});

/// A date as three numbers, and a calendar of its own.
struct Date {
  int year;
  int month;  // from 1 on
  int day;
};
constexpr bool is_leap(int year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }
constexpr int days_in(int year, int month) {
  constexpr std::array kDays{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && is_leap(year) ? 29 : kDays.at(static_cast<std::size_t>(month - 1));
}

/// All days of the 400 years, and whether a window starts on them, walked from the anchor in both directions.
std::vector<local_days> starts_by_walking(Date anchor, int months) {
  std::vector<local_days> found;
  for (const int direction : {-months, months}) {
    Date at = anchor;
    if (direction > 0) at.month += months;  // the anchor itself is found once
    while (true) {
      while (at.month < 1) --at.year, at.month += 12;
      while (at.month > 12) ++at.year, at.month -= 12;
      if (at.year < 1960 || at.year > 2380) break;
      const int day = std::min(anchor.day, days_in(at.year, at.month));
      found.emplace_back(std::chrono::year(at.year) / at.month / day);
      at.month += direction;
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

/// Whether each window ends where the next one starts, and on no other day.
void expect_starts(const WindowStarts& starts, const std::vector<local_days>& expected, Random& random) {
  for (std::size_t i = 1; i < expected.size(); ++i) {
    const local_days from = expected[i - 1];
    const local_days to = expected[i];
    if (from < kBegin || kEnd < to) continue;
    const local_days between = from + days{random.between(0, (to - from).count() - 1)};
    for (const local_days day : {from, between, to - days{1}}) {
      ASSERT_EQ(starts.next_day(day), to) << (day - kBegin).count() << " seed " << test_seed();
    }
  }
}

TEST(WindowStarts, OfMonthsQuartersAndYearsAreCountedFromTheAnchorOverAllDatesOf400Years) {
  Random random(test_seed());
  for (const auto& [unit, months] :
       {std::pair{CalendarUnit::month, 1}, {CalendarUnit::quarter, 3}, {CalendarUnit::year, 12}}) {
    // All dates of a year with a 29th of February. The year before and the year after it do not matter.
    for (int month = 1; month <= 12; ++month) {
      for (int day = 1; day <= days_in(2024, month); ++day) {
        const Anchor anchor(local_days{2024y / month / day});
        const std::vector expected = starts_by_walking({2024, month, day}, months);
        expect_starts(WindowStarts(unit, anchor), expected, random);
        if (HasFatalFailure()) FAIL() << keyword(unit) << ' ' << text_of(anchor);
      }
    }
  }
}

TEST(WindowStarts, DoNotDependOnTheYearOfTheAnchorUnlessItHasNo29thOfFebruary) {
  for (const CalendarUnit unit : {CalendarUnit::month, CalendarUnit::quarter, CalendarUnit::year}) {
    EXPECT_EQ(starts(unit, "1970-10-31"), starts(unit, "2199-10-31"));
    EXPECT_EQ(starts(unit, "2024-02-29"), starts(unit, "2000-02-29"));
    EXPECT_NE(starts(unit, "2024-02-29"), starts(unit, "2023-02-28"));
  }
  EXPECT_EQ(starts(CalendarUnit::month, "2026-01-31"), starts(CalendarUnit::month, "2026-03-31"));
  EXPECT_EQ(starts(CalendarUnit::quarter, "2026-01-31"), starts(CalendarUnit::quarter, "2026-07-31"));
  EXPECT_NE(starts(CalendarUnit::quarter, "2026-01-31"), starts(CalendarUnit::quarter, "2026-08-31"));
}

TEST(WindowStarts, OfDaysAndWeeksAreEveryDayAndEverySeventh) {
  for (const std::string_view anchor : {"1970-01-01", "2026-02-01", "2026-02-02", "2199-12-31"}) {
    const WindowStarts day = starts(CalendarUnit::day, anchor), week = starts(CalendarUnit::week, anchor);
    const local_days first = std::chrono::floor<days>(parse_anchor(anchor)->minute());
    for (local_days at = kBegin; at < kEnd; at += days{1}) {
      ASSERT_EQ(day.next_day(at), at + days{1});
      const local_days next = week.next_day(at);
      ASSERT_TRUE(at < next && next <= at + days{7});
      ASSERT_EQ((next - first) % days{7}, days{0});
    }
  }
}

TEST(WindowStarts, WithoutAnAnchorAreThoseOfTheCalendar) {
  for (const auto& [unit, anchor] : {std::pair{CalendarUnit::hour, "2024-05-17"},
                                     {CalendarUnit::day, "2024-05-17"},
                                     {CalendarUnit::week, "2024-05-20"},
                                     {CalendarUnit::month, "2024-05-01"},
                                     {CalendarUnit::quarter, "2024-10-01"},
                                     {CalendarUnit::year, "2024-01-01"}}) {
    EXPECT_EQ(WindowStarts(unit, Anchor()), starts(unit, anchor)) << keyword(unit);
  }
}

TEST(WindowStarts, KeepTheTimeOfTheAnchorAndOfHoursTheMinute) {
  EXPECT_EQ(starts(CalendarUnit::hour, "2026-01-31T06:15").time(), 15min);
  EXPECT_EQ(starts(CalendarUnit::day, "2026-01-31T23:59").time(), 23h + 59min);
  EXPECT_EQ(starts(CalendarUnit::year, "2026-01-31T06:15").time(), 6h + 15min);
  EXPECT_EQ(WindowStarts(CalendarUnit::month, Anchor()).time(), 0min);
}

TEST(WindowStarts, AreNoFurtherApartThanTheLongestLengthSays) {
  for (const CalendarUnit unit : {CalendarUnit::month, CalendarUnit::quarter, CalendarUnit::year}) {
    days longest{};
    for (local_days anchor{2024y / 1 / 1}; anchor < local_days{2025y / 1 / 1}; anchor += days{1}) {
      const WindowStarts windows(unit, Anchor(anchor));
      for (local_days day = windows.next_day(kBegin), next; day < kEnd; day = next) {
        next = windows.next_day(day);
        longest = std::max(longest, next - day);
      }
    }
    EXPECT_EQ(Span{longest + days{2}}, longest_length(unit)) << keyword(unit);
  }
}

}  // namespace
}  // namespace ratelimit::tests
