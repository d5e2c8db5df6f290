// SPDX-License-Identifier: MIT
#include "ratelimit/states.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

#include "ratelimit/algorithms/limit_spec.h"
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

TEST(StatesAhead, DenyNoLongerThanTheySayOnceTheyAreClamped) {
  for (const LimitSpec& spec : kKinds) {
    SCOPED_TRACE(::testing::PrintToString(spec));
    Subject caller(spec);
    caller.check(spec.size, kToday);
    EXPECT_FALSE(any_is_ahead(caller.limits(), caller.cells(), kToday));
    const Instant now = kToday - 24h;
    EXPECT_TRUE(any_is_ahead(caller.limits(), caller.cells(), now));
    const Decision denied = caller.check(1, now);
    ASSERT_EQ(denied.outcome, Outcome::denied);
    EXPECT_EQ(caller.peek(Units(1), now + denied.wait).outcome, Outcome::denied);
    caller.clamp(now);
    EXPECT_FALSE(any_is_ahead(caller.limits(), caller.cells(), now));
    EXPECT_EQ(caller.peek(Units(1), now), denied);
    EXPECT_EQ(caller.peek(Units(1), now + denied.wait).outcome, Outcome::granted);
  }
}

TEST(StatesAhead, AreClampedWithoutTouchingOthers) {
  Subject caller({bucket(5, 5, 1min), fixed(5, 1min), sliding(5, 1min), bucket(5, 5, 1h)});
  caller.use(0, Units(5), kToday + 24h);
  ASSERT_TRUE(any_is_ahead(caller.limits(), caller.cells(), kToday));
  caller.clamp(kToday);
  EXPECT_EQ(caller.idle_at(0), kToday + 1min);
  for (std::size_t i = 1; i < 4; ++i) EXPECT_EQ(caller.idle_at(i), kEarliest) << "was idle";
}

}  // namespace
}  // namespace ratelimit::tests
