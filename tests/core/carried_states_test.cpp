// SPDX-License-Identifier: MIT
#include "ratelimit/carried_states.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/any_algorithm.h"
#include "ratelimit/limits.h"
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
                                       concurrent(100, 1h),
                                       quota(100, CalendarUnit::hour),
                                       in_zone(quota(100, CalendarUnit::hour), kKathmandu)};

/// Whether what exceeds a size goes on to count until its time ends: both are windows, logs, quotas or leases. A bucket
/// remembers it elsewhere: see cut_off_test.cpp.
bool keeps_debt(const LimitSpec& from, const LimitSpec& to) {
  return from.algorithm == to.algorithm && !is_bucket(from.algorithm);
}

TEST(CarriedStates, KeepWhatIsUsedFromEveryAlgorithmToEveryOther) {
  for (const LimitSpec& from : kKinds) {
    for (LimitSpec to : kKinds) {
      for (const std::int64_t size : {7, 30, 100, 1000}) {
        SCOPED_TRACE(::testing::PrintToString(from) + " to " + ::testing::PrintToString(to));
        to.size = Units(size);
        Subject caller(from);
        caller.check(30, kToday);
        caller.change({to}, kToday);
        EXPECT_EQ(caller.used(0, kToday), Units(keeps_debt(from, to) ? 30 : std::min<std::int64_t>(30, size)));
        EXPECT_EQ(caller.peek(Units(size), kToday).remaining, Units(std::max<std::int64_t>(0, size - 30)));
      }
    }
  }
}

TEST(CarriedStates, KeepDebtsWithinAFamilyAndElseNoMoreThanTheSize) {
  for (const LimitSpec& from : kKinds) {
    for (const LimitSpec& to : kKinds) {
      SCOPED_TRACE(::testing::PrintToString(from) + " to " + ::testing::PrintToString(to));
      Subject caller(from);
      caller.check({.cost = Units(130), .mode = Mode::force}, kToday);
      caller.change({to}, kToday);
      EXPECT_EQ(caller.used(0, kToday), Units(from == to || keeps_debt(from, to) ? 130 : 100));
    }
  }
}

TEST(CarriedStates, LeaveTheIdleIdle) {
  for (const LimitSpec& from : kKinds) {
    for (const LimitSpec& to : kKinds) {
      Subject caller(from);
      caller.change({to}, kToday);
      EXPECT_EQ(caller.idle_at(0), kEarliest);
      caller.change({from}, kToday);
      caller.check(5, kToday);
      caller.change({to}, kToday + 2h);
      EXPECT_EQ(caller.used(0, kToday + 2h), kNoUnits);
      EXPECT_LE(caller.idle_at(0), kToday + 2h);
      EXPECT_EQ(caller.peek(Units(100), kToday + 2h).outcome, Outcome::granted);
    }
  }
}

/// What is used under each limit of `to` after 1, 2, 3, … units were used under those of `from`.
std::vector<std::int64_t> carried(const std::vector<LimitSpec>& from, const std::vector<LimitSpec>& to) {
  Subject caller(from);
  for (std::size_t i = 0; i < from.size(); ++i) caller.use(i, Units(static_cast<std::int64_t>(i) + 1), kToday);
  caller.change(to, kToday);
  std::vector<std::int64_t> used;
  for (std::size_t i = 0; i < to.size(); ++i) used.push_back(caller.used(i, kToday).count());
  return used;
}
using Used = std::vector<std::int64_t>;

TEST(CarriedStates, FollowTheLabelFirst) {
  EXPECT_EQ(carried({fixed(9, 1s, "a"), fixed(9, 1s, "b")}, {fixed(9, 1s, "b"), fixed(9, 1s, "a")}), (Used{2, 1}));
  EXPECT_EQ(carried({fixed(9, 1s, "a"), sliding(9, 1s, "b")}, {fixed(9, 1s, "b"), sliding(9, 1s, "a")}), (Used{2, 1}));
  EXPECT_EQ(carried({fixed(9, 1s), sliding(9, 1s)}, {sliding(9, 1min), fixed(9, 1min)}), (Used{2, 1}));
}

TEST(CarriedStates, FollowTheAlgorithmNext) {
  EXPECT_EQ(carried({fixed(9, 1s, "a"), sliding(9, 1s, "b")}, {sliding(9, 1s, "c"), fixed(9, 1s, "d")}), (Used{2, 1}));
  EXPECT_EQ(carried({fixed(9, 1s, "a"), sliding(9, 1s), fixed(9, 1s, "c")},
                    {bucket(9, 9, 1s), fixed(9, 1s, "c"), aligned(9, 1s, "d")}),
            (Used{2, 3, 1}));
}

TEST(CarriedStates, FollowTheOrderOfWhatIsLeft) {
  EXPECT_EQ(carried({fixed(9, 1s, "a"), fixed(9, 1s, "b")}, {sliding(9, 1s, "c"), bucket(9, 9, 1s, "d")}),
            (Used{1, 2}));
}

TEST(CarriedStates, AreIdleForLimitsThatAreAddedAndForgetThoseThatAreTakenAway) {
  EXPECT_EQ(carried({fixed(9, 1s)}, {fixed(9, 1s), sliding(9, 1s)}), (Used{1, 0}));
  EXPECT_EQ(carried({fixed(9, 1s), sliding(9, 1s)}, {sliding(9, 1s)}), Used{2});
}

TEST(CarriedStates, ChangeNothingUntilTheyAreMoved) {
  Subject caller({sliding(5, 1min), fixed(5, 1min)});
  caller.check(2, kToday);
  const Limits next = Limits::make(std::vector{fixed(3, 1min), sliding(3, 1min), bucket(9, 9, 1s)}).value();
  {
    const CarriedStates carried(caller.limits(), caller.cells(), next, kToday);
    EXPECT_EQ(decide(next, carried, Ask{Units(1)}, kToday).decision.remaining, kNoUnits);
    EXPECT_EQ(decide(next, carried, Ask{Units(2)}, kToday).decision.outcome, Outcome::denied);
  }
  EXPECT_EQ(caller.used(0, kToday), Units(2));
  EXPECT_EQ(caller.used(1, kToday), Units(2));
  EXPECT_EQ(caller.check(3, kToday).outcome, Outcome::granted);
}

}  // namespace
}  // namespace ratelimit::tests
