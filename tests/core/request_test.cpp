// SPDX-License-Identifier: MIT
#include "ratelimit/request.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "random.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/turn.h"
#include "ratelimit/verdict.h"
#include "subject.h"

namespace ratelimit::tests {
namespace {

Request partly(std::int64_t cost) { return {.cost = Units(cost), .mode = Mode::partial}; }
Request forced(std::int64_t cost) { return {.cost = Units(cost), .mode = Mode::force}; }
Request patient(std::int64_t cost, Span longest) {
  return {.cost = Units(cost), .mode = Mode::may_wait, .longest_wait = longest};
}

// --- Calls that take a part ---

TEST(APartialCall, TakesTheWholeCostIfThatIsThere) {
  Subject caller(fixed(5, 60s));
  const Decision decision = caller.check(partly(5), kToday);
  EXPECT_EQ(decision.granted, Units(5));
  EXPECT_EQ(decision.remaining, kNoUnits);
}

TEST(APartialCall, TakesWhatTheScarcestLimitHasLeft) {
  Subject caller({fixed(5, 60s), bucket(3, 3, 1h), sliding(9, 60s)});
  caller.check(1, kToday);
  const Verdict verdict = caller.verdict(partly(100), kToday);
  EXPECT_EQ(verdict.decision.granted, Units(2));
  EXPECT_EQ(verdict.binding, 1U);
  caller.check(partly(100), kToday);
  EXPECT_EQ(caller.used(0, kToday), Units(3));
  EXPECT_EQ(caller.used(2, kToday), Units(3));
}

TEST(APartialCall, WaitsLikeACallOfOneUnitIfThereIsNothing) {
  for (const LimitSpec& spec : {bucket(5, 5, 50s), fixed(5, 60s), sliding(5, 60s), approx(5, 60s), concurrent(5, 60s),
                                quota(5, CalendarUnit::day), leaky(5, 5, 50s)}) {
    Subject caller(spec);
    caller.check(5, kToday);
    const Decision denied = caller.check(partly(1'000'000), kToday);
    EXPECT_EQ(denied.outcome, Outcome::denied) << "and not never, though it asks for more than the limit ever holds";
    EXPECT_EQ(denied, caller.peek(Units(1), kToday));
  }
}

TEST(APartialCall, CountsAsOneRequestAndIsDeniedOnlyWhenNoneIsLeft) {
  Subject caller({fixed(10, 60s), per_request(fixed(2, 30s))});
  EXPECT_EQ(caller.check(partly(4), kToday).granted, Units(4)) << "more than the requests that are left";
  EXPECT_EQ(caller.check(partly(40), kToday).granted, Units(6));
  EXPECT_EQ(caller.check(partly(40), kToday).wait, 60s);
  Subject often({fixed(10, 60s), per_request(fixed(1, 90s))});
  often.check(1, kToday);
  EXPECT_EQ(often.check(partly(4), kToday).outcome, Outcome::denied);
  EXPECT_EQ(often.verdict(partly(4), kToday).binding, 1U);
  EXPECT_EQ(often.check(partly(4), kToday).wait, 90s);
}

// --- Calls that are forced ---

TEST(AForcedCall, GoesIntoDebtAndSaysHowLongItLasts) {
  Subject caller(bucket(5, 5, 5s));
  const Decision decision = caller.check(forced(8), kToday);
  EXPECT_EQ(decision.outcome, Outcome::granted);
  EXPECT_EQ(decision.granted, Units(8)) << "more than the size";
  EXPECT_EQ(decision.remaining, kNoUnits);
  EXPECT_EQ(decision.wait, 3s);
  EXPECT_EQ(decision.reset, 8s);
  EXPECT_EQ(caller.used(0, kToday), Units(8));
  EXPECT_EQ(caller.peek(Units(1), kToday).wait, 4s);
}

TEST(AForcedCall, NeedsNoDebtIfItFits) {
  Subject caller({bucket(5, 5, 5s), fixed(5, 60s), sliding(5, 60s), approx(5, 60s)});
  EXPECT_EQ(caller.check(forced(5), kToday).wait, 0s);
  EXPECT_EQ(caller.check(forced(1), kToday).wait, 70s) << "the longest debt of all: that of the two counters";
}

TEST(AForcedCall, IsPaidForAsItsLimitForgets) {
  const auto debt_of = [](const LimitSpec& spec) {
    Subject caller(spec);
    caller.check(2, kToday + 10s);
    return caller.check(forced(4), kToday + 20s).wait;
  };
  EXPECT_EQ(debt_of(fixed(5, 60s)), 50s) << "with the window";
  EXPECT_EQ(debt_of(aligned(5, 60s)), 40s);
  EXPECT_EQ(debt_of(quota(5, CalendarUnit::hour)), 1h - 20s);
  EXPECT_EQ(debt_of(sliding(5, 60s)), 50s) << "as entries leave";
  EXPECT_EQ(debt_of(concurrent(5, 60s)), 50s) << "as leases end";
  EXPECT_EQ(debt_of(approx(5, 60s)), 50s) << "when a sixth of the six has slid out";
}

TEST(AForcedCall, SaturatesAtTheLargestNumbers) {
  for (const LimitSpec& spec : {fixed(5, 60s), aligned(5, 60s), sliding(5, 60s), approx(5, 60s), concurrent(5, 60s),
                                quota(5, CalendarUnit::day), fixed(kMaxUnits.count(), 60s)}) {
    SCOPED_TRACE(::testing::PrintToString(spec));
    Subject caller(spec);
    caller.check(3, kToday);
    for (int i = 0; i < 3; ++i) caller.check({.cost = kMaxUnits, .mode = Mode::force}, kToday);
    EXPECT_EQ(caller.used(0, kToday), largest_size(spec.algorithm));
  }
  Subject quick(bucket(5, 5, 5ms));
  for (int i = 0; i < 3; ++i) quick.check({.cost = kMaxUnits, .mode = Mode::force}, kToday);
  EXPECT_EQ(quick.used(0, kToday), kMax32BitUnits + Units(5)) << "of debt alone";
  Subject slow(bucket(5, 1, 24h));
  slow.check({.cost = kMaxUnits, .mode = Mode::force}, kToday);
  EXPECT_EQ(slow.used(0, kToday), Units(3655)) << "what flows back in 3650 days";
}

TEST(AForcedCall, IsDeniedWhereThereIsNoRoomToWriteUntilThereIs) {
  Subject caller(sliding(5, 60s));
  caller.check(5, kToday);
  caller.check({.cost = kMaxUnits, .mode = Mode::force}, kToday + 10s);
  const Decision denied = caller.check(forced(1), kToday + 20s);
  EXPECT_EQ(denied.outcome, Outcome::denied);
  EXPECT_EQ(denied.wait, 40s) << "until the first five leave, though the debt lasts";
  EXPECT_EQ(caller.check(forced(1), kToday + 60s).outcome, Outcome::granted);
}

TEST(AForcedCall, LeavesADebtThatAStepBackOfTheClockMakesNoLarger) {
  for (const LimitSpec& spec : {bucket(5, 5, 60s), leaky(5, 5, 60s), fixed(5, 60s), sliding(5, 60s), approx(5, 60s)}) {
    SCOPED_TRACE(::testing::PrintToString(spec));
    Subject caller(spec);
    caller.check(forced(9), kToday);
    EXPECT_EQ(caller.used(0, kToday - 24h), Units(9));
    caller.clamp(kToday - 24h);
    EXPECT_EQ(caller.used(0, kToday - 24h), Units(9));
    EXPECT_LE(caller.idle_at(0), kToday - 24h + 120s);
  }
}

TEST(AForcedCall, LeavesADebtThatALaterChargeMayDeepen) {
  Subject caller(bucket(10, 10, 10s));
  caller.check(forced(15), kToday);
  EXPECT_EQ(caller.check(forced(2), kToday + 3s).wait, 4s);
  EXPECT_EQ(caller.used(0, kToday + 3s), Units(14));
  EXPECT_EQ(caller.check(1, kToday + 8s).outcome, Outcome::granted);
}

// --- Looks ---

Verdict looked(const Subject& caller, std::int64_t cost, Instant now) {
  return look(caller.limits(), caller.cells(), caller.turn(), {.cost = Units(cost)}, now);
}

TEST(ALook, TellsWhatIsLeftNowAndWhetherACallWouldBeGranted) {
  Subject caller({fixed(10, 60s), bucket(8, 1, 1s)});
  caller.check(3, kToday);
  const Verdict granted = looked(caller, 2, kToday + 1s);
  EXPECT_EQ(granted.decision.granted, Units(2));
  EXPECT_EQ(granted.decision.remaining, Units(6)) << "and not the 4 that a call would leave";
  EXPECT_EQ(granted.decision.reset, 2s);
  EXPECT_EQ(granted.binding, 1U);
  EXPECT_EQ(looked(caller, 7, kToday + 1s).decision, caller.peek(Units(7), kToday + 1s)) << "a denial takes nothing";
  EXPECT_EQ(looked(caller, 9, kToday + 1s).decision, caller.peek(Units(9), kToday + 1s));
}

/// What a look says that decides twice: as a call, and what is left.
Verdict looked_twice(const Subject& caller, std::int64_t cost, Instant now) {
  const Verdict asked = caller.verdict(Units(cost), now);
  if (asked.decision.outcome != Outcome::granted) return asked;
  Verdict left = status_at_turn(caller.limits(), caller.cells(), caller.turn(), now);
  left.decision.granted = asked.decision.granted;
  left.decision.wait = asked.decision.wait;
  return left;
}

TEST(ALook, SaysTheSameAsACallWhateverIsLeft) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  const std::vector<LimitSpec> all = {bucket(9, 7, 60s),  fixed(9, 60s),
                                      sliding(9, 60s),    approx(9, 60s),
                                      leaky(9, 7, 60s),   quota(9, CalendarUnit::hour),
                                      concurrent(9, 60s), per_request(fixed(5, 60s)),
                                      fixed(0, 60s),      per_request(bucket(4, 3, 60s))};
  int granted = 0;
  for (int round = 0; round < 3000; ++round) {
    std::vector<LimitSpec> list;
    const std::size_t limits = 1 + random.below(3);
    for (std::size_t i = 0; i < limits; ++i) list.push_back(all[random.below(all.size())]);
    Subject caller(list);
    Instant now = kToday;
    for (int step = 0; step < 12; ++step) {
      now += Span{static_cast<std::int64_t>(random.below(20'000'000'000))};
      if (random.one_in(8)) now -= 5min;  // a clock that ran ahead
      const std::int64_t cost = 1 + static_cast<std::int64_t>(random.below(11));
      const Verdict once = looked(caller, cost, now);
      const Verdict twice = looked_twice(caller, cost, now);
      ASSERT_EQ(once.decision, twice.decision) << "seed " << seed << " round " << round << " step " << step;
      ASSERT_EQ(once.binding, twice.binding) << "seed " << seed << " round " << round << " step " << step;
      granted += once.decision.outcome == Outcome::granted ? 1 : 0;
      const Mode mode = random.one_in(6) ? Mode::force : random.one_in(6) ? Mode::may_wait : Mode::whole;
      caller.check({.cost = Units(1 + static_cast<std::int64_t>(random.below(4))), .mode = mode, .longest_wait = 30s},
                   now);
    }
  }
  EXPECT_GT(granted, 1000);
}

TEST(ALook, IsBoundByTheFewestThatAreLeftNowIfItIsGranted) {
  Subject caller({per_request(fixed(6, 60s)), fixed(10, 60s)});
  const Verdict granted = looked(caller, 10, kToday);
  EXPECT_EQ(granted.binding, 0U) << "6 are left of 6, and 10 of 10; after the call it would be 5 and 0";
  EXPECT_EQ(granted.decision.remaining, Units(6));
  EXPECT_EQ(caller.verdict(Units(10), kToday).binding, 1U);
}

TEST(ALook, TellsTheWaitOfTheQueue) {
  Subject caller(leaky(10, 1, 1s));
  caller.check(3, kToday);
  const Decision decision = looked(caller, 2, kToday).decision;
  EXPECT_EQ(decision.granted, Units(2));
  EXPECT_EQ(decision.wait, 3s) << "as that of a call";
  EXPECT_EQ(decision.remaining, Units(7));
  EXPECT_EQ(decision.reset, 3s);
}

TEST(ALook, IsDeniedWhileSomebodyWaitsForATurn) {
  Subject caller(fixed(5, 60s));
  caller.check(5, kToday);
  caller.check({.cost = Units(2), .mode = Mode::may_wait, .longest_wait = 60s}, kToday);
  EXPECT_EQ(looked(caller, 1, kToday).decision, caller.peek(Units(1), kToday));
  EXPECT_EQ(looked(caller, 1, kToday).decision.wait, 60s);
}

// --- Limits on trial ---

TEST(LimitsOnTrial, GrantWhatIsAskedAsIfNothingHadBeenUsed) {
  Subject caller({fixed(10, 60s), sliding(4, 1h), bucket(4, 1, 1s)});
  caller.check(4, kToday);
  for (const std::int64_t cost : {1, 4, 99}) {
    Verdict verdict = caller.verdict(Units(cost), kToday);
    verdict.id = "mine";
    grant_on_trial(caller.limits(), verdict, Units(cost));
    EXPECT_EQ(verdict.decision,
              (Decision{.outcome = Outcome::granted, .granted = Units(cost), .size = Units(4), .remaining = Units(4)}));
    EXPECT_EQ(verdict.binding, 1U) << "the first of the smallest";
    EXPECT_EQ(verdict.id, "mine");
  }
}

// --- Calls that may wait ---

TEST(ACallThatMayWait, IsGrantedNowAndGoesWhenItWouldBeGranted) {
  Subject caller(bucket(5, 1, 1s));
  caller.check(5, kToday);
  EXPECT_EQ(caller.check(patient(2, 2s - 1ns), kToday).outcome, Outcome::denied);
  EXPECT_EQ(caller.peek(patient(2, 2s - 1ns), kToday).wait, 1ns) << "then it would be soon enough";
  const Decision decision = caller.check(patient(2, 2s), kToday);
  EXPECT_EQ(decision.outcome, Outcome::granted);
  EXPECT_EQ(decision.granted, Units(2));
  EXPECT_EQ(decision.remaining, kNoUnits);
  EXPECT_EQ(decision.wait, 2s);
  EXPECT_EQ(decision.reset, 7s);
  EXPECT_EQ(caller.turn(), (Turn{kToday + 2s, 2s}));
}

TEST(ACallThatMayWait, DoesNotIfItFits) {
  Subject caller(fixed(5, 60s));
  EXPECT_EQ(caller.check(patient(5, 60s), kToday).wait, 0s);
  EXPECT_EQ(caller.turn(), Turn{});
}

TEST(ACallThatMayWait, IsOvertakenByNobody) {
  Subject caller(bucket(10, 1, 1s));
  caller.check(8, kToday);
  caller.check(patient(5, 1min), kToday);
  for (const Request& request : {Request{}, partly(1), partly(100)}) {
    const Decision denied = caller.check(request, kToday + 1s);
    EXPECT_EQ(denied.outcome, Outcome::denied);
    EXPECT_EQ(denied.remaining, kNoUnits);
    EXPECT_EQ(denied.wait, 3s) << "after the turn, and until there is one unit again";
  }
  EXPECT_EQ(caller.check(1, kToday + 3s).outcome, Outcome::denied) << "it is the turn of the other";
  EXPECT_EQ(caller.check(1, kToday + 4s).outcome, Outcome::granted);
}

TEST(ACallThatMayWait, KeepsOthersOutOnlyUntilItsTurnIfThereIsSomethingLeftThen) {
  Subject caller(fixed(5, 60s));
  caller.check(5, kToday);
  EXPECT_EQ(caller.check(patient(2, 60s), kToday + 20s).wait, 40s);
  EXPECT_EQ(caller.peek(Units(3), kToday + 30s).wait, 30s);
  EXPECT_EQ(caller.peek(Units(4), kToday + 30s).wait, 90s) << "only the window after that has so many";
  EXPECT_EQ(caller.check(3, kToday + 60s).outcome, Outcome::granted);
}

TEST(ACallThatMayWait, QueuesBehindTheOneThatWaitsAlready) {
  Subject caller(bucket(1, 1, 1s));
  caller.check(1, kToday);
  EXPECT_EQ(caller.check(patient(1, 10s), kToday).wait, 1s);
  EXPECT_EQ(caller.check(patient(1, 10s), kToday).wait, 2s);
  EXPECT_EQ(caller.check(patient(1, 3s - 1ns), kToday).wait, 1ns);
  EXPECT_EQ(caller.check(patient(1, 3s), kToday).wait, 3s);
  EXPECT_EQ(caller.check(patient(1, 3s), kToday + 500ms).outcome, Outcome::denied);
  EXPECT_EQ(caller.turn().at, kToday + 3s);
}

TEST(ACallThatMayWait, GoesWhenTheLastOfItsLimitsGrants) {
  Subject caller({bucket(5, 1, 1s), fixed(5, 60s, "window"), sliding(50, 60s)});
  caller.check(5, kToday);
  const Verdict verdict = caller.verdict(patient(1, 60s), kToday + 10s);
  EXPECT_EQ(verdict.decision.wait, 50s);
  EXPECT_EQ(verdict.turn, 50s);
  EXPECT_EQ(caller.check(patient(1, 60s), kToday + 10s).outcome, Outcome::granted);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_GE(caller.used(i, kToday + 60s), Units(1)) << "all are charged as of then";
}

TEST(ACallThatMayWait, IsToldWhichLimitMakesItWaitForTooLong) {
  Subject caller({per_request(fixed(2, 1h)), bucket(5, 1, 1s)});
  caller.check(3, kToday);
  const Verdict verdict = caller.verdict(patient(5, 1s), kToday);
  EXPECT_EQ(verdict.decision.outcome, Outcome::denied);
  EXPECT_EQ(verdict.binding, 1U) << "not the one with the fewest units left";
  EXPECT_EQ(verdict.decision.size, Units(5));
  EXPECT_EQ(verdict.decision.remaining, Units(2));
  EXPECT_EQ(verdict.decision.wait, 2s);
}

TEST(ACallThatMayWait, NeverWaitsForMoreThanTheLimitHolds) {
  Subject caller(fixed(5, 60s));
  EXPECT_EQ(caller.check(patient(6, kMaxSpan), kToday).outcome, Outcome::never);
}

TEST(ACallThatMayWait, IsDeniedAsAnyOtherIfItsTurnLiesBehindTheLastInstant) {
  Subject caller(bucket(5, 1, 1h));
  caller.check(5, kLatest - 1h);
  EXPECT_EQ(caller.peek(patient(1, 1h), kLatest - 1h).outcome, Outcome::granted);
  EXPECT_EQ(caller.peek(patient(2, 9h), kLatest - 1h), caller.peek(Units(2), kLatest - 1h));
  EXPECT_EQ(caller.peek(patient(2, 9h), kLatest - 1h).wait, 2h);
}

TEST(ACallThatMayWait, IsForcedBehindWhoWaits) {
  Subject caller(bucket(5, 1, 1s));
  caller.check(5, kToday);
  caller.check(patient(2, 10s), kToday);
  const Decision decision = caller.check(forced(1), kToday + 1s);
  EXPECT_EQ(decision.outcome, Outcome::granted);
  EXPECT_EQ(decision.wait, 2s) << "a second until the turn, and one of debt";
  EXPECT_EQ(caller.used(0, kToday + 2s), Units(6));
}

TEST(ACallThatMayWait, GoesNoLaterThanAfterItsOwnWaitIfTheClockIsSteppedBack) {
  Subject caller(bucket(5, 1, 1s));
  caller.check(5, kToday);
  caller.check(patient(3, 10s), kToday);
  const Instant now = kToday - 24h;
  EXPECT_EQ(caller.check(1, now).wait, 4s) << "three, and one for a unit";
  EXPECT_TRUE(caller.is_ahead(now));
  caller.clamp(now);
  EXPECT_FALSE(caller.is_ahead(now));
  EXPECT_EQ(caller.check(1, now + 4s - 1ns).outcome, Outcome::denied);
  EXPECT_EQ(caller.check(1, now + 4s).outcome, Outcome::granted);
}

TEST(ACallThatMayWait, KeepsItsTurnWhenTheLimitsChange) {
  Subject caller(bucket(5, 1, 1s));
  caller.check(5, kToday);
  caller.check(patient(3, 10s), kToday);
  caller.change({fixed(9, 60s)}, kToday + 1s);
  EXPECT_EQ(caller.used(0, kToday + 3s), Units(5)) << "as of the turn";
  EXPECT_EQ(caller.check(1, kToday + 2s).outcome, Outcome::denied);
  EXPECT_EQ(caller.check(1, kToday + 3s).outcome, Outcome::granted);
}

TEST(ACallThatMayWait, IsNotForgottenBeforeItsTurn) {
  Subject caller(fixed(5, 60s));
  caller.check(5, kToday);
  caller.check(patient(2, 60s), kToday);
  EXPECT_EQ(caller.refund(2, kToday), Units(2));
  EXPECT_GE(caller.idle_at(), kToday + 60s);
}

}  // namespace
}  // namespace ratelimit::tests
