// SPDX-License-Identifier: MIT
#include "ratelimit/account.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "accounts.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/operation.h"
#include "subject.h"

namespace ratelimit::tests {
namespace {

/// What is used under an account that a call opens for `next`, after `units` were used under `first`.
std::int64_t opened_with(const LimitSpec& first, std::int64_t units, const LimitSpec& next, Span later = {}) {
  Subject subject(first);
  subject.use(0, Units(units), kToday);
  subject.open({next}, kToday + later);
  return subject.used(1, kToday + later).count();
}

// --- which account is whose ---

TEST(Accounts, AreKnownByTheNumbersOfTheirLimits) {
  Subject subject(fixed(5, 60s));
  subject.check({fixed(5, 60s)}, 1, kToday);
  subject.check({fixed(5, 61s)}, 1, kToday);
  subject.check({fixed(5, 60s)}, 1, kToday);
  EXPECT_EQ(used(subject, kToday), (Used{3, 3}));
  subject.check({fixed(6, 60s)}, 1, kToday);
  EXPECT_EQ(subject.limits().size(), 3U);
}

TEST(Accounts, AreKnownByTheirLabelsAndByPerRequest) {
  Subject subject(fixed(9, 60s));
  subject.check({fixed(9, 60s)}, 1, kToday);
  subject.check({fixed(9, 60s, "a")}, 2, kToday);
  subject.check({per_request(fixed(9, 60s))}, 3, kToday);
  EXPECT_EQ(used(subject, kToday), (Used{6, 6, 1}));
}

TEST(Accounts, OfTwinsAreKnownByTheirOrder) {
  Subject subject(List{fixed(9, 60s), fixed(9, 60s)});
  subject.use(0, Units(1), kToday);
  subject.use(1, Units(5), kToday);
  EXPECT_EQ(subject.verdict(List{fixed(9, 60s)}, {.cost = Units(1)}, kToday).decision.remaining, Units(7));
  EXPECT_EQ(subject.verdict(List{fixed(9, 60s), fixed(9, 60s)}, {.cost = Units(1)}, kToday).decision.remaining,
            Units(3));
}

TEST(Accounts, OfALimitInAnotherPlaceAreTheSame) {
  Subject subject(List{fixed(9, 60s), sliding(9, 60s)});
  subject.check({fixed(9, 60s), sliding(9, 60s)}, 4, kToday);
  EXPECT_EQ(subject.open({sliding(9, 60s), fixed(9, 60s)}, kToday), 0b11);
  EXPECT_TRUE(subject.last_grants().empty()) << "still one list";
  EXPECT_TRUE(subject.limits().matches(List{fixed(9, 60s), sliding(9, 60s)}));
}

// --- when they are opened ---

TEST(Accounts, OfAnAbsentSubjectAreThoseOfTheCallThatCreatesIt) {
  Subject subject(fixed(5, 60s));
  subject.check({sliding(3, 60s), bucket(9, 9, 1s)}, 1, kToday);
  EXPECT_TRUE(subject.limits().matches(List{sliding(3, 60s), bucket(9, 9, 1s)}));
  EXPECT_TRUE(subject.last_grants().empty());
}

TEST(Accounts, AreOpenedByADeniedCallButNotByOneThatIsToldNever) {
  Subject subject(fixed(5, 60s));
  subject.check({fixed(5, 60s)}, 5, kToday);
  EXPECT_EQ(subject.check({fixed(4, 60s)}, 5, kToday).outcome, Outcome::never);
  EXPECT_EQ(subject.limits().size(), 1U);
  EXPECT_EQ(subject.check({fixed(4, 60s)}, 4, kToday).outcome, Outcome::denied);
  EXPECT_EQ(used(subject, kToday), (Used{5, 4}));
  EXPECT_EQ(subject.last_grants()[0], kToday) << "as granted when the second list came";
}

TEST(Accounts, AreNotOpenedByALook) {
  Subject subject(fixed(5, 60s));
  subject.check({fixed(5, 60s)}, 2, kToday);
  EXPECT_EQ(subject.verdict(List{fixed(9, 60s)}, {.cost = Units(1)}, kToday).decision.remaining, Units(6));
  EXPECT_EQ(subject.limits().size(), 1U);
}

// --- what they start from ---

TEST(Accounts, StartFromOneOfTheSameFamilyRatherThanFromTheOneThatCountsMost) {
  Subject subject(List{bucket(9, 9, 1h), fixed(9, 1h), fixed(9, 2h)});
  for (const std::size_t i : {0U, 1U, 2U}) subject.use(i, Units(std::vector{8, 3, 4}[i]), kToday);
  subject.open({fixed(9, 3h), sliding(9, 1h)}, kToday);
  EXPECT_EQ(used(subject, kToday), (Used{8, 3, 4, 4, 8}));
  Subject buckets(List{bucket(9, 9, 1h), fixed(9, 1h)});
  buckets.use(0, Units(2), kToday);
  buckets.use(1, Units(5), kToday);
  buckets.open({leaky(9, 9, 1h)}, kToday);
  EXPECT_EQ(used(buckets, kToday), (Used{2, 5, 2})) << "buckets and queues are one family";
}

TEST(Accounts, ThatOneCallOpensDoNotStartFromEachOther) {
  Subject subject(fixed(9, 60s));
  subject.use(0, Units(5), kToday);
  subject.open({sliding(2, 60s), sliding(9, 60s)}, kToday);
  EXPECT_EQ(used(subject, kToday), (Used{5, 2, 5}));
}

TEST(Accounts, OfRequestsStartOnlyFromThoseOfRequestsAndLeasesOnlyFromLeases) {
  Subject subject(List{fixed(9, 60s), per_request(fixed(9, 60s)), concurrent(9, 60s)});
  for (const std::size_t i : {0U, 1U, 2U}) subject.use(i, Units(std::vector{4, 2, 3}[i]), kToday);
  subject.open({per_request(bucket(9, 9, 1h)), concurrent(2, 30s)}, kToday);
  EXPECT_EQ(used(subject, kToday), (Used{4, 2, 3, 2, 2}));
  Subject units(fixed(9, 60s));
  units.use(0, Units(4), kToday);
  units.open({per_request(fixed(9, 60s)), concurrent(9, 60s)}, kToday);
  EXPECT_EQ(used(units, kToday), (Used{4, 0, 0})) << "else they start empty";
}

TEST(Accounts, MayStartFromRequestsAndFromLeases) {
  EXPECT_EQ(opened_with(per_request(fixed(9, 60s)), 4, fixed(9, 60s)), 4);
  EXPECT_EQ(opened_with(concurrent(9, 60s), 4, fixed(9, 60s)), 4);
}

TEST(Accounts, CountAtMostTheirSizeAtTheStart) {
  for (const LimitSpec& from : {bucket(9, 9, 1h), leaky(9, 9, 1h), fixed(9, 1h), aligned(9, 1h), sliding(9, 1h),
                                approx(9, 1h), quota(9, CalendarUnit::day)}) {
    for (const LimitSpec& to : {bucket(5, 9, 1h), leaky(5, 9, 1h), fixed(5, 1h), aligned(5, 1h), sliding(5, 1h),
                                approx(5, 1h), quota(5, CalendarUnit::day)}) {
      SCOPED_TRACE(::testing::PrintToString(from) + " to " + ::testing::PrintToString(to));
      EXPECT_EQ(opened_with(from, 9, to), 5);
      EXPECT_EQ(opened_with(from, 3, to), 3);
    }
  }
}

TEST(Accounts, OfBucketsStartWithTheFractionOfAUnitThatIsUsed) {
  Subject subject(bucket(10, 1, 10s));
  subject.use(0, Units(3), kToday);
  subject.open({bucket(20, 1, 7s), leaky(20, 1, 7s)}, kToday + 4s);
  for (const std::size_t i : {1U, 2U}) {
    EXPECT_EQ(subject.idle_at(i), kToday + 4s + 18'200ms) << "2.6 units, of 7 seconds each";
  }
}

TEST(Accounts, OfFixedWindowsBeginWhereTheFirstOnesBegan) {
  Subject subject(fixed(9, 60s));
  subject.use(0, Units(3), kToday);
  subject.open({fixed(9, 90s), fixed(9, 20s), aligned(9, 7s)}, kToday + 30s);
  EXPECT_EQ(subject.idle_at(1), kToday + 90s);
  EXPECT_EQ(subject.idle_at(2), kToday + 50s) << "that window would be over: it begins now";
  EXPECT_GT(subject.idle_at(3), kToday + 30s);
  EXPECT_LE(subject.idle_at(3), kToday + 37s);
}

TEST(Accounts, OfLogsKeepTheNewestUnitsWithTheirTimes) {
  Subject subject(sliding(9, 60s));
  for (const Span at : {0s, 10s, 20s}) subject.check({sliding(9, 60s)}, 2, kToday + at);
  subject.open({sliding(3, 30s)}, kToday + 35s);
  EXPECT_EQ(subject.used(1, kToday + 39s), Units(3)) << "one of the second call, and both of the third";
  EXPECT_EQ(subject.used(1, kToday + 40s), Units(2));
  EXPECT_EQ(subject.used(1, kToday + 50s), kNoUnits);
}

TEST(Accounts, OfLeasesKeepThoseThatEndLast) {
  Subject subject(concurrent(9, 60s));
  for (const auto& [id, at] : {std::pair("a", 0s), std::pair("b", 10s), std::pair("c", 20s)}) {
    subject.check({concurrent(9, 60s)}, lease(id, 2), kToday + at);
  }
  subject.open({concurrent(3, 5s)}, kToday + 30s);
  EXPECT_EQ(subject.used(1, kToday + 69s), Units(3)) << "they keep their ends, too";
  EXPECT_EQ(subject.used(1, kToday + 70s), Units(2)) << "the one of b is over, of which one was left";
}

// --- what is booked on them ---

TEST(Accounts, AreAllChargedForWhateverIsGranted) {
  Subject subject(fixed(9, 60s));
  subject.check({fixed(9, 60s)}, 1, kToday);
  subject.check({fixed(2, 60s)}, 1, kToday);
  EXPECT_EQ(subject.check({fixed(9, 60s)}, 5, kToday).outcome, Outcome::granted);
  EXPECT_EQ(used(subject, kToday), (Used{7, 7})) << "into debt";
  EXPECT_EQ(subject.check({fixed(2, 60s)}, 1, kToday).wait, 60s);
}

TEST(Accounts, WithLeasesAreChargedOnlyByCallsThatTakeALease) {
  Subject subject(List{concurrent(3, 30s), fixed(9, 60s)});
  subject.check({concurrent(3, 30s), fixed(9, 60s)}, lease("a"), kToday);
  subject.check({fixed(9, 60s)}, lease("b", 2), kToday);
  EXPECT_EQ(used(subject, kToday), (Used{1, 3}));
  subject.check({concurrent(5, 10s)}, lease("c", 2), kToday);
  EXPECT_EQ(used(subject, kToday), (Used{3, 5, 3})) << "leases count elsewhere like units";
  EXPECT_EQ(subject.used(0, kToday + 10s), Units(1)) << "and end when their own call said";
}

TEST(Accounts, NeverLoseALeaseToARenewalUnderAShorterOne) {
  Subject subject(concurrent(1, 1h));
  subject.check({concurrent(1, 1h)}, lease("a"), kToday);
  EXPECT_EQ(subject.check({concurrent(1, 1s)}, lease("b"), kToday).outcome, Outcome::denied);
  EXPECT_EQ(subject.check({concurrent(1, 1s)}, lease("a"), kToday + 1s).outcome, Outcome::granted);
  EXPECT_EQ(subject.check({concurrent(1, 1h)}, lease("c"), kToday + 2s).outcome, Outcome::denied);
  EXPECT_EQ(subject.check({concurrent(1, 1s)}, lease("c"), kToday + 2s).wait, 1h - 2s);
}

TEST(Accounts, ForgetLeasesThatOthersTookWhenTheyEnd) {
  Subject subject(concurrent(9, 1h));
  subject.check({concurrent(9, 1h)}, lease("a"), kToday);
  for (int i = 0; i < 1000; ++i) {
    subject.check({concurrent(9, 1ms)}, lease(std::to_string(i)), kToday + i * 2ms);
  }
  EXPECT_LE(subject.cells()[0].as<Concurrent::State>().leases()->size(), 3U);
}

TEST(Accounts, AreAllGivenBackARefundUnlessTheyCountRequestsOrLeases) {
  Subject subject(List{fixed(9, 60s), per_request(fixed(9, 60s)), concurrent(9, 60s)});
  subject.check({fixed(9, 60s), per_request(fixed(9, 60s)), concurrent(9, 60s)}, lease("a", 5), kToday);
  subject.check({sliding(9, 60s)}, 2, kToday);
  subject.refund(4, kToday);
  EXPECT_EQ(used(subject, kToday), (Used{3, 2, 5, 3}));
}

TEST(Accounts, OfAFullLogGiveTheUnitsToTheNewestEntry) {
  Subject subject(sliding(kMax32BitUnits.count(), 1h));
  for (std::uint32_t i = 0; i < kMaxLogEntries; ++i) {
    ASSERT_EQ(subject.check(1, kToday + i * 1ms).outcome, Outcome::granted);
  }
  const Instant now = kToday + kMaxLogEntries * 1ms;
  ASSERT_EQ(subject.check(1, now).outcome, Outcome::denied);
  EXPECT_EQ(subject.check({fixed(9, 60s, "other")}, 5, now).outcome, Outcome::denied) << "it starts full";
  EXPECT_EQ(subject.check({fixed(9, 60s, "other")}, 5, now + 60s).outcome, Outcome::granted);
  EXPECT_EQ(subject.used(0, now + 60s), Units(kMaxLogEntries + 5));
  EXPECT_EQ(subject.cells()[0].as<SlidingWindowLog::State>().log()->size(), kMaxLogEntries);
  EXPECT_EQ(subject.used(0, now + 60s + 1h - 1ms), Units(6)) << "they count from now on";
  EXPECT_EQ(subject.idle_at(0), now + 60s + 1h);
}

// --- when they are dropped ---

TEST(Accounts, AreDroppedOnceNobodyWasGrantedAnythingForAsLongAsTheSlowestTakes) {
  Subject subject(fixed(9, 60s));
  subject.check({fixed(9, 60s)}, 1, kToday);
  subject.check({fixed(9, 20s)}, 1, kToday);
  for (const Span at : {30s, 55s, 60s}) subject.check({fixed(9, 20s)}, 1, kToday + at);
  EXPECT_EQ(subject.limits().size(), 2U) << "60 s, and no more";
  subject.check({fixed(9, 20s)}, 1, kToday + 60s + 1ns);
  EXPECT_TRUE(subject.limits().matches(List{fixed(9, 20s)}));
  EXPECT_TRUE(subject.last_grants().empty()) << "as if the other had never been";
}

TEST(Accounts, ThatAreDroppedAreOpenedAnew) {
  Subject subject(fixed(9, 60s));
  subject.check({fixed(9, 60s)}, 1, kToday);
  subject.check({bucket(9, 1, 20s)}, 4, kToday);
  subject.check({bucket(9, 1, 20s)}, 5, kToday + 100s);
  subject.check({bucket(9, 1, 20s)}, 1, kToday + 180s + 1ns);
  EXPECT_EQ(subject.limits().size(), 1U);
  EXPECT_EQ(subject.verdict(List{fixed(9, 60s)}, {.cost = Units(1)}, kToday + 181s).decision.remaining, Units(6))
      << "with the two that the bucket counts";
}

TEST(Accounts, AreNotDroppedByACallThatNamesThem) {
  Subject subject(fixed(9, 60s));
  subject.check({fixed(9, 60s)}, 9, kToday);
  for (const Span at : {0s, 55s}) subject.check({fixed(90, 10s)}, 1, kToday + at);
  subject.check({fixed(90, 10s)}, 8, kToday + 60s);
  EXPECT_EQ(subject.check({fixed(9, 60s)}, 2, kToday + 61s).wait, 59s) << "it counts what was booked meanwhile";
}

TEST(Accounts, ThatAreToBeDroppedDoNotKeepTheirSubject) {
  Subject subject(fixed(9, 20s));
  subject.check({fixed(9, 20s)}, 1, kToday);
  subject.check({fixed(9, 19s)}, 1, kToday);
  subject.check({fixed(9, 18s)}, 1, kToday + 19s);
  // Both of the first are not idle before 39 s, but nobody was granted anything under them for 20 s.
  EXPECT_FALSE(subject.is_absent({fixed(9, 18s)}, kToday + 30s));
  EXPECT_TRUE(subject.is_absent({fixed(9, 18s)}, kToday + 38s));
  subject.check({fixed(9, 18s)}, 1, kToday + 38s);
  EXPECT_TRUE(subject.limits().matches(List{fixed(9, 18s)}));
}

TEST(Accounts, StayWhileTheirSubjectIsNotAskedAtAll) {
  Subject subject(fixed(2, 60s));
  subject.check({fixed(2, 60s)}, {.cost = Units(9), .mode = Mode::force}, kToday);
  subject.check({bucket(2, 2, 1s)}, {.cost = Units(100), .mode = Mode::force}, kToday);
  EXPECT_EQ(subject.check({bucket(2, 2, 1s)}, 1, kToday + 45s).outcome, Outcome::denied) << "the debt lasts";
}

TEST(Accounts, AreNotDroppedBecauseADeniedCallOpensOne) {
  Subject subject(bucket(1, 1, 60s));
  subject.check({bucket(1, 1, 60s)}, {.cost = Units(2), .mode = Mode::force}, kToday);
  subject.check({fixed(5, 1s)}, 1, kToday);
  const List both = {bucket(1, 1, 60s), sliding(9, 1h)};
  const Decision denied = subject.check(both, 1, kToday + 61s);
  EXPECT_EQ(denied.wait, 119s) << "three units: the bucket has been in debt";
  EXPECT_EQ(subject.limits().size(), 3U);
  EXPECT_EQ(subject.check(both, 1, kToday + 61s + denied.wait).outcome, Outcome::granted) << "as it was told";
}

TEST(Accounts, StayWhileAHoldLasts) {
  Subject subject(fixed(9, 10s));
  subject.reserve({fixed(9, 10s)}, "a", 4, 1min, kToday);
  for (int i = 0; i < 50; ++i) subject.check({fixed(99, 10s)}, 1, kToday + i * 1s);
  EXPECT_EQ(subject.limits().size(), 2U);
  subject.settle("a", 1, kToday + 50s);
  subject.check({fixed(99, 10s)}, 1, kToday + 50s);
  EXPECT_EQ(subject.limits().size(), 2U) << "it is remembered as settled";
  subject.check({fixed(99, 10s)}, 1, kToday + 61s);
  EXPECT_EQ(subject.limits().size(), 1U);
}

TEST(Accounts, BecomeOneListWhenACallNamesAll) {
  Subject subject(fixed(9, 60s));
  subject.check({fixed(9, 60s)}, 1, kToday);
  subject.check({sliding(9, 60s)}, 1, kToday);
  ASSERT_FALSE(subject.last_grants().empty());
  subject.check({sliding(9, 60s), fixed(9, 60s)}, 1, kToday);
  EXPECT_TRUE(subject.limits().matches(List{sliding(9, 60s), fixed(9, 60s)})) << "in the order of the call";
  EXPECT_TRUE(subject.last_grants().empty());
  EXPECT_EQ(used(subject, kToday), (Used{3, 3}));
}

TEST(Accounts, AreAtMostEightAndTheOldestGivesWay) {
  Subject subject(fixed(100, 60s));
  for (int i = 0; i < 8; ++i) subject.check({fixed(100, 60s + i * 1s)}, 1, kToday + i * 1s);
  subject.check({fixed(100, 60s)}, 1, kToday + 8s);
  ASSERT_EQ(subject.limits().size(), 8U);
  subject.check({sliding(100, 60s)}, 1, kToday + 9s);
  ASSERT_EQ(subject.limits().size(), 8U);
  EXPECT_TRUE(subject.limits()[1].matches(sliding(100, 60s))) << "in the place of the second";
  EXPECT_EQ(subject.used(1, kToday + 9s), Units(10)) << "and with what that one counted";
}

TEST(Accounts, StartEmptyInThePlaceOfOneThatMeansSomethingElse) {
  Subject subject(fixed(100, 60s));
  for (int i = 0; i < 8; ++i) subject.check({fixed(100, 60s + i * 1s)}, 1, kToday + i * 1s);
  subject.check({concurrent(5, 60s)}, lease("a"), kToday + 9s);
  EXPECT_EQ(subject.used(0, kToday + 9s), Units(1));
}

TEST(Accounts, GiveTwoPlacesToTwoMore) {
  Subject subject(fixed(100, 60s));
  for (int i = 0; i < 7; ++i) subject.check({fixed(100, 60s + i * 1s)}, 1, kToday + i * 1s);
  subject.check({sliding(100, 60s), sliding(100, 61s), fixed(100, 60s)}, 1, kToday + 9s);
  ASSERT_EQ(subject.limits().size(), 8U);
  EXPECT_TRUE(subject.limits()[1].matches(sliding(100, 61s))) << "one has room, the other has not";
  EXPECT_TRUE(subject.limits()[7].matches(sliding(100, 60s)));
}

}  // namespace
}  // namespace ratelimit::tests
