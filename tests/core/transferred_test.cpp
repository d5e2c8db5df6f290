// SPDX-License-Identifier: MIT
#include "ratelimit/transferred.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/any_algorithm.h"
#include "ratelimit/operation.h"
#include "ratelimit/request.h"
#include "subject.h"

namespace ratelimit::tests {
namespace {

const std::vector<LimitSpec> kKinds = {bucket(100, 100, 1h),
                                       fixed(100, 1h),
                                       aligned(100, 1h),
                                       sliding(100, 1h),
                                       leaky(100, 100, 1h),
                                       approx(100, 1h),
                                       quota(100, CalendarUnit::hour)};

using Used = std::vector<std::int64_t>;

/// What is used under each limit of `to`, where a unit was used under each, once 10, 20, … units of `from` have come.
Used added(const std::vector<LimitSpec>& from, const std::vector<LimitSpec>& to) {
  Subject gives(from);
  Subject takes(to);
  for (std::size_t i = 0; i < from.size(); ++i) gives.use(i, Units(static_cast<std::int64_t>(i + 1) * 10), kToday);
  for (std::size_t i = 0; i < to.size(); ++i) takes.use(i, Units(1), kToday);
  takes.add_used(gives, kToday);
  Used used;
  for (std::size_t i = 0; i < to.size(); ++i) used.push_back(takes.used(i, kToday).count());
  return used;
}

TEST(Transferred, AddsWhatIsUsedFromEveryAlgorithmToEveryOther) {
  for (const LimitSpec& from : kKinds) {
    for (const LimitSpec& to : kKinds) {
      SCOPED_TRACE(::testing::PrintToString(from) + " to " + ::testing::PrintToString(to));
      EXPECT_EQ(added({from}, {to}), Used{11});
    }
  }
}

TEST(Transferred, GoesIntoDebt) {
  for (const LimitSpec& from : kKinds) {
    for (const LimitSpec& to : kKinds) {
      SCOPED_TRACE(::testing::PrintToString(from) + " to " + ::testing::PrintToString(to));
      Subject gives(from);
      Subject takes(to);
      gives.check(70, kToday);
      takes.check(60, kToday);
      takes.add_used(gives, kToday);
      EXPECT_EQ(takes.used(0, kToday), Units(130));
      EXPECT_EQ(takes.check(1, kToday).outcome, Outcome::denied);
    }
  }
}

TEST(Transferred, FollowsTheLabelThenTheAlgorithmThenTheOrder) {
  EXPECT_EQ(added({fixed(99, 1h, "a"), fixed(99, 1h, "b")}, {fixed(99, 1h, "b"), fixed(99, 1h, "a")}), (Used{21, 11}));
  EXPECT_EQ(added({fixed(99, 1h, "a"), sliding(99, 1h, "b")}, {sliding(99, 1h, "c"), fixed(99, 1h, "d")}),
            (Used{21, 11}));
  EXPECT_EQ(added({fixed(99, 1h, "a"), fixed(99, 1h, "b")}, {sliding(99, 1h, "c"), bucket(99, 9, 1h, "d")}),
            (Used{11, 21}));
  EXPECT_EQ(added({fixed(99, 1h)}, {fixed(99, 1h), sliding(99, 1h)}), (Used{11, 1}));
}

TEST(Transferred, IsNoLeaseOfAnybody) { EXPECT_EQ(added({fixed(99, 1h)}, {concurrent(99, 1h)}), Used{1}); }

TEST(Transferred, CountsRequestsAsRequests) {
  LimitSpec requests = fixed(99, 1h);
  requests.per_request = true;
  EXPECT_EQ(added({requests}, {requests}), Used{11}) << "not as one";
}

TEST(Transferred, IsChargedAfterTheHoldsThatAreThere) {
  Subject gives(fixed(100, 1h));
  Subject takes(fixed(100, 1h));
  gives.check(30, kToday);
  takes.reserve("a", 50, 10s, kToday);
  takes.add_used(gives, kToday);
  takes.refund(20, kToday);  // of the newest units, which are those that came
  takes.settle("a", 5, kToday);
  EXPECT_EQ(takes.used(0, kToday), Units(15)) << "10 of those that came, and what the hold did cost";
}

TEST(Transferred, IsAsOfTheTurnOfWhoWaits) {
  Subject gives(sliding(10, 60s));
  Subject takes(sliding(10, 60s));
  gives.check(3, kToday);
  takes.check(10, kToday);
  takes.check({.cost = Units(4), .mode = Mode::may_wait, .longest_wait = 1h}, kToday + 30s);
  takes.add_used(gives, kToday + 30s);
  EXPECT_EQ(takes.turn().at, kToday + 60s);
  EXPECT_EQ(takes.used(0, kToday + 60s), Units(7));
  EXPECT_EQ(takes.used(0, kToday + 120s - 1ns), Units(7)) << "the turn has kept its time";
}

TEST(Transferred, HoldsLeasesAndTurnsTieASubjectToItsKey) {
  Subject caller({fixed(10, 60s), concurrent(10, 60s, "leases")});
  EXPECT_FALSE(caller.is_tied(kToday));
  Subject holder(fixed(10, 60s));
  holder.reserve("a", 5, 10s, kToday);
  EXPECT_TRUE(holder.is_tied(kToday));
  holder.settle("a", 5, kToday);
  EXPECT_TRUE(holder.is_tied(kToday)) << "the settled id is remembered";
  Subject lessee(concurrent(10, 60s));
  lessee.check(1, kToday);
  EXPECT_TRUE(lessee.is_tied(kToday + 60s - 1ns));
  EXPECT_FALSE(lessee.is_tied(kToday + 60s)) << "the lease has ended";
  Subject waiter(fixed(10, 60s));
  waiter.check(10, kToday);
  EXPECT_FALSE(waiter.is_tied(kToday));
  waiter.check({.cost = Units(1), .mode = Mode::may_wait, .longest_wait = 1h}, kToday);
  EXPECT_TRUE(waiter.is_tied(kToday + 60s - 1ns));
  EXPECT_FALSE(waiter.is_tied(kToday + 60s)) << "the turn has come";
}

}  // namespace
}  // namespace ratelimit::tests
