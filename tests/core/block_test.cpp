// SPDX-License-Identifier: MIT
#include "ratelimit/block.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "random.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/blocked.h"
#include "ratelimit/http/http_fields.h"
#include "ratelimit/http/limit_status.h"
#include "ratelimit/limits.h"
#include "ratelimit/operation.h"
#include "ratelimit/request.h"
#include "ratelimit/units.h"
#include "side_by_side.h"
#include "subject.h"

namespace ratelimit::tests {
namespace {

void block(Subject& subject, Span length, Instant now = kToday) {
  subject.perform({.kind = Operation::Kind::block, .at = now, .span = length});
}

constexpr Request kModes[] = {{.mode = Mode::whole},
                              {.mode = Mode::partial},
                              {.mode = Mode::may_wait, .longest_wait = kMaxSpan},
                              {.mode = Mode::estimate},
                              {.cost = kNoUnits}};

TEST(Block, LastsAsLongAsItIsLong) {
  const Block block = Block::from(kToday, 10s);
  EXPECT_EQ(block.left(kToday), 10s);
  EXPECT_EQ(block.left(kToday + 10s - 1ns), 1ns);
  EXPECT_EQ(block.left(kToday + 10s), 0s);
  EXPECT_EQ(Block{}.left(kEarliest), 0s);
  EXPECT_EQ(Block::from(kToday, 0s), Block{});
}

TEST(Block, LastsNoLongerIfTheClockIsSetBack) {
  Block block = Block::from(kToday, 10s);
  EXPECT_TRUE(block.is_ahead(kToday - 1ns));
  EXPECT_EQ(block.left(kToday - 24h), 10s);
  block.clamp(kToday - 24h);
  EXPECT_FALSE(block.is_ahead(kToday - 24h));
  EXPECT_EQ(block.left(kToday - 24h), 10s);
  EXPECT_EQ(block.left(kToday), 0s);
}

TEST(Block, EndsWithTheClockAtTheLatest) {
  EXPECT_EQ(Block::from(kLatest - 1s, kMaxSpan).end, kLatest);
  EXPECT_EQ(Block::from(kLatest - 1s, kMaxSpan).left(kLatest - 1s), 1s);
  EXPECT_EQ(Block::from(kLatest, kMaxSpan), Block{});
}

TEST(Block, DeniesWhateverIsLeft) {
  for (const Request& request : kModes) {
    Subject subject(bucket(10, 1, 1s));
    block(subject, 60s);
    const Verdict verdict = subject.verdict(request, kToday + 1s);
    EXPECT_TRUE(verdict.is_blocked) << ::testing::PrintToString(request);
    EXPECT_EQ(verdict.decision, (Decision{Outcome::denied, kNoUnits, Units(10), kNoUnits, 59s, 59s}));
    EXPECT_EQ(subject.peek(request, kToday + 60s).outcome, Outcome::granted);
  }
}

TEST(Block, LetsNobodyWaitLongerThanTheLimitsDo) {
  Subject subject(std::vector{bucket(10, 1, 1s), fixed(10, 3600s)});
  subject.check(10, kToday);
  block(subject, 60s);
  const Verdict later = subject.verdict(Units(1), kToday);
  EXPECT_EQ(later.decision.wait, 3600s);
  EXPECT_EQ(later.binding, 1U);
  EXPECT_FALSE(later.is_blocked);
  block(subject, 7200s);
  const Verdict blocked = subject.verdict(Units(1), kToday);
  EXPECT_EQ(blocked.decision.wait, 7200s);
  EXPECT_TRUE(blocked.is_blocked);
}

TEST(Block, DoesNotPromiseWhatIsNeverGranted) {
  Subject subject(bucket(10, 1, 1s));
  block(subject, 60s);
  const Verdict verdict = subject.verdict(Units(11), kToday);
  EXPECT_EQ(verdict.decision.outcome, Outcome::never);
  EXPECT_FALSE(verdict.is_blocked);
}

TEST(Block, LetsAForcedCallGoOn) {
  Subject subject(fixed(10, 3600s));
  block(subject, 60s);
  const Decision forced = subject.check({.cost = Units(4), .mode = Mode::force}, kToday);
  EXPECT_EQ(forced, (Decision{Outcome::granted, Units(4), Units(10), kNoUnits, 0s, 3600s})) << "nothing can be taken";
  EXPECT_EQ(subject.used(0, kToday), Units(4));
  EXPECT_EQ(subject.status(kToday).remaining, kNoUnits);
  EXPECT_EQ(subject.status(kToday + 60s).remaining, Units(6));
}

TEST(Block, DeniesEveryReservationAlsoOfWhoOnlyRenews) {
  Subject subject(fixed(10, 3600s));
  subject.reserve("a", 5, 120s, kToday);
  block(subject, 60s);
  for (const std::int64_t estimate : {3, 5, 7}) {
    const Decision denied = subject.reserve("a", estimate, 600s, kToday);
    EXPECT_EQ(denied.outcome, Outcome::denied) << estimate;
    EXPECT_EQ(denied.wait, 60s) << estimate;
  }
  EXPECT_EQ(subject.reserve("b", 1, 600s, kToday).outcome, Outcome::denied);
  EXPECT_EQ(subject.reservations().holds.last_end(), kToday + 120s);
  EXPECT_EQ(subject.reserve("a", 7, 600s, kToday + 60s).outcome, Outcome::granted);
}

TEST(Block, CountsAHoldThatEndsBeforeItAsOneThatIsNotThere) {
  Subject subject(fixed(10, 3600s));
  subject.reserve("a", 8, 10s, kToday);
  block(subject, 60s);
  // All eight may still be used when the block ends: who holds them may settle for as much.
  EXPECT_EQ(subject.reservation({.cost = Units(8), .id = "a"}, kToday).decision.wait, 3600s);
}

TEST(Block, LeavesSettlementsRefundsAndReleasesAlone) {
  Subject subject(std::vector{fixed(10, 3600s), concurrent(9, 600s)});
  subject.check({.cost = Units(2), .id = "lease"}, kToday);
  subject.reserve("hold", 3, 600s, kToday);
  block(subject, 60s);
  EXPECT_TRUE(subject.settle("hold", 1, kToday));
  EXPECT_EQ(subject.used(0, kToday), Units(3));
  EXPECT_EQ(subject.refund(2, kToday), Units(2));
  EXPECT_TRUE(subject.release("lease", kToday));
  EXPECT_EQ(subject.block().left(kToday), 60s);
}

TEST(Block, IsReplacedByTheNextOne) {
  Subject subject(fixed(10, 3600s));
  for (const Span length : {60s, 3600s, 1s}) {
    block(subject, length);
    EXPECT_EQ(subject.peek(Units(1), kToday).wait, length);
  }
  block(subject, 0s);
  EXPECT_EQ(subject.peek(Units(1), kToday).outcome, Outcome::granted);
  EXPECT_TRUE(subject.reservations().empty());
}

TEST(Block, IsForgottenByTheNextOperationOnceItIsOver) {
  Subject subject(fixed(10, 3600s));
  block(subject, 60s);
  EXPECT_EQ(subject.idle_at(), kToday + 60s);
  subject.refund(1, kToday + 60s);
  EXPECT_TRUE(subject.reservations().empty());
}

TEST(Block, ComesOnTopOfTheTurnOfWhoWaits) {
  Subject subject(fixed(1, 60s));
  subject.check(1, kToday);
  EXPECT_EQ(subject.check({.mode = Mode::may_wait, .longest_wait = 60s}, kToday).wait, 60s);
  block(subject, 10s);
  EXPECT_EQ(subject.peek(Units(1), kToday).wait, 120s) << "the turn is later, and then the window";
  block(subject, 300s);
  EXPECT_EQ(subject.peek(Units(1), kToday).wait, 300s);
}

TEST(Block, MayDenyWhoNamesNoLimits) {
  const Limits none = Limits::none();
  const Verdict verdict = decide(none, std::vector<Cell>{}, Turn{}, Block::from(kToday, 5s), {}, kToday);
  EXPECT_TRUE(verdict.is_blocked);
  EXPECT_EQ(verdict.decision, (Decision{Outcome::denied, kNoUnits, kNoUnits, kNoUnits, 5s, 5s}));
  EXPECT_TRUE(
      limit_statuses_after(none, std::vector<Cell>{}, Turn{}, Block::from(kToday, 5s), {}, verdict, kToday).empty());
  const std::vector<HttpField> fields = http_fields({}, 0, Outcome::denied, 4500ms);
  EXPECT_EQ(fields, (std::vector<HttpField>{{"Retry-After", "5"}}));
}

TEST(Block, IsInTheFieldsOfEveryLimit) {
  Subject subject(std::vector{bucket(10, 1, 1s), fixed(10, 3600s)});
  subject.check(10, kToday);
  block(subject, 60s);
  const Request request{.cost = Units(1)};
  const auto statuses = [&](const Request& asked, const Verdict& verdict) {
    return limit_statuses_after(subject.limits(), subject.cells(), subject.turn(), subject.block(), asked, verdict,
                                kToday);
  };
  const auto denied = statuses(request, subject.verdict(request, kToday));
  EXPECT_EQ(denied[0].remaining, kNoUnits);
  EXPECT_EQ(denied[0].wait.value_or(denied[0].more), 60s);
  EXPECT_EQ(denied[1].remaining, kNoUnits);
  EXPECT_EQ(denied[1].wait.value_or(denied[1].more), 3600s);
  const Request forced{.cost = Units(1), .mode = Mode::force};
  const auto granted = statuses(forced, subject.verdict(forced, kToday));
  EXPECT_EQ(granted[0].remaining, kNoUnits);
  EXPECT_EQ(granted[0].more, 60s);
  EXPECT_EQ(granted[1].more, 3600s);
}

/// Waiting as told, and asking again, alone, succeeds; and without holds, which may end in between, it does so not a
/// nanosecond earlier.
void expect_wait_of_blocked(const Subject& subject, const Request& request, Instant now) {
  const Decision told = subject.peek(request, now);
  if (told.outcome != Outcome::denied || told.wait > kLatest - now) return;
  ASSERT_EQ(subject.peek(request, now + told.wait).outcome, Outcome::granted);
  ASSERT_EQ(subject.peek(request, now + told.wait - 1ns).outcome, Outcome::denied);
}

TEST(Block, LetsEveryWaitComeTrue) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  constexpr Algorithm kAll[] = {
      Algorithm::token_bucket, Algorithm::fixed_window,           Algorithm::sliding_window_log,
      Algorithm::leaky_bucket, Algorithm::sliding_window_counter, Algorithm::quota,
      Algorithm::concurrent};
  for (std::uint64_t step = 0; step < test_steps() / 8;) {
    std::vector<LimitSpec> specs;
    for (std::uint64_t n = 1 + random.below(3); n > 0; --n) {
      specs.push_back(random_spec(random, kAll[random.below(std::size(kAll))]));
      if (!Limits::make(specs)) specs.pop_back();
    }
    if (specs.empty()) continue;
    Subject subject(specs);
    Instant now = kEarliest + Span{random.between(0, Span{std::chrono::years{100}}.count())};
    Decision last;
    const Habit habit = random_habit(random);
    for (const std::uint64_t end = step + 100; step < end && now < kLatest - 6 * kMaxSpan; ++step) {
      const LimitSpec& spec = specs[random.below(specs.size())];
      const auto [gap, cost] = random_call(random, spec, last, habit);
      now += std::max(gap, Span{});
      if (random.one_in(3)) subject.perform(random_block(random, spec, now));
      Request request = random_request(random, spec, cost, last);
      if (request.mode == Mode::force && random.one_in(2)) request.mode = Mode::whole;
      ASSERT_NO_FATAL_FAILURE(expect_wait_of_blocked(subject, request, now))
          << "RATELIMIT_TEST_SEED=" << seed << ' ' << ::testing::PrintToString(specs)
          << ::testing::PrintToString(request);
      last = subject.check(request, now);
    }
  }
}

TEST(Block, AgreesWithTheOracleInEverySmallWorld) {
  const auto blocked = [](Span length) -> Deed {
    return [=](SideBySide& both, Instant now) {
      both.perform({.kind = Operation::Kind::block, .at = now, .span = length});
    };
  };
  const std::vector<Deed> deeds = {
      a_check({.cost = Units(1), .id = "a"}),
      a_check({.cost = Units(2), .mode = Mode::partial}),
      a_check({.cost = Units(1), .mode = Mode::may_wait, .longest_wait = 15ms}),
      a_check({.cost = Units(2), .mode = Mode::force}),
      a_reservation(2, "a", 7ms),
      blocked(9ms),
      blocked(0ms),
      a_clamp(),
  };
  for (const LimitSpec& spec : {bucket(2, 1, 10ms), fixed(2, 10ms), sliding(2, 10ms), concurrent(2, 10ms)}) {
    try_all({spec}, {0ns, 6ms, -4ms}, deeds, 3);
  }
}

}  // namespace
}  // namespace ratelimit::tests
