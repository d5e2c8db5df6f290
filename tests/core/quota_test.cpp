// SPDX-License-Identifier: MIT
#include "ratelimit/algorithms/quota.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <vector>

#include "random.h"
#include "side_by_side.h"
#include "subject.h"

namespace ratelimit::tests {
namespace {

using enum CalendarUnit;

constexpr Instant at(std::chrono::year_month_day date, Span time = {}) { return std::chrono::sys_days{date} + time; }

TEST(Quota, LetsItsLimitThroughUntilTheWindowOfTheCalendarEnds) {
  using namespace std::chrono;
  const Instant now = at(2024y / February / 28, 22h + 30min);  // a Wednesday
  const auto wait = [now](CalendarUnit unit) {
    Subject caller(quota(5, unit));
    EXPECT_EQ(caller.check(5, now).outcome, Outcome::granted);
    const Decision denied = caller.check(1, now);
    EXPECT_EQ(denied.outcome, Outcome::denied);
    EXPECT_EQ(denied.wait, denied.reset);
    EXPECT_EQ(caller.check(5, now + denied.wait).outcome, Outcome::granted);
    return denied.wait;
  };
  EXPECT_EQ(wait(hour), 30min);
  EXPECT_EQ(wait(day), 90min);
  EXPECT_EQ(now + wait(week), at(2024y / March / 4)) << "a Monday";
  EXPECT_EQ(now + wait(month), at(2024y / March / 1));
  EXPECT_EQ(now + wait(year), at(2025y / January / 1));
}

TEST(Quota, GoesByTheClockOfItsZone) {
  // A quarter past six in the evening in London is midnight in Kathmandu.
  Subject caller(in_zone(quota(5, day), kKathmandu));
  EXPECT_EQ(caller.check(5, kToday + 18h).reset, 15min);
  EXPECT_EQ(caller.check(5, kToday + 18h + 15min).reset, 24h);
  EXPECT_EQ(Subject(in_zone(quota(5, hour), kKathmandu)).check(1, kToday).reset, 15min);
  EXPECT_EQ(Subject(in_zone(quota(5, day), kNewfoundland)).check(1, kToday).reset, 3h + 30min);
}

TEST(Quota, KeepsItsWindowWhenOnlyTheLimitChanges) {
  Subject caller(quota(5, day));
  caller.check(5, kToday);
  caller.change({quota(3, day)}, kToday + 1h);
  EXPECT_EQ(caller.used(0, kToday + 1h), Units(5)) << "two of debt";
  EXPECT_EQ(caller.peek(Units(1), kToday + 1h).wait, 23h);
  caller.change({quota(9, day)}, kToday + 2h);
  EXPECT_EQ(caller.peek(Units(4), kToday + 2h).outcome, Outcome::granted);
}

TEST(Quota, CountsWhatIsUsedInAFreshWindowWhenItsUnitOrItsZoneChanges) {
  Subject caller(quota(5, day));
  caller.check(4, kToday + 1h);
  caller.change({quota(5, hour)}, kToday + 90min);
  EXPECT_EQ(caller.peek(Units(2), kToday + 90min).wait, 30min);
  caller.change({in_zone(quota(5, hour), kKathmandu)}, kToday + 90min);
  EXPECT_EQ(caller.peek(Units(2), kToday + 90min).wait, 45min);
  EXPECT_EQ(caller.used(0, kToday + 90min), Units(4));
}

TEST(Quota, EndsItsDebtWithTheWindow) {
  Subject caller(quota(5, day));
  EXPECT_EQ(caller.check({.cost = Units(50), .mode = Mode::force}, kToday + 1h).wait, 23h);
  EXPECT_EQ(caller.used(0, kToday + 24h - 1ns), Units(50));
  EXPECT_EQ(caller.used(0, kToday + 24h), kNoUnits);
}

TEST(Quota, CountsAWindowFromTheFutureAsTheOneOfNow) {
  Subject caller(quota(5, day));
  caller.check(5, kToday + 48h);
  EXPECT_EQ(caller.check(1, kToday + 1h).wait, 23h);
  caller.clamp(kToday + 1h);
  EXPECT_EQ(caller.check(5, kToday + 24h).outcome, Outcome::granted);
}

TEST(Quota, RefusesNumbersOutOfRange) {
  EXPECT_TRUE(Quota::make(Units(1), hour, nullptr));
  EXPECT_TRUE(Quota::make(kMaxUnits, year, &kKathmandu));
  EXPECT_FALSE(Quota::make(Units(0), day, nullptr));
  EXPECT_FALSE(Quota::make(kMaxUnits + Units(1), day, nullptr));
  EXPECT_FALSE(Quota::make(Units(1), CalendarUnit{}, nullptr));
  EXPECT_FALSE(Quota::make(Units(1), static_cast<CalendarUnit>(6), nullptr));
}

TEST(Quota, KeepsItsPromisesFromAnyState) { expect_promises_kept(Algorithm::quota); }

TEST(Quota, AgreesWithTheOracleOnARandomWalk) { walk(one_limit(Algorithm::quota)); }

TEST(Quota, AgreesWithTheOracleInEverySmallWorld) {
  for (const CalendarUnit unit : {hour, day, week, month, year}) {
    const Span window = scale_of(quota(1, unit));
    const std::vector<Span> gaps = {0ns, window / 2, window, -window / 2, 1ns, -1ns};
    try_all(quota(2, unit), gaps, {1, 2, 3}, 3);
    try_all(in_zone(quota(2, unit), kNewfoundland), gaps, {1, 2, 3}, 3);
  }
}

}  // namespace
}  // namespace ratelimit::tests
