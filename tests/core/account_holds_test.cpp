// SPDX-License-Identifier: MIT
// Holds on a subject with accounts from several lists.
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "accounts.h"
#include "ratelimit/account.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "subject.h"

namespace ratelimit::tests {
namespace {

TEST(HoldsOfAccounts, AreEachChargedAnEstimateUpToTheirOwnSize) {
  Subject subject(fixed(9, 1h));
  subject.check({fixed(9, 1h)}, 1, kToday);
  const List list = {fixed(40, 1h, "big"), fixed(5, 1h, "small"), per_request(fixed(7, 1h, "calls"))};
  EXPECT_EQ(subject.reserve(list, "x", 3, 1min, kToday).granted, Units(3));
  EXPECT_EQ(used(subject, kToday), (Used{4, 4, 4, 1}));
  EXPECT_EQ(subject.reserve(list, "y", 30, 1min, kToday).outcome, Outcome::denied) << "four of the five are taken";
  subject.settle("x", 0, kToday);
  subject.refund(1, kToday);
  EXPECT_EQ(subject.reserve(list, "y", 30, 1min, kToday).granted, Units(30)) << "the most that one was charged";
  EXPECT_EQ(used(subject, kToday), (Used{30, 30, 5, 2})) << "those that are not named as much as that";
  EXPECT_TRUE(subject.settle("y", 8, kToday));
  EXPECT_EQ(used(subject, kToday), (Used{8, 8, 8, 2})) << "what it did cost, for each";
}

TEST(HoldsOfAccounts, AreAllChargedWhatALargerEstimateAdds) {
  const List list = {fixed(40, 1h, "big"), fixed(5, 1h, "small")};
  Subject subject(list);
  subject.reserve(list, "x", 4, 1min, kToday);
  subject.check({sliding(90, 1h)}, 1, kToday);
  EXPECT_EQ(subject.reserve(list, "x", 4, 1min, kToday + 30s).granted, Units(4));
  EXPECT_EQ(subject.reserve(list, "x", 2, 1min, kToday + 30s).granted, Units(4)) << "only renewed";
  EXPECT_EQ(subject.reserve(list, "x", 5, 1min, kToday + 30s).outcome, Outcome::denied) << "small has none left";
  subject.refund(1, kToday);
  EXPECT_EQ(subject.reserve(list, "x", 20, 1min, kToday + 30s).granted, Units(20));
  EXPECT_EQ(used(subject, kToday + 30s), (Used{20, 5, 20}));
  EXPECT_TRUE(subject.settle("x", 0, kToday + 89s));
  EXPECT_EQ(used(subject, kToday + 89s), (Used{0, 0, 0}));
}

TEST(HoldsOfAccounts, WithLeasesAreNotChargedForAHoldThatNamesNone) {
  Subject subject(concurrent(9, 1h));
  subject.check({concurrent(9, 1h)}, lease("a"), kToday);
  for (const std::int64_t estimate : {10, 20}) subject.reserve({fixed(100, 1h)}, "a", estimate, 1min, kToday + 1min);
  EXPECT_EQ(used(subject, kToday + 1min), (Used{1, 21})) << "it began with the lease that counted there";
  EXPECT_EQ(subject.used(0, kToday + 1h), kNoUnits) << "nor renewed";
}

TEST(HoldsOfAccounts, WithLeasesThatAHoldDoesNotNameKeepThemAsLongAsThoseThatItNames) {
  Subject subject(concurrent(9, 1h));
  subject.check({concurrent(9, 1h)}, lease("b"), kToday);
  subject.reserve({concurrent(9, 10s)}, "a", 1, 1min, kToday);
  subject.reserve({concurrent(9, 10s)}, "a", 3, 1min, kToday + 5s);
  EXPECT_EQ(used(subject, kToday + 5s), (Used{4, 4}));
  EXPECT_EQ(used(subject, kToday + 15s), (Used{1, 1})) << "the shorter lease was renewed, and it alone";
}

TEST(HoldsOfAccounts, ThatGrowAreNotToldOfADebtOfLimitsThatLackNothing) {
  const List list = {fixed(100, 1h, "big"), concurrent(2, 1h, "calls")};
  Subject subject(list);
  subject.reserve(list, "a", 2, 1min, kToday);
  subject.check({concurrent(9, 1h)}, lease("b", 3), kToday);
  ASSERT_EQ(subject.used(1, kToday), Units(5)) << "more than its size";
  const Decision larger = subject.reserve(list, "a", 8, 1min, kToday);
  EXPECT_EQ(larger.granted, Units(8));
  EXPECT_EQ(larger.wait, Span{});
}

TEST(HoldsOfAccounts, ThatHaveEndedAndWereLeftOverEndBeforeTheirIdIsReservedAgain) {
  const List both = {fixed(1000, 1h, "big"), fixed(5, 1h, "small")};
  const List big = {both[0]};
  Subject subject(both);
  subject.reserve(both, "x", 20, 3min, kToday);
  ASSERT_TRUE(subject.reservations().is_uneven);
  for (int i = 0; i < 70; ++i) subject.reserve(big, "short-" + std::to_string(i), 1, 1min, kToday);
  subject.perform(
      {.kind = Operation::Kind::reserve, .at = kToday + 4min, .units = Units(3), .span = 1min, .id = "x", .named = 1});
  EXPECT_EQ(subject.reservations().charged_by(*subject.reservations().holds.find("x"), 1), Units(3));
  EXPECT_EQ(subject.used(0, kToday + 4min), Units(6 + 3)) << "six of the 70 are left over still, and the new hold";
  subject.collect(kToday + 6min);
  EXPECT_EQ(used(subject, kToday + 6min), (Used{0, 0}));
}

}  // namespace
}  // namespace ratelimit::tests
