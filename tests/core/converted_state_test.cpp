// SPDX-License-Identifier: MIT
#include "ratelimit/converted_state.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "oracle.h"
#include "random.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/limits.h"
#include "ratelimit/states.h"
#include "subject.h"

namespace ratelimit::tests {
namespace {

/// A state of one limit converted to one of another: uncapped, and capped.
struct Converted {
  Converted(Subject& from, const LimitSpec& spec, Instant now) : to(spec), capped(spec) {
    convert(from.limits()[0], from.cells()[0], to.limits()[0], to.cells()[0], now);
    convert(from.limits()[0], from.cells()[0], capped.limits()[0], capped.cells()[0], now);
    capped.limits()[0].visit(
        [&](const auto& algorithm) { algorithm.cap(state_in(capped.cells()[0], algorithm), now); });
  }

  Subject to;
  Subject capped;
};

TEST(AConvertedState, OfWindowsKeepsWhatExceedsTheSizeUntilItIsCapped) {
  for (const LimitSpec& spec : {fixed(9, 60s), aligned(9, 60s), sliding(9, 60s), approx(9, 60s),
                                quota(9, CalendarUnit::day), concurrent(9, 60s)}) {
    SCOPED_TRACE(::testing::PrintToString(spec));
    Subject from(spec);
    from.check(8, kToday);
    LimitSpec smaller = spec;
    smaller.size = Units(5);
    const Converted made(from, smaller, kToday);
    EXPECT_EQ(made.to.used(0, kToday), Units(8));
    EXPECT_EQ(made.capped.used(0, kToday), Units(5));
    EXPECT_EQ(made.capped.idle_at(0), from.idle_at(0));
  }
}

TEST(AConvertedState, OfAnotherAlgorithmCountsAtMostTheSize) {
  for (const LimitSpec& from : {bucket(9, 9, 60s), fixed(9, 60s), sliding(9, 60s), approx(9, 60s), concurrent(9, 60s),
                                quota(9, CalendarUnit::day)}) {
    for (const LimitSpec& to : {bucket(5, 9, 60s), fixed(5, 60s), sliding(5, 60s), approx(5, 60s), concurrent(5, 60s),
                                quota(5, CalendarUnit::day)}) {
      if (from.algorithm == to.algorithm) continue;
      SCOPED_TRACE(::testing::PrintToString(from) + " to " + ::testing::PrintToString(to));
      Subject caller(from);
      caller.check(8, kToday);
      EXPECT_EQ(Converted(caller, to, kToday).to.used(0, kToday), Units(5));
    }
  }
}

TEST(AConvertedState, OfAnotherAlignedWindowCountsInTheOneThatIsOpen) {
  Subject from(aligned(9, 60s));
  from.check(3, kToday + 50s);
  const Converted made(from, aligned(9, 40s), kToday + 55s);
  EXPECT_EQ(made.to.idle_at(0), kToday + 80s);
  EXPECT_EQ(Converted(from, fixed(9, 40s), kToday + 35s + 15s).to.idle_at(0), kToday + 90s)
      << "it would be over at 40 s";
  EXPECT_EQ(Converted(from, fixed(9, 70s), kToday + 55s).to.idle_at(0), kToday + 70s) << "begun where the other began";
}

TEST(AConvertedState, OfAWindowThatIsOverIsIdle) {
  for (const LimitSpec& spec : {fixed(9, 60s), aligned(9, 60s), sliding(9, 60s)}) {
    Subject from(spec);
    from.check(3, kToday);
    LimitSpec longer = spec;
    longer.span = 1h;
    EXPECT_EQ(Converted(from, longer, kToday + 60s).to.idle_at(0), Instant{}) << ::testing::PrintToString(spec);
  }
}

TEST(AConvertedState, OfALogWithAShorterWindowForgetsWhatIsTooOldForIt) {
  Subject from(sliding(9, 60s));
  for (const Span at : {0s, 20s, 40s}) from.check(2, kToday + at);
  const Converted made(from, sliding(3, 30s), kToday + 45s);
  EXPECT_EQ(made.to.used(0, kToday + 45s), Units(4));
  EXPECT_EQ(made.to.used(0, kToday + 50s), Units(2)) << "entries keep their times";
  EXPECT_EQ(made.capped.used(0, kToday + 45s), Units(3)) << "the newest stay";
  EXPECT_EQ(made.capped.used(0, kToday + 50s), Units(2));
}

TEST(AConvertedState, OfALogIsRoundedUpToACoarserGrid) {
  Subject from(sliding(9, 1h));
  from.check(2, kToday + 1ns);
  const Converted made(from, sliding(9, 30 * 24h), kToday + 1min);
  EXPECT_EQ(made.to.idle_at(0), kToday + 20ms + 30 * 24h) << "steps of 20 ms";
}

TEST(AConvertedState, OfTwoCountersKeepsAsMuchOfThemAsCan) {
  Subject from(approx(100, 60s));
  from.check(60, kToday);
  from.check(20, kToday + 90s);
  ASSERT_EQ(from.used(0, kToday + 90s), Units(50)) << "half of sixty, and twenty";
  EXPECT_EQ(Converted(from, approx(50, 60s), kToday + 90s).capped.used(0, kToday + 105s), Units(35)) << "as they are";
  const Converted made(from, approx(30, 60s), kToday + 90s);
  EXPECT_EQ(made.to.used(0, kToday + 90s), Units(50));
  EXPECT_EQ(made.capped.used(0, kToday + 90s), Units(30)) << "twenty of this window, and half of twenty";
  EXPECT_EQ(made.capped.used(0, kToday + 105s), Units(25));
  EXPECT_EQ(Converted(from, approx(15, 60s), kToday + 90s).capped.used(0, kToday + 119s), Units(15));
  EXPECT_EQ(Converted(from, approx(99, 40s), kToday + 90s).to.used(0, kToday + 119s), Units(50)) << "as taken now";
}

TEST(AConvertedState, OfLeasesKeepsIdsUnitsAndEnds) {
  Subject from(concurrent(9, 60s));
  from.check({.cost = Units(4), .id = "a"}, kToday);
  from.check({.cost = Units(3), .id = "b"}, kToday + 10s);
  Converted made(from, concurrent(5, 5s), kToday + 20s);
  EXPECT_EQ(made.to.used(0, kToday + 20s), Units(7));
  EXPECT_EQ(made.capped.used(0, kToday + 20s), Units(5)) << "all of b, and two of a";
  EXPECT_EQ(made.capped.used(0, kToday + 60s), Units(3));
  EXPECT_EQ(made.to.idle_at(0), kToday + 70s);
  EXPECT_TRUE(made.capped.release("b", kToday + 20s));
}

TEST(AConvertedState, IsThatOfTheOracle) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  constexpr Algorithm kAll[] = {
      Algorithm::token_bucket, Algorithm::fixed_window, Algorithm::sliding_window_log,    Algorithm::leaky_bucket,
      Algorithm::quota,        Algorithm::concurrent,   Algorithm::sliding_window_counter};
  for (std::uint64_t i = 0; i < test_steps() / 40; ++i) {
    const LimitSpec from = random_spec(random, kAll[random.below(7)]);
    LimitSpec to = random.one_in(2) ? random_change(random, from) : random_spec(random, kAll[random.below(7)]);
    Subject caller(from);
    const std::unique_ptr<oracle::Model> model = oracle::model_of(from);
    Instant now = random_instant(random);
    Decision last;
    for (std::uint64_t calls = random.below(20); calls > 0; --calls) {
      const auto [gap, cost] = random_call(random, from, last, {100});
      now = std::min(now + gap, kLatest);
      const std::string id = std::to_string(random.below(9));
      const Request request{.cost = cost, .mode = random.one_in(4) ? Mode::force : Mode::whole, .id = id};
      last = caller.check(request, now);
      if (last.outcome == Outcome::granted) model->charge({cost, id, true}, now);
    }
    const Converted made(caller, to, now);
    const std::unique_ptr<oracle::Model> expected = oracle::converted(*model, to, now);
    const std::unique_ptr<oracle::Model> capped = expected->clone();
    capped->cap(now);
    SCOPED_TRACE(::testing::Message() << "RATELIMIT_TEST_SEED=" << seed << ", state " << i << ' '
                                      << ::testing::PrintToString(from) << " to " << ::testing::PrintToString(to));
    for (const Span later : {Span{}, scale_of(to) / 9, scale_of(to) / 2, scale_of(to)}) {
      const Instant then = std::min(now + later, kLatest);
      ASSERT_EQ(made.to.used(0, then), expected->used(then));
      ASSERT_EQ(made.capped.used(0, then), capped->used(then));
      ASSERT_LE(made.capped.used(0, then), to.size);
      ASSERT_EQ(made.to.peek(Units(1), then), expected->ask({Units(1)}, then));
      ASSERT_EQ(made.capped.peek(Units(1), then), capped->ask({Units(1)}, then));
    }
    ASSERT_EQ(made.to.idle_at(0), expected->idle_at());
    ASSERT_EQ(made.capped.idle_at(0), capped->idle_at());
  }
}

}  // namespace
}  // namespace ratelimit::tests
