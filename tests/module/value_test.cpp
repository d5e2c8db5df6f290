// What a key holds, outside of a server.
#include "value.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <array>
#include <chrono>
#include <cstring>
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

TEST(Value, OfSmallLimitsIsOneAllocation) {
  LimitsPool pool;
  const Value::Pointer value = Value::create(pool.get(std::array{kBucket, kSliding}));
  EXPECT_EQ(value->bytes_behind(), 0U);
  EXPECT_EQ(value->memory_pieces(), 1U);
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

TEST(Value, SurvivesThatItsMemoryIsMoved) {
  LimitsPool pool;
  const LimitSpec large{.algorithm = Algorithm::sliding_log, .size = Units(5'000), .span = seconds(3600)};
  const Value::Pointer value = Value::create(pool.get(std::array{large, kBucket, large}));
  const SlidingLog log = *SlidingLog::make(Units(5'000), seconds(3600));
  for (int i = 0; i < 2'000; ++i) {
    const SlidingLog::Change change{kNow + std::chrono::milliseconds(7 * i), Units(1 + i % 3)};
    log.apply(value->cells()[0].as<SlidingLog::State>(), change);
    log.apply(value->cells()[2].as<SlidingLog::State>(), change);
  }
  const std::string before = value->encoded();

  std::size_t moved = 0;
  const auto move = [&moved](void* memory) {
    // As the server does it: by a copy of the bytes. Sanitizers want arrays and objects to be told apart.
    const std::size_t bytes = malloc_usable_size(memory);
    const bool is_object = bytes == sizeof(EventLog);
    void* place = is_object ? ::operator new(bytes) : ::operator new[](bytes);
    std::memcpy(place, memory, bytes);
    is_object ? ::operator delete(memory) : ::operator delete[](memory);
    ++moved;
    return place;
  };
  std::size_t pieces = 0;
  while (value->relocate_piece(pieces, move)) ++pieces;
  EXPECT_EQ(pieces + 1, value->memory_pieces());
  EXPECT_EQ(moved + 2, pieces) << "all but the two lists of blocks";
  EXPECT_EQ(value->encoded(), before);
}

}  // namespace
}  // namespace ratelimit
