// SPDX-License-Identifier: MIT
#include "ratelimit/client/share.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>

#include "ratelimit/client/policy.h"

namespace ratelimit::client::tests {
namespace {

using namespace std::chrono_literals;

TEST(Share, IsThatPartOfTheLimitRoundedDown) {
  EXPECT_EQ(part_of(fixed(10, 1s), {1, 4}).size, Units(2));
  EXPECT_EQ(part_of(fixed(10, 1s), {3, 4}).size, Units(7));
  EXPECT_EQ(part_of(fixed(10, 1s), {1, 1}).size, Units(10));
}

TEST(Share, IsAtLeastOneUnitAndAtMostTheLimit) {
  EXPECT_EQ(part_of(fixed(3, 1s), {1, 100}).size, Units(1));
  EXPECT_EQ(part_of(fixed(3, 1s), {0, 7}).size, Units(1));
  EXPECT_EQ(part_of(fixed(3, 1s), {5, 2}).size, Units(3));
  EXPECT_EQ(part_of(fixed(3, 1s), {0, 0}).size, Units(3));
}

/// Units that a bucket gets back in `time`.
Units refilled(const LimitSpec& bucket, Span time) { return Units(bucket.refill.count() * (time / bucket.span)); }

TEST(Share, OfABucketRefillsAtThatPartOfTheRate) {
  const LimitSpec half = part_of(token_bucket(20, 10, 1s), {1, 2});
  EXPECT_EQ(half.size, Units(10));
  EXPECT_EQ(refilled(half, 1min), Units(300));
  const LimitSpec third = part_of(token_bucket(20, 10, 1s), {1, 3});
  EXPECT_EQ(refilled(third, 1min), Units(200)) << "exactly: in a longer time, where it is not whole";
  EXPECT_EQ(refilled(part_of(token_bucket(1, 1, 1s), {1, 60}), 1h), Units(60));
}

TEST(Share, IsALimitWhateverTheNumbersAre) {
  const std::int64_t most = kMax32BitUnits.count();
  const auto days = std::chrono::days{3650};
  for (const Share& share :
       {Share{1, 1}, Share{1, 7}, Share{4294967295U, 4294967295U}, Share{1, 4294967295U}, Share{0, 0}}) {
    for (const LimitSpec& limit :
         {token_bucket(1, 1, days), token_bucket(most, most, 1ms), token_bucket(most, most, days),
          leaky_bucket(most, 14, 1s), fixed(kMaxUnits.count(), days), sliding(1, 1ms), concurrent(1, 1ms),
          quota(1, CalendarUnit::year)}) {
      ASSERT_TRUE(Limit::make(limit));
      const auto part = Limit::make(part_of(limit, share));
      ASSERT_TRUE(part) << share.numerator << '/' << share.denominator;
      EXPECT_LE(part->size(), limit.size);
    }
  }
}

TEST(Share, OfALargeBudgetIsExact) {
  EXPECT_EQ(part_of(fixed(kMaxUnits.count(), 1h), {4294967295U, 4294967295U}).size, kMaxUnits);
  EXPECT_EQ(part_of(quota(30'000'000'000, CalendarUnit::month), {2, 3}).size, Units(20'000'000'000));
}

TEST(Share, OfAClosedLimitIsClosed) {
  for (const LimitSpec& limit : {token_bucket(0, 10, 1s), fixed(0, 1h), sliding(0, 1h), concurrent(0, 1s)}) {
    EXPECT_EQ(part_of(limit, {1, 2}).size, kNoUnits);
    EXPECT_TRUE(Limit::make(part_of(limit, {1, 7})));
  }
}

TEST(Share, OfAllProcessesTogetherIsNoMoreThanTheLimit) {
  for (std::uint32_t processes = 1; processes <= 20; ++processes) {
    const LimitSpec part = part_of(token_bucket(20, 1000, 1s), {1, processes});
    EXPECT_LE(part.size.count() * processes, 20);
    EXPECT_LE(refilled(part, 1h).count() * processes, 3'600'000);
  }
}

}  // namespace
}  // namespace ratelimit::client::tests
