// SPDX-License-Identifier: MIT
// A limit of size 0 is closed: no call passes, unless it is forced.
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ratelimit/http/limit_status.h"
#include "ratelimit/limits.h"
#include "ratelimit/operation.h"
#include "ratelimit/request.h"
#include "side_by_side.h"
#include "subject.h"

namespace ratelimit::tests {
namespace {

/// A limit of that size of each algorithm.
std::vector<LimitSpec> limits_of(std::int64_t size) {
  return {bucket(size, 10, 1s), leaky(size, 10, 1s), fixed(size, 60s),      aligned(size, 60s),
          sliding(size, 60s),   approx(size, 60s),   concurrent(size, 60s), quota(size, CalendarUnit::day)};
}

TEST(AClosedLimit, TellsEveryCallNever) {
  for (const LimitSpec& spec : limits_of(0)) {
    SCOPED_TRACE(::testing::PrintToString(spec));
    const Subject subject(spec);
    for (const Mode mode : {Mode::whole, Mode::partial, Mode::may_wait, Mode::estimate}) {
      for (const std::int64_t cost : {std::int64_t{0}, std::int64_t{1}, kMaxUnits.count()}) {
        const Request request{.cost = Units(cost), .mode = mode, .longest_wait = kMaxSpan, .id = "a"};
        const Decision never = subject.peek(request, kToday);
        EXPECT_EQ(never, Decision{}) << ::testing::PrintToString(request);
        EXPECT_TRUE(is_never(subject.limits(), request));
        EXPECT_EQ(decide_idle(subject.limits(), request, kToday).decision, never);
      }
    }
    EXPECT_EQ(subject.reservation({.cost = Units(5), .id = "a"}, kToday).decision.outcome, Outcome::never);
  }
}

TEST(AClosedLimit, TellsNeverWhateverIsUsed) {
  for (const LimitSpec& spec : limits_of(0)) {
    SCOPED_TRACE(::testing::PrintToString(spec));
    Subject subject(spec);
    const Decision forced = subject.check({.cost = Units(3), .mode = Mode::force, .id = "a"}, kToday);
    EXPECT_EQ(forced.outcome, Outcome::granted);
    EXPECT_EQ(forced.granted, Units(3));
    EXPECT_EQ(forced.remaining, kNoUnits);
    EXPECT_GT(forced.wait, Span{}) << "as long as the debt lasts";
    EXPECT_GE(forced.reset, forced.wait);
    EXPECT_FALSE(is_never(subject.limits(), {.mode = Mode::force}));
    for (const Instant now : {kToday - 1h, kToday, kToday + forced.wait - 1ns, kToday + forced.reset}) {
      EXPECT_EQ(subject.peek(Units(1), now).outcome, Outcome::never);
    }
    EXPECT_EQ(subject.used(0, kToday), Units(3));
    EXPECT_EQ(subject.used(0, kToday + forced.reset), kNoUnits);
  }
}

TEST(AClosedLimit, BindsBesideOthers) {
  for (const LimitSpec& spec : limits_of(0)) {
    SCOPED_TRACE(::testing::PrintToString(spec));
    Subject subject({fixed(5, 1h, "open"), spec});
    const Verdict verdict = subject.verdict(Units(2), kToday);
    EXPECT_EQ(verdict.decision.outcome, Outcome::never);
    EXPECT_EQ(verdict.binding, 1U);
    subject.check({.cost = Units(5), .mode = Mode::force}, kToday);
    EXPECT_EQ(subject.verdict(Units(2), kToday).binding, 1U) << "never is longer than any wait";
    EXPECT_EQ(subject.verdict({.cost = Units(2), .mode = Mode::partial}, kToday).binding, 1U);
  }
}

TEST(AClosedLimit, OfRequestsIsClosedToo) {
  for (const LimitSpec& spec : limits_of(0)) {
    const Subject subject(per_request(spec));
    EXPECT_EQ(subject.peek(Units(7), kToday).outcome, Outcome::never);
    EXPECT_EQ(subject.peek({.cost = Units(7), .mode = Mode::partial}, kToday).outcome, Outcome::never);
    EXPECT_EQ(subject.reservation({.cost = Units(7), .id = "a"}, kToday).decision.outcome, Outcome::never);
  }
}

TEST(AClosedLimit, RenewsNoHoldButLetsItBeSettled) {
  for (const LimitSpec& spec : limits_of(0)) {
    SCOPED_TRACE(::testing::PrintToString(spec));
    Subject subject(std::vector{fixed(10, 1h, "open"), limits_of(10)[0]});
    EXPECT_EQ(subject.reserve("a", 4, 10s, kToday).outcome, Outcome::granted);
    subject.change({fixed(10, 1h, "open"), spec}, kToday);
    for (const std::int64_t estimate : {1, 4, 9}) {
      EXPECT_EQ(subject.reserve("a", estimate, 10s, kToday).outcome, Outcome::never);
    }
    EXPECT_EQ(subject.reserve("b", 4, 10s, kToday).outcome, Outcome::never);
    EXPECT_TRUE(subject.settle("a", 6, kToday));
    EXPECT_EQ(subject.used(0, kToday), Units(6));
  }
}

TEST(AClosedLimit, RemembersWhatWasUsedUntilItIsOpenedAgain) {
  for (std::size_t i = 0; i < limits_of(0).size(); ++i) {
    SCOPED_TRACE(::testing::PrintToString(limits_of(0)[i]));
    Subject subject(limits_of(10)[i]);
    subject.check({.cost = Units(7), .id = "a"}, kToday);
    subject.change({limits_of(0)[i]}, kToday);
    EXPECT_EQ(subject.peek(Units(1), kToday).outcome, Outcome::never);
    subject.change({limits_of(10)[i]}, kToday);
    EXPECT_EQ(subject.used(0, kToday), Units(7));
    EXPECT_EQ(subject.peek({.cost = Units(3), .id = "b"}, kToday).outcome, Outcome::granted);
    EXPECT_EQ(subject.peek({.cost = Units(4), .id = "b"}, kToday).outcome, Outcome::denied);
  }
}

TEST(AClosedLimit, OfNobodyIsIdle) {
  for (std::size_t i = 0; i < limits_of(0).size(); ++i) {
    SCOPED_TRACE(::testing::PrintToString(limits_of(0)[i]));
    Subject subject(limits_of(10)[i]);
    subject.change({limits_of(0)[i]}, kToday);
    EXPECT_EQ(subject.idle_at(), Instant{});
  }
}

TEST(AClosedLimit, HasSpansThatAreLongerThanNothing) {
  for (const LimitSpec& spec : limits_of(0)) {
    SCOPED_TRACE(::testing::PrintToString(spec));
    const Limit limit = Limit::make(spec).value();
    EXPECT_GT(limit.recovery(), Span{});
    EXPECT_GE(limit.slack(), Span{});
    if (limit.window()) {
      EXPECT_GT(*limit.window(), Span{});
    }
  }
  EXPECT_EQ(Limit::make(bucket(0, 1, 1h))->window(), Span{1h}) << "as of a bucket of one unit";
  EXPECT_EQ(Limit::make(leaky(0, 7, 60s))->recovery(), Span{8'571'428'572});
}

TEST(AClosedLimit, OpensNoAccount) {
  Subject subject(fixed(10, 1h));
  subject.check({fixed(10, 1h)}, 1, kToday);
  for (const LimitSpec& spec : limits_of(0)) {
    EXPECT_EQ(subject.check({spec}, 1, kToday).outcome, Outcome::never);
    EXPECT_EQ(subject.reserve({spec}, "a", 1, 1min, kToday).outcome, Outcome::never);
  }
  EXPECT_EQ(subject.limits().size(), 1U);
}

TEST(AClosedLimit, StartsEmptyWhateverOthersCount) {
  for (const LimitSpec& spec : limits_of(0)) {
    SCOPED_TRACE(::testing::PrintToString(spec));
    for (const LimitSpec& other : limits_of(10)) {
      Subject subject(other);
      subject.check({other}, {.cost = Units(5), .id = "a"}, kToday);
      subject.check({spec}, {.cost = Units(2), .mode = Mode::force, .id = "b"}, kToday);
      ASSERT_EQ(subject.limits().size(), 2U);
      EXPECT_EQ(subject.used(1, kToday), Units(2)) << ::testing::PrintToString(other);
    }
  }
}

TEST(AClosedLimit, PromisesNothingInFields) {
  for (const LimitSpec& spec : limits_of(0)) {
    SCOPED_TRACE(::testing::PrintToString(spec));
    const Subject subject(spec);
    const Verdict verdict = subject.verdict(Units(1), kToday);
    const auto statuses = limit_statuses_after(subject.limits(), subject.cells(), subject.turn(), {}, verdict, kToday);
    EXPECT_EQ(statuses[0].quota, kNoUnits);
    EXPECT_EQ(statuses[0].remaining, kNoUnits);
    EXPECT_GT(statuses[0].more, Span{});
    EXPECT_EQ(statuses[0].wait, std::nullopt);
  }
}

TEST(AClosedLimit, AgreesWithTheOracle) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  for (std::uint64_t i = 0; i < test_steps() / 1000; ++i) {
    std::vector<LimitSpec> specs{limits_of(0)[random.below(8)]};
    if (random.one_in(2)) specs.push_back(random_spec(random, specs[0].algorithm));
    SCOPED_TRACE(::testing::Message() << "RATELIMIT_TEST_SEED=" << seed << ", subject " << i);
    SideBySide both(specs);
    Instant now = kToday;
    Decision last;
    for (int step = 0; step < 40; ++step) {
      const auto [gap, cost] = random_call(random, specs.back(), last, {});
      now = random_next(random, now, gap, scale_of(specs.back()));
      last = both.check(random_request(random, specs.back(), cost, last), now);
      ASSERT_TRUE(both.agree());
    }
  }
}

}  // namespace
}  // namespace ratelimit::tests
