// SPDX-License-Identifier: MIT
// Buckets that are made smaller and larger again: what they were cut off is remembered.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "oracle.h"
#include "random.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/algorithms/token_bucket.h"
#include "ratelimit/request.h"
#include "side_by_side.h"
#include "subject.h"

namespace ratelimit::tests {
namespace {

/// A bucket of `capacity` units that gets one back a second.
LimitSpec slow(std::int64_t capacity) { return bucket(capacity, 1, 1s); }

TEST(ABucketThatIsMadeSmaller, IsEmptyAtMost) {
  Subject caller(slow(100));
  caller.check(90, kToday);
  caller.change({slow(10)}, kToday);
  EXPECT_EQ(caller.used(0, kToday), Units(10));
  const Decision denied = caller.check(1, kToday);
  EXPECT_EQ(denied.wait, 1s) << "as in an empty bucket";
  EXPECT_EQ(denied.reset, 10s) << "what is cut off does not count";
  EXPECT_EQ(caller.check(1, kToday + 1s).outcome, Outcome::granted);
}

TEST(ABucketThatIsMadeSmaller, CountsItAgainWhenItIsMadeLarger) {
  Subject caller(slow(100));
  caller.check(90, kToday);
  caller.change({slow(10)}, kToday);
  caller.change({slow(100)}, kToday);
  EXPECT_EQ(caller.used(0, kToday), Units(90));
  EXPECT_EQ(caller.peek(Units(11), kToday).wait, 1s);
}

TEST(ABucketThatIsMadeSmaller, GetsItBackOnceItIsFull) {
  for (const auto& [later, used] : {std::pair(0s, 90), {7s, 83}, {10s, 80}, {11s, 79}, {89s, 1}, {90s, 0}, {91s, 0}}) {
    Subject caller(slow(100));
    caller.check(90, kToday);
    caller.change({slow(10)}, kToday);
    caller.change({slow(100)}, kToday + later);
    EXPECT_EQ(caller.used(0, kToday + later), Units(used)) << later.count();
  }
}

TEST(ABucketThatIsMadeSmaller, GetsNothingOfItBackWhileItIsUsed) {
  Subject caller(slow(100));
  caller.check(90, kToday);
  caller.change({slow(10)}, kToday);
  for (const Span later : {1s, 2s, 3s, 4s}) EXPECT_EQ(caller.check(1, kToday + later).outcome, Outcome::granted);
  caller.change({slow(100)}, kToday + 4s);
  EXPECT_EQ(caller.used(0, kToday + 4s), Units(90));
}

TEST(ABucketThatIsMadeSmaller, IsKeptUntilAllOfItIsBack) {
  Subject caller(slow(100));
  caller.check(90, kToday);
  caller.change({slow(10)}, kToday);
  EXPECT_EQ(caller.idle_at(0), kToday + 90s);
}

TEST(ABucketThatIsMadeSmaller, RoundsTheRestUp) {
  Subject caller(bucket(100, 1, 1s));
  caller.check(50, kToday);
  caller.change({bucket(10, 1, 1s)}, kToday + 500ms);
  caller.change({bucket(100, 1, 1s)}, kToday + 500ms);
  EXPECT_EQ(caller.idle_at(0), kToday + 500ms + 50s) << "49.5 units are 10, and 40";
}

TEST(ABucketThatIsMadeSmaller, KeepsItAtAnotherRate) {
  Subject caller(bucket(100, 1, 1s));
  caller.check(90, kToday);
  caller.change({leaky(10, 3, 1min)}, kToday);
  EXPECT_EQ(caller.idle_at(0), kToday + 30min) << "90 units of 20 seconds";
  caller.change({bucket(200, 1, 1h)}, kToday);
  EXPECT_EQ(caller.used(0, kToday), Units(90));
}

TEST(ABucketThatIsMadeSmaller, OwesItIfItGoesIntoDebt) {
  Subject caller(slow(100));
  caller.check(90, kToday);
  caller.change({slow(10)}, kToday);
  const Decision forced = caller.check({.cost = Units(5), .mode = Mode::force}, kToday);
  EXPECT_EQ(forced.wait, 85s);
  EXPECT_EQ(caller.used(0, kToday), Units(95));
  caller.change({slow(100)}, kToday);
  EXPECT_EQ(caller.used(0, kToday), Units(95));
}

TEST(ABucketThatIsMadeSmaller, GivesARefundFromWhatItLentAndThenFromTheRest) {
  Subject caller(slow(100));
  caller.check(90, kToday);
  caller.change({slow(10)}, kToday);
  caller.refund(15, kToday);
  EXPECT_EQ(caller.used(0, kToday), kNoUnits);
  caller.refund(5, kToday);
  caller.change({slow(100)}, kToday);
  EXPECT_EQ(caller.used(0, kToday), Units(70));
}

TEST(ABucketThatIsMadeSmaller, LeavesWhatOthersUsedWhenAHoldIsSettled) {
  Subject caller(slow(20));
  caller.reserve("a", 8, 1min, kToday);
  caller.check(5, kToday);
  caller.change({slow(4)}, kToday);
  caller.settle("a", 0, kToday);
  EXPECT_EQ(caller.used(0, kToday), Units(4)) << "those were charged last, and not for the hold";
  caller.change({slow(20)}, kToday);
  EXPECT_EQ(caller.used(0, kToday), Units(5));
}

TEST(ABucketThatIsMadeSmaller, IsClampedWithTheRest) {
  Subject caller(slow(100));
  caller.check(90, kToday);
  caller.change({slow(10)}, kToday);
  caller.clamp(kToday - 1h);
  EXPECT_EQ(caller.peek(Units(1), kToday - 1h).wait, 1s);
  caller.change({slow(100)}, kToday - 1h);
  EXPECT_EQ(caller.used(0, kToday - 1h), Units(90));
}

/// Sizes go down and up, as an operator or a controller changes them.
TEST(Buckets, ThatGoDownAndUpGiveNobodyMoreThanTheLargestAlone) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  for (std::uint64_t step = 0; step < test_steps() / 4;) {
    const std::int64_t largest = random.between(2, 1000);
    const std::int64_t refill = random.between(1, 50);
    const Span period{random.between(1'000'000, 10'000'000'000)};
    Subject caller(bucket(largest, refill, period));
    Subject alone(bucket(largest, refill, period));
    Instant now = kToday;
    for (const std::uint64_t end = step + 200; step < end; ++step) {
      now += Span{random.one_in(3) ? 0 : random.between(0, 3 * period.count() / refill)};
      if (random.one_in(4)) {
        const std::int64_t size = random.one_in(4) ? largest : random.between(1, largest);
        caller.change({bucket(size, refill, period)}, now);
      }
      const Units cost(random.between(1, std::max<std::int64_t>(1, largest / 4)));
      // Whoever is granted here is also granted there: nobody has more at any time.
      const Decision decision = caller.check(cost, now);
      if (decision.outcome == Outcome::granted) {
        ASSERT_EQ(alone.check(cost, now).outcome, Outcome::granted) << "RATELIMIT_TEST_SEED=" << seed;
      } else if (decision.outcome == Outcome::denied) {
        Subject empty(caller.limits());
        empty.use(0, caller.limits()[0].size(), now);
        ASSERT_LE(decision.wait, empty.peek(cost, now).wait) << "nor waits longer than in an empty bucket";
      }
    }
  }
}

TEST(Buckets, OfOtherRatesHaveTheSameUnitsInUseToTheFraction) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  using oracle::Exact;
  for (std::uint64_t i = 0; i < test_steps() / 10; ++i) {
    LimitSpec from = random_spec(random, Algorithm::token_bucket);
    from.size = std::max(from.size, kMinUnits);
    LimitSpec to = random_spec(random, random.one_in(2) ? Algorithm::token_bucket : Algorithm::leaky_bucket);
    to.size = std::max(to.size, kMinUnits);
    const TokenBucket old = *TokenBucket::make(from);
    const TokenBucket next = *TokenBucket::make(to);
    const Instant then = random_instant(random);
    const Units units(random.magnitude_between(1, from.size.count()));
    const Span interval = from.span / from.refill.count();
    const Instant now = std::min(kLatest, then + Span{random.between(0, 2 * interval.count() + 2)});
    const TokenBucket::State made = next.adopted(old.with_used(units, then), old, now);
    // In units: units - (now - then) * refill / period, as a fraction.
    const Exact divisor = from.span.count();
    const Exact used =
        std::max(Exact(Exact(units.count()) * divisor - Exact((now - then).count()) * from.refill.count()), Exact(0));
    // And as parts of a nanosecond in which the next bucket gets its units back.
    const Exact gcd_of_rate = gcd(Exact(to.span.count()), Exact(to.refill.count()));
    const Exact numerator = to.span.count() / gcd_of_rate;
    const Exact denominator = to.refill.count() / gcd_of_rate;
    if (used >= to.size.count() * divisor) {
      ASSERT_EQ(next.used(made, now), to.size);
      const Exact cut = oracle::ceil_of(used - to.size.count() * divisor, divisor);
      ASSERT_EQ(Exact(made.debt), std::min(cut, std::min(Exact(kMax32BitUnits.count()),
                                                         oracle::floor_of(kMaxSpan.count() * denominator, numerator))))
          << "RATELIMIT_TEST_SEED=" << seed;
      continue;
    }
    ASSERT_EQ(made.debt, 0U);
    const Exact parts = std::min(oracle::ceil_of(used * numerator, divisor), Exact(to.size.count() * numerator));
    const Exact level = used == 0 ? Exact(0) : Exact(oracle::unix_ns(now)) * denominator + parts;
    ASSERT_EQ(Exact(oracle::unix_ns(made.full_at())) * denominator + made.fraction, level)
        << "RATELIMIT_TEST_SEED=" << seed << ' ' << ::testing::PrintToString(from) << " to "
        << ::testing::PrintToString(to);
  }
}

}  // namespace
}  // namespace ratelimit::tests
