// SPDX-License-Identifier: MIT
#include "ratelimit/algorithms/token_bucket.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "oracle.h"
#include "random.h"
#include "side_by_side.h"
#include "subject.h"

namespace ratelimit::tests {
namespace {

// The bucket is decided at compile time as well as at any other.
constexpr TokenBucket kFivePerSecond = *TokenBucket::make(Units(5), Units(5), std::chrono::seconds{1});

constexpr auto empty_at(Instant now) {
  TokenBucket::State state;
  TokenBucket::apply(state, kFivePerSecond.decide(state, Ask{Units(5)}, now).change);
  return state;
}
static_assert(kFivePerSecond.decide({}, Ask{Units(5)}, kToday).decision.outcome == Outcome::granted);
static_assert(kFivePerSecond.decide({}, Ask{Units(5)}, kToday).decision.remaining == kNoUnits);
static_assert(kFivePerSecond.decide({}, Ask{Units(6)}, kToday).decision.outcome == Outcome::never);
static_assert(kFivePerSecond.decide(empty_at(kToday), Ask{Units(1)}, kToday).decision.outcome == Outcome::denied);
static_assert(kFivePerSecond.decide(empty_at(kToday), Ask{Units(1)}, kToday).decision.wait == 200ms);
static_assert(kFivePerSecond.decide(empty_at(kToday), Ask{Units(1)}, kToday).decision.reset == 1s);
static_assert(kFivePerSecond.used(empty_at(kToday), kToday + 199ms) == Units(5));
static_assert(kFivePerSecond.used(empty_at(kToday), kToday + 200ms) == Units(4));
static_assert(kFivePerSecond.with_used(Units(5), kToday) == empty_at(kToday));
static_assert(kFivePerSecond.idle_at(empty_at(kToday)) == kToday + 1s);
static_assert(!TokenBucket::make(Units(-1), Units(1), 1s));
static_assert(kFivePerSecond.decide({}, Ask{Units(6), {}, true}, kToday).decision.wait == 200ms);

constexpr auto refunded(TokenBucket::State state, Units units, Units newer, Instant now) {
  kFivePerSecond.give_back(state, units, newer, now);
  return state;
}
static_assert(refunded(empty_at(kToday), Units(2), kNoUnits, kToday) == kFivePerSecond.with_used(Units(3), kToday));
static_assert(refunded(empty_at(kToday), Units(4), Units(3), kToday) == kFivePerSecond.with_used(Units(3), kToday));
static_assert(refunded(empty_at(kToday), Units(9), Units(5), kToday) == empty_at(kToday));

Outcome outcome(Subject& subject, std::int64_t cost, Instant now) { return subject.check(cost, now).outcome; }

TEST(TokenBucket, RefusesTheSixthOfABurstOfFive) {
  Subject caller(bucket(5, 1, 1s));
  for (std::int64_t left = 4; left >= 0; --left) {
    const Decision decision = caller.check(1, kToday);
    EXPECT_EQ(decision.outcome, Outcome::granted);
    EXPECT_EQ(decision.remaining, Units(left));
  }
  const Decision sixth = caller.check(1, kToday);
  EXPECT_EQ(sixth.outcome, Outcome::denied);
  EXPECT_EQ(sixth.granted, kNoUnits);
  EXPECT_EQ(sixth.wait, 1s);
  EXPECT_EQ(sixth.reset, 5s);
}

TEST(TokenBucket, GivesOneUnitBackEveryInterval) {
  Subject caller(bucket(5, 10, 1s));
  caller.check(5, kToday);
  EXPECT_EQ(outcome(caller, 1, kToday + 100ms - 1ns), Outcome::denied);
  EXPECT_EQ(outcome(caller, 1, kToday + 100ms), Outcome::granted);
  EXPECT_EQ(outcome(caller, 1, kToday + 100ms), Outcome::denied);
}

TEST(TokenBucket, RoundsTheWaitUpToAWholeNanosecond) {
  Subject caller(bucket(1, 3, 1s));
  caller.check(1, kToday);
  EXPECT_EQ(caller.peek(Units(1), kToday).wait, 333'333'334ns);
  EXPECT_EQ(outcome(caller, 1, kToday + 333'333'333ns), Outcome::denied);
  EXPECT_EQ(outcome(caller, 1, kToday + 333'333'334ns), Outcome::granted);
}

TEST(TokenBucket, RefillsABurstOfThreePerSecondInExactlyOneSecond) {
  Subject caller(bucket(3, 3, 1s));
  caller.check(1, kToday);
  caller.check(1, kToday);
  EXPECT_EQ(caller.check(1, kToday).reset, 1s);
  EXPECT_EQ(caller.peek(Units(1), kToday + 333'333'333ns).remaining, kNoUnits);
  EXPECT_EQ(caller.peek(Units(3), kToday + 666'666'667ns).remaining, Units(2));
  EXPECT_EQ(caller.peek(Units(3), kToday + 1s - 1ns).remaining, Units(2));
  EXPECT_EQ(caller.peek(Units(3), kToday + 1s).outcome, Outcome::granted);
}

TEST(TokenBucket, HasOneStateForOneMeaning) {
  const TokenBucket three = *TokenBucket::make(Units(3), Units(3), 1s);
  TokenBucket::State by_ones;
  for (int i = 0; i < 3; ++i) TokenBucket::apply(by_ones, three.decide(by_ones, Ask{Units(1)}, kToday).change);
  EXPECT_EQ(by_ones, three.with_used(Units(3), kToday));
  EXPECT_EQ(by_ones, (TokenBucket::State{kToday + 1s, 0, 0}));
}

TEST(TokenBucket, GrantsExactlyItsCapacityAtOneInstant) {
  Random random(test_seed());
  for (int i = 0; i < 1000; ++i) {
    LimitSpec spec = random_spec(random, Algorithm::token_bucket);
    spec.size = std::max(spec.size, kMinUnits);
    Subject caller(spec);
    const Instant now = random_instant(random);
    for (Units left = spec.size; left > kNoUnits;) {
      const Units cost(random.magnitude_between(1, left.count()));
      left -= cost;
      ASSERT_EQ(caller.check(cost, now).remaining, left);
    }
    EXPECT_EQ(caller.check(1, now).outcome, Outcome::denied);
  }
}

/// What a caller gets from `from` to `to` who asks for `cost` units as soon as they are there.
Units greed(Subject& caller, Units cost, Instant from, Instant to) {
  Units total;
  for (Instant now = from; now <= to;) {
    const Decision decision = caller.check(cost, now);
    total += decision.granted;
    now += decision.wait;
  }
  return total;
}

TEST(TokenBucket, GivesAGreedyCallerSevenPerMinuteForAYear) {
  Subject caller(bucket(7, 7, 60s));
  const auto minutes = std::chrono::minutes{std::chrono::days{365}}.count();
  EXPECT_EQ(greed(caller, Units(1), kToday, kToday + 365 * 24h), Units(7 + 7 * minutes));
}

TEST(TokenBucket, GivesAGreedyCaller999999937PerSecond) {
  Subject caller(bucket(10, 999'999'937, 1s));
  // Of the million that a thousandth of a second nearly brings, 0.063 are missing.
  EXPECT_EQ(greed(caller, Units(1), kToday, kToday + 1ms), Units(10 + 999'999));
}

TEST(TokenBucket, GivesWhoAlwaysTakesAllExactlyWhatWasRefilled) {
  Random random(test_seed());
  for (const LimitSpec& spec : {bucket(1'000'000'000, 999'999'937, 1s), bucket(7, 7, 60s),
                                bucket(4'294'967'295, 4'294'967'291, 7919ms), bucket(1000, 1, 60s)}) {
    Subject caller(spec);
    Units total = caller.check(spec.size, kToday).granted;
    Instant now = kToday;
    for (int i = 0; i < 20'000; ++i) {
      // Less than it takes to refill all: a full bucket would spill.
      now += Span{random.between(1, spec.span.count() / spec.refill.count() * spec.size.count() / 2)};
      const Units there = caller.peek(spec.size, now).remaining;
      if (there > kNoUnits) total += caller.check(there, now).granted;
    }
    const oracle::Exact refilled = oracle::Exact((now - kToday).count()) * spec.refill.count() / spec.span.count();
    EXPECT_EQ(oracle::Exact(total.count()), spec.size.count() + refilled);
  }
}

TEST(TokenBucket, CountsAStateFromTheFutureAsFullUseAtMost) {
  Subject caller(bucket(5, 1, 1s));
  caller.check(2, kToday);
  EXPECT_EQ(caller.used(0, kToday - 1s), Units(3));
  EXPECT_EQ(caller.used(0, kToday - 24h), Units(5));
  const Decision denied = caller.check(1, kToday - 24h);
  EXPECT_EQ(denied.wait, 1s);
  EXPECT_EQ(denied.reset, 5s);
  EXPECT_EQ(caller.used(0, kToday), Units(2)) << "a denied call changed the state";
}

TEST(TokenBucket, KeepsWhatIsUsedWhenItsCapacityChanges) {
  Subject caller(bucket(10, 10, 1s));
  caller.check(4, kToday);
  caller.change({bucket(20, 10, 1s)}, kToday);
  EXPECT_EQ(caller.peek(Units(20), kToday).remaining, Units(16));
  caller.change({bucket(3, 10, 1s)}, kToday);
  EXPECT_EQ(caller.used(0, kToday), Units(3));
  EXPECT_EQ(caller.peek(Units(1), kToday).outcome, Outcome::denied);
}

TEST(TokenBucket, KeepsWhatIsUsedWhenItsRateChanges) {
  Subject caller(bucket(10, 10, 1s));
  caller.check(4, kToday);
  caller.change({bucket(10, 1, 7s)}, kToday);
  EXPECT_EQ(caller.peek(Units(10), kToday).remaining, Units(6));
  EXPECT_EQ(caller.peek(Units(10), kToday).reset, 28s);
}

TEST(TokenBucket, HasOneStateForADebtOfOneMeaning) {
  const TokenBucket five = *TokenBucket::make(Units(5), Units(3), 1s);
  const auto force = [&five](TokenBucket::State& state, std::int64_t units, Instant now) {
    TokenBucket::apply(state, five.decide(state, Ask{Units(units), {}, true}, now).change);
  };
  TokenBucket::State at_once;
  force(at_once, 9, kToday);
  TokenBucket::State by_ones;
  for (int i = 0; i < 9; ++i) force(by_ones, 1, kToday);
  EXPECT_EQ(by_ones, at_once);
  EXPECT_EQ(at_once, (TokenBucket::State{kToday + 3s, 0, 4}));
  TokenBucket::State too_many;
  force(too_many, 12, kToday);
  five.give_back(too_many, Units(3), kNoUnits, kToday);
  EXPECT_EQ(too_many, at_once);
  five.give_back(too_many, Units(4), kNoUnits, kToday);
  EXPECT_EQ(too_many, five.with_used(Units(5), kToday)) << "no debt is left";
}

TEST(TokenBucket, IsNotAheadOfTheClockBecauseOfADebt) {
  Subject caller(bucket(5, 5, 5s));
  caller.check({.cost = Units(7), .mode = Mode::force}, kToday);
  EXPECT_FALSE(caller.is_ahead(kToday));
  EXPECT_TRUE(caller.is_ahead(kToday - 1ns));
  EXPECT_EQ(caller.used(0, kToday - 1h), Units(7)) << "no more than was charged";
}

TEST(TokenBucket, IsEmptyAtMostWhenItsCapacityIsLowered) {
  Subject caller(bucket(10, 10, 10s));
  caller.check({.cost = Units(13), .mode = Mode::force}, kToday);
  caller.change({bucket(4, 10, 10s)}, kToday);
  EXPECT_EQ(caller.used(0, kToday), Units(4));
  EXPECT_EQ(caller.peek(Units(1), kToday).wait, 1s);
}

TEST(TokenBucket, IsExactInADebtOfMoreUnitsThan32BitsHold) {
  // The fraction of an interval times so many units does not fit into 64 bits.
  for (const auto& [refill, period] :
       {std::pair<std::int64_t, Span>{4'294'967'291, 7919ms}, {4'294'967'295, 1s + 1ns}}) {
    Subject caller(bucket(kMax32BitUnits.count(), refill, period));
    caller.check(kMax32BitUnits, kToday);
    caller.check({.cost = kMax32BitUnits, .mode = Mode::force}, kToday);
    EXPECT_EQ(caller.used(0, kToday), kMax32BitUnits + kMax32BitUnits);
    const oracle::Exact parts = oracle::Exact(kMax32BitUnits.count()) * period.count();
    EXPECT_EQ(caller.status(kToday).wait, oracle::to_span(oracle::ceil_of(parts, refill)));
    EXPECT_EQ(caller.status(kToday).reset, oracle::to_span(oracle::ceil_of(2 * parts, refill)));
    const Limits limits = Limits::make(std::vector{bucket(kMax32BitUnits.count(), refill, period)}).value();
    limits[0].visit([&caller]<class A>(const A& algorithm) {
      if constexpr (std::is_same_v<A, TokenBucket>) {
        TokenBucket::State state = state_in(caller.cells()[0], algorithm);
        algorithm.give_back(state, Units(10), kMax32BitUnits + kMax32BitUnits - Units(4), kToday);
        EXPECT_EQ(algorithm.used(state, kToday), kMax32BitUnits + kMax32BitUnits - Units(4))
            << "all but four are newer";
      }
    });
  }
}

TEST(TokenBucket, GivesBackAPartOfAUnitThatHasPartlyFlownBack) {
  Subject caller(bucket(5, 1, 1s));
  caller.check(2, kToday);
  EXPECT_EQ(caller.refund(2, kToday + 300ms), Units(2));
  EXPECT_EQ(caller.idle_at(0), kToday + 300ms) << "but never more than full";
  caller.check(2, kToday + 1s);
  EXPECT_EQ(caller.refund(1, kToday + 1300ms), Units(1));
  EXPECT_EQ(caller.idle_at(0), kToday + 2s);
}

TEST(TokenBucket, RefusesNumbersOutOfRange) {
  const auto made = [](std::int64_t capacity, std::int64_t refill, Span period) {
    return TokenBucket::make(Units(capacity), Units(refill), period).has_value();
  };
  EXPECT_TRUE(made(1, 1, 1ms));
  EXPECT_TRUE(made(4'294'967'295, 4'294'967'295, kMaxSpan));
  EXPECT_TRUE(made(0, 1, 1s)) << "closed";
  EXPECT_TRUE(made(0, 1, kMaxSpan));
  EXPECT_FALSE(made(1, 0, 1s));
  EXPECT_FALSE(made(-1, 1, 1s));
  EXPECT_FALSE(made(4'294'967'296, 4'294'967'295, 1s));
  EXPECT_FALSE(made(1, 4'294'967'296, 1s));
  EXPECT_FALSE(made(1, 1, 1ms - 1ns));
  EXPECT_FALSE(made(1, 1, kMaxSpan + 1ns));
}

TEST(TokenBucket, RefusesToRefillFor3650DaysAndANanosecond) {
  EXPECT_TRUE(TokenBucket::make(Units(3650), Units(1), 24h));
  EXPECT_FALSE(TokenBucket::make(Units(3651), Units(1), 24h));
  EXPECT_FALSE(TokenBucket::make(Units(3650), Units(1), 24h + 1ns));
  Random random(test_seed());
  for (int i = 0; i < 100'000; ++i) {
    const Units capacity = random_count(random);
    const Units refill = random_count(random);
    const Span period = random_span(random);
    ASSERT_EQ(TokenBucket::make(capacity, refill, period).has_value(),
              oracle::refills_in_time(capacity, refill, period));
  }
}

TEST(TokenBucket, IsExactAtTheBoundsOfEveryNumber) {
  for (const std::int64_t capacity : {std::int64_t{1}, kMax32BitUnits.count()}) {
    for (const std::int64_t refill : {std::int64_t{1}, kMax32BitUnits.count() - 4, kMax32BitUnits.count()}) {
      for (const Span period : {kMinSpan, kMinSpan + 1ns, kMaxSpan - 1ns, kMaxSpan}) {
        if (!oracle::refills_in_time(Units(capacity), Units(refill), period)) continue;
        for (const Instant now : {kEarliest, kLatest}) {
          SideBySide both({bucket(capacity, refill, period)});
          Decision last = both.check(Units(capacity), now);
          last = both.check(Units(capacity), now);
          both.check(Units(capacity), std::min(now + last.wait - 1ns, kLatest));
          both.check(Units(1), std::max(now - 1ns, kEarliest));
          both.check(kMax32BitUnits, kEarliest);
          both.check(Units(1), kEarliest);
          ASSERT_TRUE(both.agree());
        }
      }
    }
  }
}

TEST(TokenBucket, KeepsItsPromisesFromAnyState) { expect_promises_kept(Algorithm::token_bucket); }

TEST(TokenBucket, AgreesWithTheOracleOnARandomWalk) { walk(one_limit(Algorithm::token_bucket)); }

TEST(TokenBucket, AgreesWithTheOracleInEverySmallWorld) {
  for (const std::int64_t capacity : {1, 2, 3}) {
    for (const std::int64_t refill : {1, 2, 3}) {
      try_all(bucket(capacity, refill, 1ms), {0ns, 333'333ns, 333'334ns, 1ms, -400us}, {1, 2, 3}, 4);
    }
  }
  const std::vector<Deed> deeds = {a_check({.cost = Units(2)}), a_check({.cost = Units(3), .mode = Mode::force}),
                                   an_operation(Operation::Kind::refund, 1), an_operation(Operation::Kind::refund, 3),
                                   a_clamp()};
  try_all({bucket(2, 3, 1ms)}, {0ns, 333'334ns, 1ms, -400us}, deeds, 4);
}

}  // namespace
}  // namespace ratelimit::tests
