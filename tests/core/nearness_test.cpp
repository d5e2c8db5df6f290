// SPDX-License-Identifier: MIT
#include "ratelimit/nearness.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>

#include "ratelimit/limits.h"
#include "ratelimit/request.h"
#include "ratelimit/states.h"

namespace ratelimit::tests {
namespace {

constexpr Instant kNow{std::chrono::sys_days{std::chrono::year{2026} / 11 / 30}};

TEST(Nearness, IsMoreThanThatPart) {
  EXPECT_FALSE(is_near(Units(10), Units(2), 80)) << "exactly 80 %";
  EXPECT_TRUE(is_near(Units(10), Units(1), 80));
  EXPECT_TRUE(is_near(Units(1), Units(0), 80));
  EXPECT_FALSE(is_near(Units(10), Units(0), 100));
  EXPECT_TRUE(is_near(Units(10), Units(9), 0));
  EXPECT_FALSE(is_near(Units(0), Units(0), 0)) << "a closed limit grants nothing";
}

TEST(Nearness, IsExactForTheLargestLimits) {
  const Units fifth{kMaxUnits.count() / 5};
  EXPECT_FALSE(is_near(kMaxUnits, fifth + Units(1), 80));
  EXPECT_TRUE(is_near(kMaxUnits, fifth - Units(1), 80));
}

LimitSpec fixed(std::int64_t size) {
  LimitSpec spec;
  spec.algorithm = Algorithm::fixed_window;
  spec.size = Units(size);
  spec.span = std::chrono::seconds{60};
  return spec;
}

LimitSet near_after(const Limits& limits, std::int64_t cost) {
  std::array<Cell, kMaxLimits> idle;
  construct_idle(limits, idle);
  Request request;
  request.cost = Units(cost);
  return near_limits(limits, decide(limits, idle, Turn{}, request, kNow), 80);
}

TEST(Nearness, IsToldOfEachLimitOfAList) {
  const Limits three = *Limits::make(std::array{fixed(10), fixed(100), fixed(12)});
  EXPECT_EQ(near_after(three, 8), 0);
  EXPECT_EQ(near_after(three, 9), 0b001);
  EXPECT_EQ(near_after(three, 10), 0b101);
  const Limits one = *Limits::make(std::array{fixed(10)});
  EXPECT_EQ(near_after(one, 8), 0);
  EXPECT_EQ(near_after(one, 9), 0b1);
}

}  // namespace
}  // namespace ratelimit::tests
