// SPDX-License-Identifier: MIT
#include "ratelimit/algorithms/fixed_window.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "random.h"
#include "side_by_side.h"
#include "subject.h"

namespace ratelimit::tests {
namespace {

// The window is decided at compile time as well as at any other.
constexpr FixedWindow kFivePerMinute = *FixedWindow::make(Units(5), 1min, FixedWindow::Start::first_call);
constexpr FixedWindow kFivePerAlignedMinute = *FixedWindow::make(Units(5), 1min, FixedWindow::Start::aligned);

static_assert(kFivePerMinute.decide({}, Ask{Units(5)}, kToday + 20s).decision.outcome == Outcome::granted);
static_assert(kFivePerMinute.decide({}, Ask{Units(2)}, kToday + 20s).decision.remaining == Units(3));
static_assert(kFivePerMinute.decide({}, Ask{Units(2)}, kToday + 20s).decision.reset == 60s);
static_assert(kFivePerMinute.decide({}, Ask{Units(6)}, kToday + 20s).decision.outcome == Outcome::never);
static_assert(kFivePerAlignedMinute.decide({}, Ask{Units(2)}, kToday + 20s).decision.reset == 40s);
static_assert(kFivePerMinute.used(kFivePerMinute.with_used(Units(3), kToday), kToday + 60s - 1ns) == Units(3));
static_assert(kFivePerMinute.used(kFivePerMinute.with_used(Units(3), kToday), kToday + 60s) == kNoUnits);
static_assert(FixedWindow::idle_at(kFivePerAlignedMinute.with_used(Units(3), kToday + 20s)) == kToday + 60s);
static_assert(!FixedWindow::make(Units(-1), 1s, FixedWindow::Start::aligned));

TEST(FixedWindow, RefusesTheSixthOfFiveUntilTheWindowEnds) {
  Subject caller(fixed(5, 60s));
  for (std::int64_t i = 0; i < 5; ++i) {
    const Decision decision = caller.check(1, kToday + i * 10s);
    EXPECT_EQ(decision.outcome, Outcome::granted);
    EXPECT_EQ(decision.remaining, Units(4 - i));
    EXPECT_EQ(decision.reset, 60s - i * 10s);
  }
  const Decision sixth = caller.check(1, kToday + 50s);
  EXPECT_EQ(sixth.outcome, Outcome::denied);
  EXPECT_EQ(sixth.wait, 10s);
  EXPECT_EQ(caller.check(1, kToday + 60s - 1ns).outcome, Outcome::denied);
  EXPECT_EQ(caller.check(5, kToday + 60s).outcome, Outcome::granted);
}

TEST(FixedWindow, BeginsWithTheFirstCallThatFindsNoneOpen) {
  Subject caller(fixed(5, 60s));
  EXPECT_EQ(caller.check(1, kToday + 20s).reset, 60s);
  EXPECT_EQ(caller.check(1, kToday + 90s).reset, 60s);
}

TEST(FixedWindow, EndsAtMultiplesOfItsLengthWhenAligned) {
  Subject caller(aligned(5, 60s));
  EXPECT_EQ(caller.check(5, kToday + 59s).reset, 1s);
  EXPECT_EQ(caller.check(1, kToday + 60s - 1ns).wait, 1ns);
  EXPECT_EQ(caller.check(5, kToday + 60s).reset, 60s);
}

TEST(FixedWindow, AlignsToTheEpochAndNotToTheCalendar) {
  // 1970-01-01 was a Thursday, and so begins every window of seven days.
  Subject caller(aligned(5, 7 * 24h));
  EXPECT_EQ(caller.check(1, kToday).reset, 7 * 24h);
  EXPECT_EQ(caller.check(1, kEarliest).reset, 7 * 24h);
}

TEST(FixedWindow, IsIdleUntilSomethingIsUsed) {
  Subject caller(fixed(5, 60s));
  EXPECT_EQ(caller.check(6, kToday).reset, 0s);
  EXPECT_EQ(caller.idle_at(0), kEarliest);
}

TEST(FixedWindow, DoesNotOpenForACallThatCanNeverBeGranted) {
  Subject caller(fixed(5, 60s));
  caller.check(6, kToday);
  EXPECT_EQ(caller.check(1, kToday + 30s).reset, 60s);
}

TEST(FixedWindow, EndsNoLaterThanAFreshOneAfterTheClockWasSteppedBack) {
  Subject caller(fixed(5, 60s));
  caller.check(5, kToday);
  EXPECT_EQ(caller.check(1, kToday - 24h).wait, 60s);
  EXPECT_EQ(caller.used(0, kToday + 59s), Units(5)) << "a denied call changed the state";
  EXPECT_EQ(caller.check(1, kToday + 60s).outcome, Outcome::granted);
}

TEST(FixedWindow, StoresTheClampOfAStateFromTheFutureWithTheNextGrant) {
  Subject caller(fixed(5, 60s));
  caller.check(1, kToday);
  EXPECT_EQ(caller.check(1, kToday - 24h).reset, 60s);
  EXPECT_EQ(caller.idle_at(0), kToday - 24h + 60s);
}

TEST(FixedWindow, KeepsTheOpenWindowWhenItsLimitChanges) {
  Subject caller(fixed(5, 60s));
  caller.check(4, kToday);
  caller.change({fixed(10, 60s)}, kToday + 20s);
  EXPECT_EQ(caller.peek(Units(7), kToday + 20s).wait, 40s);
  EXPECT_EQ(caller.peek(Units(6), kToday + 20s).outcome, Outcome::granted);
  caller.change({fixed(3, 60s)}, kToday + 30s);
  EXPECT_EQ(caller.peek(Units(1), kToday + 30s).wait, 30s);
}

TEST(FixedWindow, BeginsWhereItBeganWhenItsLengthChanges) {
  Subject caller(fixed(5, 60s));
  caller.check(4, kToday);
  caller.change({fixed(5, 30s)}, kToday + 20s);
  EXPECT_EQ(caller.peek(Units(2), kToday + 20s).wait, 10s);
  EXPECT_EQ(caller.used(0, kToday + 20s), Units(4));
  caller.change({fixed(5, 10s)}, kToday + 20s);
  EXPECT_EQ(caller.peek(Units(2), kToday + 20s).wait, 10s) << "it would be over: so it begins now";
  caller.change({aligned(5, 60s)}, kToday + 25s);
  EXPECT_EQ(caller.peek(Units(2), kToday + 25s).wait, 35s) << "in the window that is open";
}

TEST(FixedWindow, CountsWhatExceedsALoweredLimitAsADebtThatEndsWithTheWindow) {
  Subject caller(fixed(9, 60s));
  caller.check(8, kToday);
  caller.change({fixed(3, 60s)}, kToday + 20s);
  EXPECT_EQ(caller.used(0, kToday + 20s), Units(8));
  EXPECT_EQ(caller.status(kToday + 20s).wait, 40s);
  EXPECT_EQ(caller.status(kToday + 20s).remaining, kNoUnits);
  EXPECT_EQ(caller.refund(6, kToday + 20s), Units(6));
  EXPECT_EQ(caller.check(1, kToday + 20s).outcome, Outcome::granted);
  EXPECT_EQ(caller.check(3, kToday + 60s).outcome, Outcome::granted);
}

TEST(FixedWindow, ClosesWhenAllOfItIsGivenBack) {
  Subject caller(fixed(5, 60s));
  caller.check(3, kToday);
  EXPECT_EQ(caller.refund(2, kToday + 10s), Units(2));
  EXPECT_EQ(caller.idle_at(0), kToday + 60s);
  EXPECT_EQ(caller.refund(1, kToday + 10s), Units(1));
  EXPECT_EQ(caller.idle_at(0), kEarliest) << "as if never used";
  EXPECT_EQ(caller.check(1, kToday + 20s).reset, 60s);
}

TEST(FixedWindow, GivesNothingBackOfAWindowThatIsOver) {
  Subject caller(fixed(5, 60s));
  caller.check(3, kToday);
  EXPECT_EQ(caller.refund(2, kToday + 60s), kNoUnits);
}

TEST(FixedWindow, GivesBackOnlyWhatIsNotNewer) {
  FixedWindow::State state{kToday + 60s, 5};
  kFivePerMinute.give_back(state, Units(4), Units(3), kToday);
  EXPECT_EQ(state, (FixedWindow::State{kToday + 60s, 3}));
  kFivePerMinute.give_back(state, Units(4), Units(7), kToday);
  EXPECT_EQ(state, (FixedWindow::State{kToday + 60s, 3}));
}

TEST(FixedWindow, RefusesNumbersOutOfRange) {
  const auto made = [](std::int64_t limit, Span window) {
    return FixedWindow::make(Units(limit), window, FixedWindow::Start::first_call).has_value();
  };
  EXPECT_TRUE(made(1, 1ms));
  EXPECT_TRUE(made(9'007'199'254'740'991, kMaxSpan));
  EXPECT_TRUE(made(0, 1s)) << "closed";
  EXPECT_FALSE(made(-1, 1s));
  EXPECT_FALSE(made(9'007'199'254'740'992, 1s));
  EXPECT_FALSE(made(1, 1ms - 1ns));
  EXPECT_FALSE(made(1, kMaxSpan + 1ns));
}

TEST(FixedWindow, KeepsItsPromisesFromAnyState) { expect_promises_kept(Algorithm::fixed_window); }

TEST(FixedWindow, AgreesWithTheOracleOnARandomWalk) { walk(one_limit(Algorithm::fixed_window)); }

TEST(FixedWindow, AgreesWithTheOracleInEverySmallWorld) {
  const std::vector<Span> gaps = {0ns, 400us, 1ms - 1ns, 1ms, -400us, -5ms};
  for (const std::int64_t limit : {1, 2, 3}) {
    try_all(fixed(limit, 1ms), gaps, {1, 2, 3}, 4);
    try_all(aligned(limit, 1ms), gaps, {1, 2, 3}, 4);
  }
  const std::vector<Deed> deeds = {a_check({.cost = Units(2)}), a_check({.cost = Units(3), .mode = Mode::force}),
                                   an_operation(Operation::Kind::refund, 1), an_operation(Operation::Kind::refund, 3),
                                   a_clamp()};
  try_all({fixed(2, 1ms)}, {0ns, 400us, 1ms, -700us}, deeds, 4);
}

}  // namespace
}  // namespace ratelimit::tests
