// SPDX-License-Identifier: MIT
#include "ratelimit/http/limit_status.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "oracle.h"
#include "random.h"
#include "subject.h"

namespace ratelimit::tests {
namespace {

constexpr Algorithm kAlgorithms[] = {
    Algorithm::token_bucket, Algorithm::fixed_window, Algorithm::sliding_window_log,    Algorithm::leaky_bucket,
    Algorithm::quota,        Algorithm::concurrent,   Algorithm::sliding_window_counter};

std::optional<Span> window_of(const LimitSpec& spec) { return Limit::make(spec).value().window(); }

/// A call, and how the limits stand after it.
struct After {
  Decision decision;
  std::size_t binding;
  std::vector<LimitStatus> statuses;
};

After check(Subject& subject, const Request& request, Instant now) {
  subject.collect(now);
  const Verdict verdict = subject.verdict(request, now);
  if (verdict.decision.outcome == Outcome::granted) subject.commit(verdict, now);
  return {verdict.decision, verdict.binding,
          limit_statuses_after(subject.limits(), subject.cells(), subject.turn(), request, verdict, now)};
}
After check(Subject& subject, std::int64_t cost, Instant now) { return check(subject, {.cost = Units(cost)}, now); }

/// Whether one limit alone would grant so many units, if nothing else happens until then.
bool grants(const Subject& subject, std::size_t i, const Ask& ask, Instant at) {
  return subject.limits()[i].visit([&](const auto& algorithm) {
    return algorithm.decide(state_in(subject.cells()[i], algorithm), ask, at).decision.outcome == Outcome::granted;
  });
}

TEST(WindowOf, IsTheLengthOfAWindow) {
  EXPECT_EQ(window_of(fixed(5, 60s)), Span{60s});
  EXPECT_EQ(window_of(aligned(5, 24h)), Span{24h});
  EXPECT_EQ(window_of(sliding(5, 1h)), Span{1h});
  EXPECT_EQ(window_of(approx(5, 90s)), Span{90s});
}

TEST(WindowOf, IsWhatAnEmptyBucketTakesToBeFull) {
  EXPECT_EQ(window_of(bucket(20, 10, 1s)), Span{2s});
  EXPECT_EQ(window_of(leaky(1, 10, 1s)), Span{100ms});
  EXPECT_EQ(window_of(bucket(1, 7, 60s)), Span{8'571'428'572}) << "rounded up";
  const std::uint64_t seed = test_seed();
  Random random(seed);
  for (int i = 0; i < 1000; ++i) {
    const LimitSpec spec = random_spec(random, random.one_of({Algorithm::token_bucket, Algorithm::leaky_bucket}));
    const oracle::Exact parts = oracle::Exact(std::max(spec.size, kMinUnits).count()) * spec.span.count();
    ASSERT_EQ(window_of(spec), oracle::to_span(oracle::ceil_of(parts, oracle::Exact(spec.refill.count()))))
        << "RATELIMIT_TEST_SEED=" << seed << ' ' << ::testing::PrintToString(spec);
  }
}

TEST(WindowOf, IsTheLengthThatACalendarWindowHasAsARule) {
  EXPECT_EQ(window_of(quota(5, CalendarUnit::hour)), Span{1h});
  EXPECT_EQ(window_of(quota(5, CalendarUnit::day)), Span{24h});
  EXPECT_EQ(window_of(quota(5, CalendarUnit::week)), Span{7 * 24h});
  EXPECT_EQ(window_of(quota(5, CalendarUnit::month)), Span{30 * 24h});
  EXPECT_EQ(window_of(quota(5, CalendarUnit::quarter)), Span{91 * 24h});
  EXPECT_EQ(window_of(anchored(quota(5, CalendarUnit::month), "2026-01-31")), Span{30 * 24h});
  EXPECT_EQ(window_of(in_zone(quota(5, CalendarUnit::year), kKathmandu)), Span{365 * 24h});
}

TEST(WindowOf, IsNoneWhereUnitsAreHeld) { EXPECT_EQ(window_of(concurrent(5, 30s)), std::nullopt); }

TEST(LimitStatuses, NameEachLimitAndItsSize) {
  Subject subject({bucket(20, 10, 1s), fixed(100, 60s, "minute"), concurrent(5, 30s)});
  const std::vector<LimitStatus> statuses = check(subject, 3, kToday).statuses;
  ASSERT_EQ(statuses.size(), 3U);
  EXPECT_EQ(statuses[0].label, "tokenbucket");
  EXPECT_EQ(statuses[0].quota, Units(20));
  EXPECT_EQ(statuses[0].window, Span{2s});
  EXPECT_EQ(statuses[1].label, "minute");
  EXPECT_EQ(statuses[1].quota, Units(100));
  EXPECT_EQ(statuses[2].label, "concurrent");
  EXPECT_EQ(statuses[2].window, std::nullopt);
}

TEST(LimitStatuses, OfAGrantTellWhatIsLeftAndWhenThereIsMore) {
  Subject subject({bucket(20, 10, 1s), fixed(100, 60s), sliding(50, 1h), quota(9, CalendarUnit::day)});
  const After after = check(subject, 3, kToday);
  ASSERT_EQ(after.decision.outcome, Outcome::granted);
  EXPECT_EQ(after.statuses[0].remaining, Units(17));
  EXPECT_EQ(after.statuses[0].more, Span{100ms}) << "the next unit, not all of them";
  EXPECT_EQ(after.statuses[1].remaining, Units(97));
  EXPECT_EQ(after.statuses[1].more, Span{60s});
  EXPECT_EQ(after.statuses[2].remaining, Units(47));
  EXPECT_EQ(after.statuses[2].more, Span{1h});
  EXPECT_EQ(after.statuses[3].remaining, Units(6));
  EXPECT_EQ(after.statuses[3].more, Span{24h});
  for (const LimitStatus& status : after.statuses) EXPECT_EQ(status.wait, std::nullopt);
}

TEST(LimitStatuses, HaveNothingMoreToTellOfALimitThatIsFull) {
  Subject subject({fixed(5, 60s), sliding(100, 1h)});
  const After never = check(subject, 6, kToday);
  ASSERT_EQ(never.decision.outcome, Outcome::never);
  for (const LimitStatus& status : never.statuses) {
    EXPECT_EQ(status.remaining, status.quota);
    EXPECT_EQ(status.more, Span{});
    EXPECT_EQ(status.wait, std::nullopt) << "nobody need come again";
  }
}

TEST(LimitStatuses, OfADenialTellWhoDeniesAndForHowLong) {
  Subject subject({bucket(10, 10, 1s), fixed(8, 60s), sliding(100, 1h)});
  check(subject, 7, kToday);
  const After after = check(subject, 5, kToday);
  ASSERT_EQ(after.decision.outcome, Outcome::denied);
  EXPECT_EQ(after.statuses[0].wait, Span{200ms});
  EXPECT_EQ(after.statuses[0].remaining, Units(3));
  EXPECT_EQ(after.statuses[1].wait, Span{60s});
  EXPECT_EQ(after.statuses[1].wait, after.decision.wait) << "the longest is what the caller is told";
  EXPECT_EQ(after.statuses[2].wait, std::nullopt) << "this one has enough";
}

TEST(LimitStatuses, CountARequestAsOneWhateverItCosts) {
  Subject subject({per_request(fixed(2, 60s)), fixed(100, 60s)});
  const After after = check(subject, 50, kToday);
  EXPECT_EQ(after.statuses[0].remaining, Units(1));
  EXPECT_EQ(after.statuses[1].remaining, Units(50));
  check(subject, 1, kToday);
  const After denied = check(subject, 49, kToday);
  EXPECT_EQ(denied.statuses[0].wait, Span{60s});
  EXPECT_EQ(denied.statuses[1].wait, std::nullopt);
}

TEST(LimitStatuses, OfACallThatTakesAPartAskForOneUnit) {
  Subject subject({bucket(10, 10, 1s), fixed(100, 60s)});
  check(subject, 10, kToday);
  const After after = check(subject, {.cost = Units(7), .mode = Mode::partial}, kToday);
  ASSERT_EQ(after.decision.outcome, Outcome::denied);
  EXPECT_EQ(after.statuses[0].wait, Span{100ms}) << "not the 700 ms of all seven";
  EXPECT_EQ(after.statuses[1].wait, std::nullopt);
}

TEST(LimitStatuses, InDebtTellWhenItIsOver) {
  Subject subject(bucket(10, 10, 1s));
  const After after = check(subject, {.cost = Units(15), .mode = Mode::force}, kToday);
  EXPECT_EQ(after.statuses[0].remaining, kNoUnits);
  EXPECT_EQ(after.statuses[0].more, Span{600ms}) << "five units of debt, and one to be taken";
}

TEST(LimitStatuses, AreAsOfItsTurnForACallThatIsGrantedOne) {
  Subject subject({bucket(10, 10, 1s), fixed(100, 60s)});
  check(subject, 10, kToday);
  const Request waiting{.cost = Units(5), .mode = Mode::may_wait, .longest_wait = 2s};
  const After granted = check(subject, waiting, kToday);
  ASSERT_EQ(granted.decision.outcome, Outcome::granted);
  EXPECT_EQ(granted.statuses[0].remaining, kNoUnits);
  EXPECT_EQ(granted.statuses[0].more, Span{600ms});
  EXPECT_EQ(granted.statuses[1].remaining, Units(85)) << "what the call leaves, once it goes";
  EXPECT_EQ(granted.statuses[1].more, Span{60s}) << "counted from now";
  EXPECT_EQ(granted.statuses[0].wait, std::nullopt);
}

// RL.FIXED j 5 1m COST 5, then COST 2 MAXWAIT 2m HEADERS
TEST(LimitStatuses, OfACallThatWaitsForTheNextWindowTellWhatItLeavesThere) {
  Subject subject(fixed(5, 60s));
  check(subject, 5, kToday);
  const After after = check(subject, {.cost = Units(2), .mode = Mode::may_wait, .longest_wait = 2min}, kToday);
  ASSERT_EQ(after.decision.outcome, Outcome::granted);
  EXPECT_EQ(after.decision.remaining, Units(3));
  EXPECT_EQ(after.statuses[0].remaining, Units(3));
  EXPECT_EQ(after.statuses[0].more, Span{120s});
}

TEST(LimitStatuses, LeaveNothingToWhoIsDeniedBeforeATurn) {
  Subject subject({bucket(10, 10, 1s), fixed(100, 60s)});
  check(subject, 10, kToday);
  check(subject, {.cost = Units(5), .mode = Mode::may_wait, .longest_wait = 2s}, kToday);
  const After denied = check(subject, 1, kToday);
  ASSERT_EQ(denied.decision.outcome, Outcome::denied);
  EXPECT_EQ(denied.statuses[0].remaining, kNoUnits);
  EXPECT_EQ(denied.statuses[0].wait, Span{600ms});
  EXPECT_EQ(denied.statuses[1].remaining, kNoUnits) << "nobody overtakes";
  EXPECT_EQ(denied.statuses[1].more, Span{500ms}) << "then there is one, and many more";
  EXPECT_EQ(denied.statuses[1].wait, Span{500ms}) << "it lets nobody pass before the turn either";
}

// RL.CONCURRENT k 2 10s ID a, then ID a COST 3 HEADERS
TEST(LimitStatuses, CountALeaseThatTheCallAsksToRenewAsLeftIfItIsNotGranted) {
  Subject subject(concurrent(2, 10s));
  check(subject, {.id = "a"}, kToday);
  const After never = check(subject, {.cost = Units(3), .id = "a"}, kToday);
  ASSERT_EQ(never.decision.outcome, Outcome::never);
  EXPECT_EQ(never.decision.remaining, Units(2));
  EXPECT_EQ(never.statuses[0].remaining, Units(2));
  EXPECT_EQ(never.statuses[0].more, Span{});
  check(subject, {.id = "b"}, kToday + 4s);
  const After denied = check(subject, {.cost = Units(2), .id = "a"}, kToday + 5s);
  ASSERT_EQ(denied.decision.outcome, Outcome::denied);
  EXPECT_EQ(denied.statuses[0].remaining, Units(1));
  EXPECT_EQ(denied.statuses[0].wait, Span{9s}) << "until b ends";
  const After renewed = check(subject, {.id = "a"}, kToday + 6s);
  EXPECT_EQ(renewed.statuses[0].remaining, kNoUnits) << "a holds one, and b";
}

// RL.CHECK m FIXED 3 1m TOKENBUCKET 10 1 10s COST 3, then COST 10 HEADERS
TEST(LimitStatuses, BesideALimitThatNeverGrantsTellForHowLongTheOthersDeny) {
  Subject subject({fixed(3, 60s), bucket(10, 1, 10s)});
  check(subject, 3, kToday);
  const After never = check(subject, 10, kToday);
  ASSERT_EQ(never.decision.outcome, Outcome::never);
  EXPECT_EQ(never.statuses[0].wait, std::nullopt);
  EXPECT_EQ(never.statuses[0].more, Span{60s});
  EXPECT_EQ(never.statuses[1].wait, Span{30s}) << "and not the 10 s until the next unit";
}

TEST(LimitStatuses, OfAForcedCallThatFindsNoRoomBlameNobodyElse) {
  Subject subject({sliding(5, 60s), fixed(5, 90s)});
  check(subject, 5, kToday);
  check(subject, {.cost = kMaxUnits, .mode = Mode::force}, kToday + 10s);
  const After denied = check(subject, {.cost = Units(9), .mode = Mode::force}, kToday + 20s);
  ASSERT_EQ(denied.decision.outcome, Outcome::denied);
  EXPECT_EQ(denied.statuses[0].wait, denied.decision.wait);
  EXPECT_EQ(denied.statuses[1].wait, std::nullopt) << "it would take the nine into debt";
}

TEST(LimitStatuses, OfACallThatMayWaitCountTheQueueToo) {
  Subject subject({leaky(10, 1, 1s), fixed(8, 60s)});
  check(subject, 8, kToday);
  const After denied = check(subject, {.mode = Mode::may_wait, .longest_wait = 5s}, kToday);
  ASSERT_EQ(denied.decision.outcome, Outcome::denied);
  EXPECT_EQ(denied.statuses[0].wait, Span{3s}) << "its turn would come after 8 s";
  EXPECT_EQ(denied.statuses[1].wait, Span{55s});
}

TEST(LimitStatuses, OfLimitsThatNobodyUsedAreFull) {
  const Limits limits = Limits::make(std::vector{bucket(20, 10, 1s), concurrent(5, 30s, "mine")}).value();
  const std::vector<LimitStatus> statuses = statuses_of_unused(limits);
  ASSERT_EQ(statuses.size(), 2U);
  EXPECT_EQ(statuses[1].label, "mine");
  EXPECT_EQ(statuses[0].window, Span{2s});
  for (const LimitStatus& status : statuses) {
    EXPECT_EQ(status.remaining, status.quota);
    EXPECT_EQ(status.more, Span{});
    EXPECT_EQ(status.wait, std::nullopt);
  }
}

TEST(LimitStatuses, OfACallThatMayWaitTellHowMuchTooLongItWouldBe) {
  Subject subject({bucket(10, 10, 1s), fixed(100, 60s)});
  check(subject, 10, kToday);
  const Request waiting{.cost = Units(5), .mode = Mode::may_wait, .longest_wait = 300ms};
  const After after = check(subject, waiting, kToday);
  ASSERT_EQ(after.decision.outcome, Outcome::denied);
  EXPECT_EQ(after.decision.wait, Span{200ms});
  EXPECT_EQ(after.statuses[0].wait, Span{200ms});
  EXPECT_EQ(after.statuses[1].wait, std::nullopt);
}

TEST(LimitStatuses, OfACallThatMayWaitTakeWhatItMayWaitOffEachThatDenies) {
  Subject subject({bucket(10, 10, 1s), fixed(10, 2s), fixed(100, 60s)});
  check(subject, 10, kToday);
  const Request waiting{.cost = Units(5), .mode = Mode::may_wait, .longest_wait = 300ms};
  const After after = check(subject, waiting, kToday);
  ASSERT_EQ(after.decision.outcome, Outcome::denied);
  EXPECT_EQ(after.statuses[0].wait, Span{200ms}) << "500 ms, of which it may wait for 300";
  EXPECT_EQ(after.statuses[1].wait, Span{1700ms});
  EXPECT_EQ(after.statuses[2].wait, std::nullopt);
}

// Behind a turn that is 500 ms away, a call that may wait for 550 ms would be told to wait for 600: all that keeps it is
// 50 ms. Whoever comes again then is granted, so nobody may be told a later time.
TEST(LimitStatuses, OfACallThatMayWaitBehindATurnDenyForNoLongerThanTheAnswerSays) {
  Subject subject({bucket(10, 10, 1s), fixed(100, 60s)});
  check(subject, 10, kToday);
  check(subject, {.cost = Units(5), .mode = Mode::may_wait, .longest_wait = 2s}, kToday);
  const Request waiting{.cost = Units(1), .mode = Mode::may_wait, .longest_wait = 550ms};
  const After after = check(subject, waiting, kToday);
  ASSERT_EQ(after.decision.outcome, Outcome::denied);
  EXPECT_EQ(after.decision.wait, Span{50ms});
  for (const LimitStatus& status : after.statuses) {
    EXPECT_LE(status.wait.value_or(Span{}), after.decision.wait) << status.label;
  }
}

LimitSpec random_limit(Random& random) {
  LimitSpec spec = random_spec(random, kAlgorithms[random.below(std::size(kAlgorithms))]);
  spec.per_request = random.one_in(4);
  return spec;
}

/// What must hold of each limit after any call, whatever it was.
void expect_true(const Subject& subject, const After& after, const Request& request, Instant now) {
  const bool is_denied = after.decision.outcome == Outcome::denied;
  const bool is_granted = after.decision.outcome == Outcome::granted;
  const Instant at = subject.turn().or_later(now);
  ASSERT_EQ(after.statuses[after.binding].remaining, after.decision.remaining) << "as the answer says";
  Span longest{};
  for (std::size_t i = 0; i < after.statuses.size(); ++i) {
    const LimitStatus& status = after.statuses[i];
    ASSERT_EQ(status.label, subject.limits().label(i));
    ASSERT_EQ(status.quota, subject.limits()[i].size());
    ASSERT_TRUE(kNoUnits <= status.remaining && status.remaining <= status.quota);
    ASSERT_GE(status.more, Span{});
    if (at > now && !is_granted) {
      ASSERT_EQ(status.remaining, kNoUnits) << "somebody waits for a turn";
    } else if (is_granted || !subject.limits()[i].has_leases()) {
      ASSERT_EQ(status.remaining, std::max(status.quota - subject.used(i, at), kNoUnits));
    }
    // One unit more than remains: not a nanosecond before `more` is over, and then.
    if (status.remaining < status.quota && now + status.more <= kLatest) {
      const Ask more{status.remaining + kMinUnits, is_granted ? "somebody else" : request.id};
      ASSERT_GT(status.more, Span{});
      if (now + status.more > at) {
        ASSERT_FALSE(grants(subject, i, more, now + status.more - 1ns)) << "limit " << i;
      }
      ASSERT_GE(now + status.more, at);
      ASSERT_TRUE(grants(subject, i, more, now + status.more)) << "limit " << i;
    }
    ASSERT_TRUE(status.remaining < status.quota || status.quota == kNoUnits || status.more == Span{});
    ASSERT_TRUE(!is_granted || !status.wait) << "who is granted is denied by nobody";
    if (!status.wait) continue;
    ASSERT_GT(*status.wait, Span{});
    longest = std::max(longest, *status.wait);
    const Ask asked{subject.limits()[i].cost_of(request.mode == Mode::partial ? kMinUnits : request.cost), request.id,
                    request.mode == Mode::force};
    if (at == now && request.mode != Mode::may_wait && now + *status.wait <= kLatest) {
      ASSERT_FALSE(grants(subject, i, asked, now + *status.wait - 1ns)) << "limit " << i;
      ASSERT_TRUE(grants(subject, i, asked, now + *status.wait)) << "limit " << i;
    }
  }
  // A call that may wait behind a turn has a test of its own.
  if (is_denied && (at == now || request.mode != Mode::may_wait)) {
    ASSERT_EQ(longest, after.decision.wait) << "the answer is the longest of those that deny";
  }
}

TEST(LimitStatuses, AreTrueOfAnyLimitsAfterAnyCall) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  for (std::uint64_t i = 0; i < test_steps() / 200; ++i) {
    SCOPED_TRACE(::testing::Message() << "RATELIMIT_TEST_SEED=" << seed << ", subject " << i);
    std::vector<LimitSpec> specs;
    for (std::uint64_t n = 1 + random.below(3); n > 0; --n) specs.push_back(random_limit(random));
    Subject subject(specs);
    Instant now = kToday;
    Decision last;
    for (int call = 0; call < 20; ++call) {
      const auto [gap, cost] = random_call(random, specs[0], last, {random.one_of<std::int64_t>({0, 100})});
      if (now + gap > kLatest) break;
      now += gap;
      Request request = random_request(random, specs[0], cost, last);
      if (request.id.empty()) request.id = "nobody";
      const After after = check(subject, request, now);
      last = after.decision;
      ASSERT_NO_FATAL_FAILURE(expect_true(subject, after, request, now)) << ::testing::PrintToString(request);
    }
  }
}

}  // namespace
}  // namespace ratelimit::tests
