// SPDX-License-Identifier: MIT
// What redis-cell leaves in a key means the same to a bucket as it did to redis-cell, but exactly; whatever the number is.
#include "ratelimit/codec/redis_cell.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "random.h"

namespace ratelimit::tests {
namespace {

__extension__ using Wide = __int128;

constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

TokenBucket::State state_at(std::int64_t arrival_time) { return *state_at_arrival_time(std::to_string(arrival_time)); }

TEST(RedisCell, ArrivalTimeIsWhenTheBucketIsFull) {
  EXPECT_EQ(state_at(1'709'164'800'000'000'001).full_at(), Instant{1'709'164'800'000'000'001ns});
  EXPECT_EQ(state_at(1'709'164'800'000'000'001).fraction, 0U);
  EXPECT_EQ(state_at(1'709'164'800'000'000'001).debt, 0U);
  EXPECT_EQ(state_at_arrival_time("0007")->full_at(), Instant{7ns});
}

TEST(RedisCell, ArrivalTimeBefore1970IsIdle) {
  for (const std::string_view text : {"-1", "-0", "0", "-9223372036854775808"}) {
    EXPECT_EQ(state_at_arrival_time(text), TokenBucket::State{}) << text;
  }
}

TEST(RedisCell, WhatIsNoNumberOf64BitsIsNoArrivalTime) {
  using namespace std::string_view_literals;
  for (const std::string_view text : {""sv,
                                      " "sv,
                                      "-"sv,
                                      "--1"sv,
                                      "+1"sv,
                                      "1 "sv,
                                      " 1"sv,
                                      "12abc"sv,
                                      "abc"sv,
                                      "1.5"sv,
                                      "1e9"sv,
                                      "0x10"sv,
                                      "1\0"sv,
                                      "\0"sv,
                                      "1\n"sv,
                                      "nan"sv,
                                      "9223372036854775808"sv,
                                      "-9223372036854775809"sv,
                                      "18446744073709551616"sv,
                                      "99999999999999999999999999999999"sv}) {
    EXPECT_FALSE(state_at_arrival_time(text)) << text;
  }
  EXPECT_TRUE(state_at_arrival_time("9223372036854775807"));
  EXPECT_TRUE(state_at_arrival_time("-9223372036854775808"));
}

std::int64_t random_arrival_time(Random& random, Instant now) {
  if (random.one_in(8)) return random.one_of<std::int64_t>({kLeast, kLeast + 1, -1, 0, 1, kMost - 1, kMost});
  if (random.one_in(8)) return static_cast<std::int64_t>(random.below(std::numeric_limits<std::uint64_t>::max()));
  const std::int64_t gap = random.magnitude_between(1, 2 * kMaxSpan.count());
  return now.time_since_epoch().count() + random.one_of<std::int64_t>({-gap, -1, 0, 1, gap});
}

/// The generic cell rate algorithm once more, on whole numbers: time is counted in nanoseconds times `refill`, in which a
/// unit lasts as long as the period.
struct Expected {
  Wide capacity, refill, period, used;

  Expected(const LimitSpec& spec, std::int64_t arrival_time, Instant now)
      : capacity(spec.size.count()), refill(spec.refill.count()), period(spec.span.count()) {
    const Wide ahead = (Wide{arrival_time} - now.time_since_epoch().count()) * refill;
    used = std::clamp(ahead, Wide{0}, capacity * period);
  }
  [[nodiscard]] Wide left(Wide cost) const { return (capacity - cost) * period - used; }
  [[nodiscard]] Wide rounded_up(Wide time) const { return (time + refill - 1) / refill; }
};

TEST(RedisCell, AnyArrivalTimeIsDecidedAsTheAlgorithmSays) {
  Random random(test_seed());
  for (std::uint64_t step = 0; step < test_steps(); ++step) {
    LimitSpec spec = random_spec(random, Algorithm::token_bucket);
    spec.size = std::max(spec.size, kMinUnits);  // a CL.THROTTLE has no closed limit
    const TokenBucket bucket = *TokenBucket::make(spec.size, spec.refill, spec.span);
    const Instant now = random_instant(random);
    const std::int64_t arrival_time = random_arrival_time(random, now);
    const auto cost = Units(random.one_in(4) ? 0 : random.magnitude_between(1, spec.size.count()));
    const TokenBucket::State state = state_at(arrival_time);
    ASSERT_TRUE(bucket.is_valid(state)) << arrival_time;

    const Expected expected(spec, arrival_time, now);
    const Decision decision = bucket.decide(state, Ask{cost}, now).decision;
    const bool fits = expected.left(cost.count()) >= 0;
    ASSERT_EQ(decision.outcome, fits ? Outcome::granted : Outcome::denied)
        << "seed " << test_seed() << " step " << step;
    const Wide taken = fits ? cost.count() : 0;
    ASSERT_TRUE(decision.remaining.count() == expected.left(taken) / expected.period) << step;
    ASSERT_TRUE(decision.reset.count() == expected.rounded_up(expected.used + taken * expected.period)) << step;
    const Wide wait = fits ? 0 : expected.rounded_up(-expected.left(cost.count()));
    ASSERT_TRUE(decision.wait.count() == wait) << step;
  }
}

TEST(RedisCell, SecondsAreRoundedUpByTheNanosecond) {
  EXPECT_EQ(seconds_rounded_up(0ns), 0s);
  EXPECT_EQ(seconds_rounded_up(1ns), 1s);
  EXPECT_EQ(seconds_rounded_up(1s), 1s);
  EXPECT_EQ(seconds_rounded_up(1s + 1ns), 2s);
  EXPECT_EQ(seconds_rounded_up(2s - 1ns), 2s);
  EXPECT_EQ(seconds_rounded_up(kMaxSpan), kMaxSpan);
  EXPECT_EQ(seconds_rounded_up(2 * kMaxSpan - 1ns), 2 * kMaxSpan);
}

}  // namespace
}  // namespace ratelimit::tests
