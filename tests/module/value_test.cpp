// What a key holds, outside of a server.
#include "value.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <string>

namespace ratelimit {
namespace {

using std::chrono::seconds;

constexpr Instant kNow{seconds(1'800'000'000)};

constexpr LimitSpec kBucket{
    .algorithm = Algorithm::token_bucket, .size = Units(10), .refill = Units(7), .span = seconds(60)};
constexpr LimitSpec kSliding{.algorithm = Algorithm::sliding_log, .size = Units(10), .span = seconds(60)};

Value::Pointer charged(LimitsPool& pool, std::span<const LimitSpec> specs, Units cost) {
  Value::Pointer value = Value::create(pool.get(specs));
  apply(value->limits(), value->cells(), decide(value->limits(), value->cells(), cost, kNow));
  return value;
}

TEST(Value, OfOneSmallLimitIs32Bytes) {
  LimitsPool pool;
  EXPECT_EQ(Value::create(pool.get(std::array{kBucket}))->memory_bytes(), 32U);
}

TEST(Value, ComesBackFromItsEncodedForm) {
  LimitsPool pool;
  const Value::Pointer value = charged(pool, std::array{kBucket, kSliding}, Units(3));
  const Value::Pointer decoded = Value::decode(value->encoded(), pool);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->encoded(), value->encoded());
  EXPECT_EQ(&decoded->limits(), &value->limits());
}

TEST(Value, IsNotMadeOfBytesThatNobodyWrote) {
  LimitsPool pool;
  const std::string bytes = charged(pool, std::array{kBucket, kSliding}, Units(3))->encoded();
  for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(Value::decode(bytes.substr(0, size), pool));
  EXPECT_FALSE(Value::decode(bytes + '\0', pool));
}

TEST(Value, IsIdleWhenTheLastOfItsStatesIs) {
  LimitsPool pool;
  const LimitSpec long_window{.algorithm = Algorithm::fixed_window, .size = Units(10), .span = seconds(500)};
  EXPECT_EQ(charged(pool, std::array{kSliding, long_window}, Units(1))->idle_at(), kNow + seconds(500));
}

TEST(Value, CountsCallsOnBothSides) {
  LimitsPool pool;
  const Value::Pointer value = Value::create(pool.get(std::array{kBucket}));
  value->count_call(Outcome::granted);
  value->count_call(Outcome::denied);
  value->count_call(Outcome::never);
  EXPECT_EQ(value->granted_calls(), 1U);
  EXPECT_EQ(value->denied_calls(), 2U);
}

}  // namespace
}  // namespace ratelimit
