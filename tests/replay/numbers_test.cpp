// SPDX-License-Identifier: MIT
#include "replay/numbers.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace ratelimit::replay::tests {
namespace {

TEST(Numbers, ACostIsACountWhoseFractionIsRoundedUp) {
  EXPECT_EQ(parse_cost("0"), Units(0));
  EXPECT_EQ(parse_cost("17"), Units(17));
  EXPECT_EQ(parse_cost("17.0"), Units(17));
  EXPECT_EQ(parse_cost("17.001"), Units(18));
  EXPECT_EQ(parse_cost("9007199254740991"), kMaxUnits);
  for (const char* text : {"", "-1", "-0", "x", "1x", "1.", ".5", "1.2.3", "9007199254740992", "9007199254740991.5"}) {
    EXPECT_FALSE(parse_cost(text)) << text;
  }
}

TEST(Numbers, ASumEndsAtTheLargestNumber) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(sum_of(1, kMaxUnits), 9007199254740992U);
  EXPECT_EQ(sum_of(kMost - 1, Units(1)), kMost);
  EXPECT_EQ(sum_of(kMost - 1, Units(2)), kMost);
}

TEST(Numbers, AShareIsNeverNothingUnlessItIs) {
  EXPECT_EQ(percent(0, 10), "0 %");
  EXPECT_EQ(percent(1, 8), "12.5 %");
  EXPECT_EQ(percent(1, 1'000'000'000), "under 0.0001 %");
  EXPECT_EQ(percent(999'999, 1'000'000), "over 99.9 %");
  EXPECT_EQ(percent(10, 10), "100 %");
}

TEST(Numbers, AreWrittenForPeople) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(1'234'567), "1,234,567");
  EXPECT_EQ(text_of_bytes(27), "27 B");
  EXPECT_EQ(text_of_bytes(1'234'567), "1.23 MB");
}

}  // namespace
}  // namespace ratelimit::replay::tests
