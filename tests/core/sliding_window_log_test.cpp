// SPDX-License-Identifier: MIT
#include "ratelimit/algorithms/sliding_window_log.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "random.h"
#include "side_by_side.h"
#include "subject.h"

namespace ratelimit::tests {
namespace {

TEST(SlidingWindowLog, RefusesTheSixthOfFiveUntilTheFirstLeaves) {
  Subject caller(sliding(5, 64s));
  for (std::int64_t i = 0; i < 5; ++i) {
    const Decision decision = caller.check(1, kToday + i * 8s);
    EXPECT_EQ(decision.outcome, Outcome::granted);
    EXPECT_EQ(decision.remaining, Units(4 - i));
    EXPECT_EQ(decision.reset, 64s);
  }
  const Decision sixth = caller.check(1, kToday + 40s);
  EXPECT_EQ(sixth.outcome, Outcome::denied);
  EXPECT_EQ(sixth.wait, 24s);
  EXPECT_EQ(sixth.reset, 56s);
  EXPECT_EQ(caller.check(1, kToday + 64s - 1ns).outcome, Outcome::denied);
  EXPECT_EQ(caller.check(1, kToday + 64s).outcome, Outcome::granted);
  EXPECT_EQ(caller.check(1, kToday + 64s).outcome, Outcome::denied);
}

TEST(SlidingWindowLog, WaitsForAsManyGrantsAsTheCostNeeds) {
  Subject caller(sliding(5, 64s));
  caller.check(2, kToday);
  caller.check(2, kToday + 8s);
  caller.check(1, kToday + 16s);
  const Instant now = kToday + 20s;
  EXPECT_EQ(caller.peek(Units(2), now).wait, 44s);
  EXPECT_EQ(caller.peek(Units(3), now).wait, 52s);
  EXPECT_EQ(caller.peek(Units(4), now).wait, 52s);
  EXPECT_EQ(caller.peek(Units(5), now).wait, 60s);
}

TEST(SlidingWindowLog, RoundsTheTimeOfAGrantUpToItsGrid) {
  // The largest of 1, 2, 5, 10, … ns up to 60 s / 2^26 = 894.07 ns.
  constexpr auto kGrid = 500ns;
  Subject caller(sliding(1, 60s));
  EXPECT_EQ(caller.check(1, kToday + 1ns).reset, 60s + kGrid - 1ns);
  EXPECT_EQ(caller.check(1, kToday + kGrid).wait, 60s);
  EXPECT_EQ(caller.check(1, kToday + 60s + kGrid).reset, 60s);
}

TEST(SlidingWindowLog, CountsAnEntryAtMostOne16MillionthOfItsWindowTooLong) {
  for (const Span window : {Span{1ms}, Span{1s}, Span{60s}, Span{1h}, Span{24h}, 365 * Span{24h}, kMaxSpan}) {
    for (const Span past : {0ns, 1ns, 7ns, 123'457ns}) {
      const Span counts = Subject(sliding(1, window)).check(1, kToday + past).reset;
      EXPECT_GE(counts, window);
      EXPECT_LE(counts, window + window / (1 << 24));
    }
  }
}

TEST(SlidingWindowLog, IsExactForGrantsAtWholeMillisecondsInWindowsOfADay) {
  for (const Span window : {Span{1s}, Span{60s}, Span{1h}, Span{24h}}) {
    EXPECT_EQ(Subject(sliding(1, window)).check(1, kToday + 1ms).reset, window);
  }
}

TEST(SlidingWindowLog, HasAGridOfOneNanosecondInAWindowOfAnEighthOfASecond) {
  // 2 * 2^26 ns are the least of which the second step of the grid is no coarser than it may be.
  EXPECT_EQ(Subject(sliding(1, Span{(1 << 27) - 1})).check(1, kToday + 1ns).reset, Span{(1 << 27) - 1});
  EXPECT_EQ(Subject(sliding(1, Span{1 << 27})).check(1, kToday + 1ns).reset, Span{(1 << 27) + 1});
}

TEST(SlidingWindowLog, AllocatesNothingUntilItGrants) {
  const SlidingWindowLog limit = *SlidingWindowLog::make(Units(5), 60s);
  SlidingWindowLog::State state;
  EXPECT_EQ(limit.decide(state, Ask{Units(6)}, kToday).decision.outcome, Outcome::never);
  EXPECT_EQ(state.log(), nullptr);
  limit.apply(state, limit.decide(state, Ask{Units(5)}, kToday).change);
  ASSERT_NE(state.log(), nullptr);
  EXPECT_EQ(state.log()->size(), 1U) << "one entry, whatever it costs";
}

TEST(SlidingWindowLog, CountsGrantsFromTheFutureAsOfNow) {
  Subject caller(sliding(5, 64s));
  caller.check(2, kToday);
  caller.check(2, kToday + 8s);
  EXPECT_EQ(caller.peek(Units(2), kToday - 24h).wait, 64s);
  EXPECT_EQ(caller.used(0, kToday + 64s), Units(2)) << "a denied call changed the state";
  EXPECT_EQ(caller.check(1, kToday - 24h).remaining, kNoUnits);
  EXPECT_EQ(caller.used(0, kToday - 24h + 64s - 1ns), Units(5));
  EXPECT_EQ(caller.used(0, kToday - 24h + 64s), kNoUnits);
}

TEST(SlidingWindowLog, GoesOnCountingAfterTheClockWasSteppedBack) {
  Subject caller(sliding(10, 60s));
  for (const Span at : {100s, 50s, 60s, 61s}) caller.check(1, kToday + at);
  EXPECT_EQ(caller.used(0, kToday + 109s), Units(4));
  EXPECT_EQ(caller.used(0, kToday + 111s), Units(2));
}

TEST(SlidingWindowLog, GoesOnCountingAfterTheClockWasSteppedBackBeyondWhatItForgot) {
  Subject caller(sliding(10, 60s));
  for (const Span at : {100s, 110s, 165s, 20s, 30s, 31s}) caller.check(1, kToday + at);
  EXPECT_EQ(caller.used(0, kToday + 79s), Units(5));
  EXPECT_EQ(caller.used(0, kToday + 81s), Units(2));
}

TEST(SlidingWindowLog, KeepsItsGrantsWhenItsLimitChanges) {
  Subject caller(sliding(5, 64s));
  for (std::int64_t i = 0; i < 5; ++i) caller.check(1, kToday + i * 8s);
  caller.change({sliding(2, 64s)}, kToday + 40s);
  EXPECT_EQ(caller.used(0, kToday + 40s), Units(5)) << "three of debt";
  EXPECT_EQ(caller.peek(Units(1), kToday + 40s).remaining, kNoUnits);
  EXPECT_EQ(caller.peek(Units(1), kToday + 40s).wait, 48s) << "until four of the five have left";
  caller.change({sliding(6, 64s)}, kToday + 40s);
  EXPECT_EQ(caller.peek(Units(2), kToday + 40s).wait, 24s);
}

TEST(SlidingWindowLog, KeepsTheTimesOfItsGrantsWhenItsWindowChanges) {
  Subject caller(sliding(5, 64s));
  caller.check(4, kToday);
  caller.change({sliding(5, 32s)}, kToday + 16s);
  EXPECT_EQ(caller.used(0, kToday + 16s), Units(4));
  EXPECT_EQ(caller.peek(Units(2), kToday + 16s).wait, 16s);
  caller.change({sliding(5, 8s)}, kToday + 16s);
  EXPECT_EQ(caller.used(0, kToday + 16s), kNoUnits) << "that is too long ago";
}

struct Grant {
  Instant at;
  Units cost;
};

/// Units granted in (from, to].
Units granted_in(const std::vector<Grant>& grants, Instant from, Instant to) {
  Units sum;
  for (auto grant = grants.rbegin(); grant != grants.rend() && grant->at > from; ++grant) {
    if (grant->at <= to) sum += grant->cost;
  }
  return sum;
}

TEST(SlidingWindowLog, NeverLetsMoreThanTheLimitIntoAnyWindowNorRefusesForLongerThanItMay) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  for (std::uint64_t step = 0; step < test_steps() / 4;) {
    LimitSpec spec = random_spec(random, Algorithm::sliding_window_log);
    spec.size = Units(random.between(1, 200));
    SCOPED_TRACE(::testing::Message() << "RATELIMIT_TEST_SEED=" << seed << ", from step " << step << " on, "
                                      << ::testing::PrintToString(spec));
    Subject caller(spec);
    std::vector<Grant> grants;
    Decision last;
    Instant now = kToday;
    for (const std::uint64_t end = step + 500; step < end && now < kLatest - 2 * kMaxSpan; ++step) {
      now += random_call(random, spec, last, {100}).gap;
      const Units cost(random.between(1, std::min<std::int64_t>(spec.size.count(), 4)));
      last = caller.check(cost, now);
      if (last.outcome == Outcome::granted) {
        grants.push_back({now, cost});
        // Windows that end here; one that ends elsewhere holds no more than the one that ends at its last grant.
        ASSERT_LE(granted_in(grants, now - spec.span, now), spec.size);
      } else {
        const Span longest = spec.span + spec.span / (1 << 24);
        ASSERT_GT(granted_in(grants, now - longest, now) + cost, spec.size) << "refused without need";
      }
    }
  }
}

/// A caller whose log is full: `kMaxLogEntries` grants of one unit, `kBetween` apart.
constexpr Span kBetween = 1ms;
constexpr Instant kFullAt = kToday + (kMaxLogEntries - 1) * kBetween;
void fill(Subject& caller) {
  for (std::uint32_t i = 0; i < kMaxLogEntries; ++i) {
    ASSERT_EQ(caller.check(1, kToday + i * kBetween).outcome, Outcome::granted);
  }
}
constexpr Span kLongWindow = 1h;

TEST(SlidingWindowLog, OfTheLargestSizeDeniesAndSaysUntilWhen) {
  Subject caller(sliding(4'000'000'000, kLongWindow));
  fill(caller);
  const Instant now = kFullAt + kBetween;
  const Decision denied = caller.check(1, now);
  EXPECT_EQ(denied.outcome, Outcome::denied);
  EXPECT_EQ(denied.granted, kNoUnits);
  EXPECT_EQ(denied.remaining, kNoUnits);
  EXPECT_EQ(now + denied.wait, kToday + kLongWindow) << "when the first entry leaves";
  EXPECT_EQ(caller.peek(Units(1), now + denied.wait - 1ns).outcome, Outcome::denied);
  EXPECT_EQ(caller.check(1, now + denied.wait).outcome, Outcome::granted);
  EXPECT_EQ(caller.check(1, now + denied.wait + 1us).outcome, Outcome::denied) << "the next leaves a millisecond later";
}

TEST(SlidingWindowLog, OfTheLargestSizeGrantsWhatNeedsNoEntryOfItsOwn) {
  Subject caller(sliding(4'000'000'000, kLongWindow));
  fill(caller);
  EXPECT_EQ(caller.check(1000, kFullAt).outcome, Outcome::granted) << "at the time of the newest entry";
}

TEST(SlidingWindowLog, OfTheLargestSizeHasNothingRemainingForAnyCall) {
  Subject caller(sliding(4'000'000'000, kLongWindow));
  fill(caller);
  const Instant now = kFullAt + kBetween;
  EXPECT_EQ(caller.peek(Units(4'000'000'000), now).outcome, Outcome::denied);
  EXPECT_EQ(caller.peek(Units(4'000'000'000), now).remaining, kNoUnits);
  EXPECT_EQ(caller.peek(Units(4'000'000'001), now).outcome, Outcome::never);
  EXPECT_EQ(caller.peek(Units(4'000'000'001), now).remaining, kNoUnits);
}

TEST(SlidingWindowLog, OfTheLargestSizeDeniesEvenForceUntilTheFirstEntryLeaves) {
  Subject caller(sliding(10, kLongWindow));
  for (std::uint32_t i = 0; i < kMaxLogEntries; ++i) {
    caller.check({.cost = Units(1), .mode = Mode::force}, kToday + i * kBetween);
  }
  const Instant now = kFullAt + kBetween;
  ASSERT_EQ(caller.used(0, now), Units(kMaxLogEntries));
  const Decision denied = caller.check({.cost = Units(1), .mode = Mode::force}, now);
  EXPECT_EQ(denied.outcome, Outcome::denied);
  EXPECT_EQ(now + denied.wait, kToday + kLongWindow);
  EXPECT_EQ(caller.check({.cost = Units(1), .mode = Mode::force}, now + denied.wait).outcome, Outcome::granted);
  EXPECT_GT(caller.peek(Units(1), now).wait, denied.wait) << "who is not forced waits for the end of the debt";
}

TEST(SlidingWindowLog, IsInDebtUntilEnoughEntriesHaveLeft) {
  Subject caller(sliding(5, 64s));
  for (std::int64_t i = 0; i < 4; ++i) caller.check(1, kToday + i * 8s);
  const Decision decision = caller.check({.cost = Units(3), .mode = Mode::force}, kToday + 32s);
  EXPECT_EQ(decision.wait, 40s) << "until the second has left";
  EXPECT_EQ(decision.reset, 64s);
  EXPECT_EQ(caller.check({.cost = Units(6), .mode = Mode::force}, kToday + 32s).wait, 64s) << "it is too much itself";
}

TEST(SlidingWindowLog, GivesBackFromTheNewestEntriesOrFromThoseBeforeThem) {
  const SlidingWindowLog limit = *SlidingWindowLog::make(Units(100), 64s);
  SlidingWindowLog::State state;
  for (std::int64_t i = 0; i < 4; ++i) limit.apply(state, {kToday + i * 8s, Units(10)});
  const Instant now = kToday + 30s;
  limit.give_back(state, Units(5), Units(10), now);  // of the third
  EXPECT_EQ(limit.used(state, kToday + 79s), Units(15));
  EXPECT_EQ(limit.used(state, kToday + 80s), Units(10));
  limit.give_back(state, Units(12), Units(3), now);  // of the fourth, and the third
  EXPECT_EQ(limit.used(state, kToday + 80s), Units(3));
  EXPECT_EQ(limit.used(state, kToday + 79s), Units(3));
  EXPECT_EQ(limit.used(state, kToday + 71s), Units(13));
  limit.give_back(state, Units(100), kNoUnits, now);
  EXPECT_EQ(limit.used(state, now), kNoUnits);
  EXPECT_EQ(limit.idle_at(state), kEarliest) << "as if never used";
}

TEST(SlidingWindowLog, GivesBackWhatIsOfAClockThatWasAheadAsOfNow) {
  Subject caller(sliding(9, 64s));
  caller.check(3, kToday);
  caller.check(4, kToday + 8s);
  EXPECT_EQ(caller.refund(5, kToday - 24h), Units(5));
  EXPECT_EQ(caller.used(0, kToday - 24h + 64s - 1ns), Units(2));
  EXPECT_EQ(caller.used(0, kToday - 24h + 64s), kNoUnits);
}

TEST(SlidingWindowLog, RefusesNumbersOutOfRange) {
  EXPECT_TRUE(SlidingWindowLog::make(Units(1), 1ms));
  EXPECT_TRUE(SlidingWindowLog::make(Units(4'294'967'295), kMaxSpan));
  EXPECT_TRUE(SlidingWindowLog::make(Units(0), 1s)) << "closed";
  EXPECT_FALSE(SlidingWindowLog::make(Units(-1), 1s));
  EXPECT_FALSE(SlidingWindowLog::make(Units(4'294'967'296), 1s));
  EXPECT_FALSE(SlidingWindowLog::make(Units(1), 1ms - 1ns));
  EXPECT_FALSE(SlidingWindowLog::make(Units(1), kMaxSpan + 1ns));
}

TEST(SlidingWindowLog, KeepsItsPromisesFromAnyState) { expect_promises_kept(Algorithm::sliding_window_log); }

TEST(SlidingWindowLog, AgreesWithTheOracleOnARandomWalk) { walk(one_limit(Algorithm::sliding_window_log)); }

TEST(SlidingWindowLog, AgreesWithTheOracleInEverySmallWorld) {
  // A second has a grid of 5 ns, a millisecond one of 1 ns.
  constexpr Span kSecond = 1s;
  for (const std::int64_t limit : {1, 2, 3}) {
    try_all(sliding(limit, 1ms), {0ns, 1ns, 400us, 1ms - 1ns, -400us, -3ms}, {1, 2}, 4);
    try_all(sliding(limit, kSecond), {0ns, 3ns, kSecond - 3ns, kSecond - 5ns, -2ns, -kSecond / 2}, {1, 2}, 4);
  }
  try_all(sliding(3, kSecond), {1ns, kSecond / 2, -kSecond}, {1, 2}, 6);
  const std::vector<Deed> deeds = {a_check({.cost = Units(2)}), a_check({.cost = Units(3), .mode = Mode::force}),
                                   an_operation(Operation::Kind::refund, 1), an_operation(Operation::Kind::refund, 3),
                                   a_clamp()};
  try_all({sliding(3, 1ms)}, {0ns, 400us, 1ms, -700us}, deeds, 4);
}

}  // namespace
}  // namespace ratelimit::tests
