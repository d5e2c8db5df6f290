// SPDX-License-Identifier: MIT
#include "ratelimit/algorithms/leaky_bucket.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "random.h"
#include "side_by_side.h"
#include "subject.h"

namespace ratelimit::tests {
namespace {

// The queue is decided at compile time as well as at any other.
constexpr LeakyBucket kFivePerSecond = *LeakyBucket::make(Units(5), Units(5), 1s);

constexpr auto with_three_at(Instant now) {
  LeakyBucket::State state;
  LeakyBucket::apply(state, kFivePerSecond.decide(state, Ask{Units(3)}, now).change);
  return state;
}
static_assert(kFivePerSecond.decide({}, Ask{Units(5)}, kToday).decision.wait == Span{});
static_assert(kFivePerSecond.decide(with_three_at(kToday), Ask{}, kToday).decision.wait == 600ms);
static_assert(kFivePerSecond.decide(with_three_at(kToday), Ask{}, kToday).decision.remaining == Units(1));
static_assert(kFivePerSecond.decide(with_three_at(kToday), Ask{Units(3)}, kToday).decision.wait == 200ms);
static_assert(!LeakyBucket::make(Units(-1), Units(1), 1s));

TEST(LeakyBucket, TellsEachCallHowLongThoseBeforeItTake) {
  Subject caller(leaky(5, 10, 1s));
  for (int before = 0; before < 5; ++before) {
    const Decision decision = caller.check(1, kToday);
    EXPECT_EQ(decision.outcome, Outcome::granted);
    EXPECT_EQ(decision.wait, before * 100ms);
    EXPECT_EQ(decision.reset, (before + 1) * 100ms);
  }
  const Decision sixth = caller.check(1, kToday);
  EXPECT_EQ(sixth.outcome, Outcome::denied);
  EXPECT_EQ(sixth.wait, 100ms);
}

TEST(LeakyBucket, LetsCallsGoEvenlyHoweverTheyCome) {
  Random random(test_seed());
  Subject caller(leaky(50, 7, 1s));
  Instant now = kToday;
  Instant last_turn{};
  for (int i = 0; i < 10'000; ++i) {
    now += Span{random.between(0, Span{200ms}.count())};
    const Decision decision = caller.check(1, now);
    if (decision.outcome != Outcome::granted) continue;
    const Instant turn = now + decision.wait;
    // A seventh of a second is not a whole number of nanoseconds.
    EXPECT_GE(turn - last_turn, 1s / 7);
    last_turn = turn;
  }
}

TEST(LeakyBucket, RoundsATurnUpToAWholeNanosecond) {
  Subject caller(leaky(3, 3, 1s));
  caller.check(1, kToday);
  EXPECT_EQ(caller.peek(Units(1), kToday).wait, 333'333'334ns);
}

TEST(LeakyBucket, AdmitsWhomATokenBucketAdmits) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  for (std::uint64_t step = 0; step < test_steps() / 10;) {
    const LimitSpec spec = random_spec(random, Algorithm::token_bucket);
    LimitSpec queue = spec;
    queue.algorithm = Algorithm::leaky_bucket;
    Subject bucket_caller(spec);
    Subject queue_caller(queue);
    Instant now = random_instant(random);
    Decision last;
    for (const std::uint64_t end = step + 200; step < end; ++step) {
      const auto [gap, cost] = random_call(random, spec, last, {});
      now = random_next(random, now, gap, spec.span);
      const Span queued = queue_caller.status(now).reset;
      last = bucket_caller.check(cost, now);
      Decision queue_says = queue_caller.check(cost, now);
      if (queue_says.outcome == Outcome::granted) {
        ASSERT_EQ(queue_says.wait, queued) << "RATELIMIT_TEST_SEED=" << seed;
        queue_says.wait = Span{};
      }
      ASSERT_EQ(last, queue_says) << "RATELIMIT_TEST_SEED=" << seed;
    }
  }
}

TEST(LeakyBucket, MakesAForcedCallWaitForItsTurnOrForTheEndOfItsDebt) {
  Subject caller(leaky(10, 10, 10s));
  EXPECT_EQ(caller.check({.cost = Units(12), .mode = Mode::force}, kToday).wait, 2s) << "the debt";
  EXPECT_EQ(caller.check({.cost = Units(1), .mode = Mode::force}, kToday).wait, 12s) << "the turn";
  EXPECT_EQ(caller.status(kToday).wait, 3s) << "who takes nothing has no turn";
}

TEST(LeakyBucket, CountsItsQueueAgainstHowLongACallMayWait) {
  Subject caller(leaky(10, 1, 1s));
  caller.check(5, kToday);
  const auto waits = [](Span longest) {
    return Request{.cost = Units(1), .mode = Mode::may_wait, .longest_wait = longest};
  };
  EXPECT_EQ(caller.peek(Units(1), kToday).wait, 5s) << "granted as such";
  EXPECT_EQ(caller.peek(waits(4s), kToday).outcome, Outcome::denied);
  EXPECT_EQ(caller.peek(waits(4s), kToday).wait, 1s) << "then it would be soon enough";
  EXPECT_EQ(caller.check(waits(5s), kToday).wait, 5s);
  EXPECT_EQ(caller.turn(), Turn{}) << "it is in the queue, and nobody is kept from queueing behind it";
  EXPECT_EQ(caller.check(1, kToday).wait, 6s);
}

TEST(LeakyBucket, LetsACallWaitForRoomInTheQueueAndThenInTheQueue) {
  Subject caller(leaky(3, 1, 1s));
  caller.check(3, kToday);
  const Request request{.cost = Units(2), .mode = Mode::may_wait, .longest_wait = 3s};
  const Verdict verdict = caller.verdict(request, kToday);
  EXPECT_EQ(verdict.decision.outcome, Outcome::granted);
  EXPECT_EQ(verdict.turn, 2s) << "two must leave";
  EXPECT_EQ(verdict.decision.wait, 3s) << "the third one is before it";
  EXPECT_EQ(caller.peek({.cost = Units(2), .mode = Mode::may_wait, .longest_wait = 3s - 1ns}, kToday).wait, 1ns);
}

TEST(LeakyBucket, IsAnotherAlgorithmThanATokenBucketToAChangeOfLimits) {
  Subject caller(bucket(10, 1, 1s));
  caller.check({.cost = Units(14), .mode = Mode::force}, kToday);
  caller.change({leaky(10, 1, 1s)}, kToday);
  EXPECT_EQ(caller.used(0, kToday), Units(10)) << "what is used is carried, up to the size";
}

TEST(LeakyBucket, RefusesNumbersOutOfRange) {
  EXPECT_TRUE(LeakyBucket::make(Units(3650), Units(1), 24h));
  EXPECT_FALSE(LeakyBucket::make(Units(3651), Units(1), 24h));
  EXPECT_FALSE(LeakyBucket::make(Units(1), Units(0), 1s));
  EXPECT_FALSE(LeakyBucket::make(Units(1), Units(1), 1ms - 1ns));
}

TEST(LeakyBucket, KeepsItsPromisesFromAnyState) { expect_promises_kept(Algorithm::leaky_bucket); }

TEST(LeakyBucket, AgreesWithTheOracleOnARandomWalk) { walk(one_limit(Algorithm::leaky_bucket)); }

TEST(LeakyBucket, AgreesWithTheOracleInEverySmallWorld) {
  for (const std::int64_t capacity : {1, 2, 3}) {
    for (const std::int64_t leak : {1, 2, 3}) {
      try_all(leaky(capacity, leak, 1ms), {0ns, 333'333ns, 333'334ns, -400us}, {1, 2}, 4);
    }
  }
  const std::vector<Deed> deeds = {
      a_check({.cost = Units(2)}), a_check({.cost = Units(1), .mode = Mode::may_wait, .longest_wait = 1ms}),
      a_check({.cost = Units(3), .mode = Mode::force}), an_operation(Operation::Kind::refund, 1), a_clamp()};
  try_all({leaky(2, 3, 1ms)}, {0ns, 333'334ns, -400us}, deeds, 4);
}

}  // namespace
}  // namespace ratelimit::tests
