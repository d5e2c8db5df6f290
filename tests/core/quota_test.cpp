// SPDX-License-Identifier: MIT
#include "ratelimit/algorithms/quota.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string_view>
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
  EXPECT_EQ(now + wait(quarter), at(2024y / April / 1));
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

/// A limit as it is read where its zone is lacking.
LimitSpec in_missing_zone(LimitSpec spec, std::string_view zone) {
  spec.zone = zone;
  spec.lacks_rules = true;
  return spec;
}

TEST(Quota, OfAZoneThatIsLackingEndsItsWindowAsItsStateSays) {
  using State = Quota::State;
  const Quota quota = Quota::make(in_missing_zone(tests::quota(5, day), "Kathmandu")).value();
  const State state{kToday + 18h + 15min, 3};  // as it was made where the zone is known
  for (const Span later : {Span{}, Span{17h}, Span{18h}}) {
    EXPECT_EQ(quota.decide(state, Ask{Units(3)}, kToday + later).decision.wait, 18h + 15min - later);
    EXPECT_EQ(quota.decide(state, Ask{Units(1)}, kToday + later).change, (State{state.end, 4}));
  }
  const State late{kToday + 20h + 5h + 45min, 3};
  EXPECT_FALSE(quota.is_ahead(late, kToday + 20h)) << "windows of that zone may end later than those of UTC";
  EXPECT_EQ(quota.decide(late, Ask{Units(1)}, kToday + 20h).change, (State{late.end, 4}));
  EXPECT_EQ(quota.decide(state, Ask{Units(5)}, state.end).change, (State{kToday + 24h, 5})) << "the next is one of UTC";
  EXPECT_TRUE(quota.is_ahead({kToday + 3 * 24h + Span{1}, 3}, kToday)) << "no day is as long";
}

TEST(Quota, OfAZoneThatIsLackingIsNotOneOfUtcOrOfAnother) {
  const Quota quota = Quota::make(in_missing_zone(tests::quota(5, day), "Kathmandu")).value();
  const Quota::State state{kToday + 18h + 15min, 3};
  const auto adopted_from = [&](const LimitSpec& other) {
    return quota.adopted(state, Quota::make(other).value(), kToday);
  };
  EXPECT_EQ(adopted_from(in_missing_zone(tests::quota(9, day), "Kathmandu")), state);
  EXPECT_EQ(adopted_from(in_missing_zone(tests::quota(5, day), "Lhasa")).end, kToday + 24h);
  EXPECT_EQ(adopted_from(tests::quota(5, day)).end, kToday + 24h);
}

TEST(Quota, IsNotMadeOfAZoneWithoutRulesUnlessTheyAreLacking) {
  LimitSpec spec = in_missing_zone(quota(5, day), "Kathmandu");
  EXPECT_TRUE(Limit::make(spec));
  spec.lacks_rules = false;
  EXPECT_FALSE(Limit::make(spec));
}

TEST(Quota, HasNoWindowThatIsLongerThanTheLongest) {
  using namespace std::chrono;
  for (const CalendarUnit unit : {hour, day, week, month, quarter, year}) {
    for (const Anchor anchor : {Anchor(), parse_anchor("2024-08-31T17:00").value()}) {
      const CalendarWindows windows(unit, &kKathmandu, anchor);
      for (Instant now = at(2024y / January / 1); now < at(2026y / January / 1); now += 5h + 7min) {
        EXPECT_LE(windows.end_after(now), now + longest_length(unit));
      }
    }
    EXPECT_LE(longest_length(unit), kLongestCalendarWindow);
  }
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

TEST(Quota, BeginsAtItsAnchorByTheClockOfItsZone) {
  using namespace std::chrono;
  const LimitSpec monthly = anchored(quota(5, month), "2024-01-31T06:00");
  Subject caller(in_zone(monthly, kKathmandu));
  const Instant begin = at(2024y / February / 29, 15min);  // six o'clock in Kathmandu
  EXPECT_EQ(caller.check(5, begin - 1h).reset, 1h);
  EXPECT_EQ(caller.check(1, begin - 1ns).wait, 1ns);
  EXPECT_EQ(caller.check(5, begin).reset, days{31});
  EXPECT_EQ(Subject(monthly).check(5, begin).reset, 5h + 45min);
}

TEST(Quota, CountsWhatIsUsedInAFreshWindowWhenItsAnchorChangesIt) {
  Subject caller(quota(5, day));
  caller.check(4, kToday + 1h);
  caller.change({anchored(quota(5, day), "2024-01-31T06:00")}, kToday + 2h);
  EXPECT_EQ(caller.peek(Units(2), kToday + 2h).wait, 4h);
  caller.change({anchored(quota(5, day), "2025-05-05T06:00")}, kToday + 3h);
  EXPECT_EQ(caller.peek(Units(2), kToday + 3h).wait, 3h) << "another date, the same windows";
  EXPECT_EQ(caller.used(0, kToday + 3h), Units(4));
}

TEST(Quota, OfAZoneThatIsLackingKeepsItsAnchorByUtc) {
  const LimitSpec spec = anchored(tests::quota(5, day), "2024-01-31T06:00");
  const Quota quota = Quota::make(in_missing_zone(spec, "Kathmandu")).value();
  EXPECT_EQ(quota.with_used(Units(1), kToday).end, kToday + 6h);
  const Quota::State state{kToday + 15min, 3};  // six o'clock in Kathmandu
  EXPECT_EQ(quota.decide(state, Ask{Units(3)}, kToday).decision.wait, 15min);
  EXPECT_NE(quota.adopted(state, Quota::make(in_missing_zone(tests::quota(5, day), "Kathmandu")).value(), kToday),
            state);
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
  EXPECT_TRUE(Quota::make(Units(0), day, nullptr)) << "closed";
  EXPECT_FALSE(Quota::make(Units(-1), day, nullptr));
  EXPECT_FALSE(Quota::make(kMaxUnits + Units(1), day, nullptr));
  EXPECT_FALSE(Quota::make(Units(1), CalendarUnit{}, nullptr));
  EXPECT_FALSE(Quota::make(Units(1), static_cast<CalendarUnit>(7), nullptr));
  EXPECT_TRUE(Quota::make(Units(1), day, nullptr, Anchor(Anchor::kLatest)));
  EXPECT_FALSE(Quota::make(Units(1), day, nullptr, Anchor(Anchor::kLatest + 1min)));
  EXPECT_FALSE(Quota::make(Units(1), day, nullptr, Anchor(Anchor::kEarliest - 1min)));
}

TEST(Quota, KeepsItsPromisesFromAnyState) { expect_promises_kept(Algorithm::quota); }

TEST(Quota, AgreesWithTheOracleOnARandomWalk) { walk(one_limit(Algorithm::quota)); }

TEST(Quota, AgreesWithTheOracleInEverySmallWorld) {
  for (const CalendarUnit unit : {hour, day, week, month, quarter, year}) {
    const Span window = scale_of(quota(1, unit));
    const std::vector<Span> gaps = {0ns, window / 2, window, -window / 2, 1ns, -1ns};
    try_all(quota(2, unit), gaps, {1, 2, 3}, 3);
    try_all(in_zone(quota(2, unit), kNewfoundland), gaps, {1, 2, 3}, 3);
    try_all(in_zone(anchored(quota(2, unit), "2024-02-29T17:45"), kNewfoundland), gaps, {1, 2, 3}, 3);
  }
}

}  // namespace
}  // namespace ratelimit::tests
