#include "ratelimit/client/policy.h"

#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

namespace ratelimit::client::tests {
namespace {

using namespace std::chrono_literals;

std::string text_of(const Policy& policy) {
  std::string text;
  for (const std::string& word : policy.words()) text += (text.empty() ? "" : " ") + word;
  return text;
}

class AnyZone : public Zone {
 public:
  [[nodiscard]] Span offset_at(Instant) const override { return 1h; }
  [[nodiscard]] Instant begin_of(std::chrono::local_days day) const override {
    return Instant(day.time_since_epoch()) - 1h;
  }
};

TEST(Policy, IsSentAsTheCommandsHaveIt) {
  const AnyZone zone;
  EXPECT_EQ(text_of({token_bucket(20, 10, 1s)}), "TOKENBUCKET 20 10 1000ms");
  EXPECT_EQ(text_of({leaky_bucket(5, 1, 250ms)}), "LEAKYBUCKET 5 1 250ms");
  EXPECT_EQ(text_of({fixed(100, 1h)}), "FIXED 100 3600000ms");
  EXPECT_EQ(text_of({fixed_aligned(100, 1min)}), "FIXED 100 60000ms ALIGNED");
  EXPECT_EQ(text_of({sliding(3, 1min)}), "SLIDING 3 60000ms");
  EXPECT_EQ(text_of({sliding_approx(3, 1min)}), "SLIDING 3 60000ms APPROX");
  EXPECT_EQ(text_of({quota(1000, CalendarUnit::month)}), "QUOTA 1000 MONTH");
  EXPECT_EQ(text_of({quota(1000, CalendarUnit::day, "Europe/Berlin", &zone)}), "QUOTA 1000 DAY TZ Europe/Berlin");
  EXPECT_EQ(text_of({concurrent(3, 30s)}), "CONCURRENT 3 30000ms");
  EXPECT_EQ(text_of({as("burst", token_bucket(2, 1, 1s)), per_request(fixed(9, 1s))}),
            "TOKENBUCKET 2 1 1000ms AS burst FIXED 9 1000ms PER REQUEST");
}

TEST(Policy, OfALimiterSendsNothing) {
  EXPECT_EQ(text_of(Policy::stored()), "");
  EXPECT_EQ(Policy::stored().limits(), nullptr);
  const Policy known = Policy::stored({fixed(10, 1s)});
  EXPECT_EQ(text_of(known), "");
  ASSERT_NE(known.limits(), nullptr);
  EXPECT_EQ((*known.limits())[0].size(), Units(10));
}

TEST(Policy, IsRefusedIfTheServerWouldRefuseIt) {
  EXPECT_THROW(Policy({token_bucket(0, 1, 1s)}), std::invalid_argument);
  EXPECT_THROW(Policy({fixed(1, 0s)}), std::invalid_argument);
  EXPECT_THROW(Policy({fixed(1, 1500us)}), std::invalid_argument) << "there is no such duration in a command";
  EXPECT_THROW(Policy({as("no spaces", fixed(1, 1s))}), std::invalid_argument);
  EXPECT_THROW(Policy({as("a", fixed(1, 1s)), as("a", fixed(2, 1s))}), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(Policy::stored({fixed(0, 1s)})), std::invalid_argument);
  EXPECT_FALSE(Policy::make({}));
}

TEST(Policy, HasAnotherNameIfItsLimitsAreOthers) {
  EXPECT_EQ(Policy({fixed(1, 1s)}).name(), Policy({fixed(1, 1000ms)}).name());
  EXPECT_NE(Policy({fixed(1, 1s)}).name(), Policy({fixed(1, 2s)}).name());
  EXPECT_NE(Policy({fixed(1, 1s)}).name(), Policy::stored({fixed(1, 1s)}).name());
  EXPECT_NE(Policy::stored().name(), Policy::stored({fixed(1, 1s)}).name());
}

TEST(Subject, HasANameOfItsOwnWhateverBytesItHas) {
  EXPECT_NE(name_of_subject("a", "b"), name_of_subject("ab", ""));
  EXPECT_NE(name_of_subject("a1:b", ""), name_of_subject("a", "b"));
  EXPECT_FALSE(name_of_subject("a", "bc").starts_with(name_of_subject("a", "b")));
}

// --- shares ------------------------------------------------------------------------------------------

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
  const std::int64_t most = kMaxUnits.count();
  const auto days = std::chrono::days{3650};
  for (const Share& share :
       {Share{1, 1}, Share{1, 7}, Share{4294967295U, 4294967295U}, Share{1, 4294967295U}, Share{0, 0}}) {
    for (const LimitSpec& limit : {token_bucket(1, 1, days), token_bucket(most, most, 1ms),
                                   token_bucket(most, most, days), leaky_bucket(most, 14, 1s), fixed(most, days),
                                   sliding(1, 1ms), concurrent(1, 1ms), quota(1, CalendarUnit::year)}) {
      ASSERT_TRUE(Limit::make(limit));
      const auto part = Limit::make(part_of(limit, share));
      ASSERT_TRUE(part) << share.numerator << '/' << share.denominator;
      EXPECT_LE(part->size(), limit.size);
    }
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
