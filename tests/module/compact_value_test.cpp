// SPDX-License-Identifier: MIT
// The compact form of a value: what fits into it comes out as it went in.
#include "storage/compact_value.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/limits.h"
#include "ratelimit/states.h"
#include "ratelimit/verdict.h"

namespace ratelimit {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr Instant kNow{seconds(1'800'000'000)};

constexpr LimitSpec bucket(std::int64_t capacity, std::int64_t refill, Span period = seconds(60)) {
  return {.algorithm = Algorithm::token_bucket, .size = Units(capacity), .refill = Units(refill), .span = period};
}

constexpr LimitSpec other(Algorithm algorithm) {
  return {.algorithm = algorithm, .size = Units(10), .span = seconds(60)};
}

Value::Pointer charged(LimitsPool& pool, std::span<const LimitSpec> specs, Units cost, bool force = false) {
  Value::Pointer value = Value::create(pool.get(specs));
  apply(value->limits(), value->cells(), decide(value->limits(), value->cells(), Ask{cost, "id", force}, kNow));
  return value;
}

/// A compact value until the end of the scope; null if the value does not fit.
class Made {
 public:
  Made(const Value& value, const LimitsPool& pool) : pool_(pool), compact_(CompactValue::make(value)) {}
  Made(const Made&) = delete;
  Made& operator=(const Made&) = delete;
  ~Made() {
    if (compact_ != nullptr) CompactValue::destroy(compact_, pool_);
  }
  explicit operator bool() const { return compact_ != nullptr; }
  CompactValue* operator->() const { return compact_; }
  [[nodiscard]] const void* stored() const { return compact_; }

 private:
  const LimitsPool& pool_;
  CompactValue* compact_;
};

TEST(CompactValue, HoldsABucketAndItsCounters) {
  LimitsPool pool;
  const Value::Pointer value = charged(pool, std::array{bucket(10, 7)}, Units(3));
  value->set_counters(5, 6);
  const Made compact(*value, pool);
  ASSERT_TRUE(compact);
  const Value::Pointer promoted = compact->promoted(pool);
  EXPECT_EQ(promoted->encoded(), value->encoded());
  EXPECT_EQ(&promoted->limits(), &value->limits());
  EXPECT_EQ(promoted->granted_calls(), 5U);
  EXPECT_EQ(promoted->denied_calls(), 6U);
}

TEST(CompactValue, IsToldFromAValueByItsFirstByte) {
  LimitsPool pool;
  const Value::Pointer value = charged(pool, std::array{bucket(10, 7)}, Units(3));
  const Made compact(*value, pool);
  EXPECT_TRUE(CompactValue::is(compact.stored()));
  EXPECT_FALSE(CompactValue::is(value.get()));
}

TEST(CompactValue, IsNotMadeOfAnythingElse) {
  LimitsPool pool;
  for (const Algorithm algorithm : {Algorithm::fixed_window, Algorithm::sliding_window_log,
                                    Algorithm::sliding_window_counter, Algorithm::concurrent}) {
    EXPECT_FALSE(Made(*charged(pool, std::array{other(algorithm)}, Units(3)), pool));
  }
  LimitSpec queue = bucket(10, 7);
  queue.algorithm = Algorithm::leaky_bucket;
  EXPECT_FALSE(Made(*charged(pool, std::array{queue}, Units(3)), pool));
  EXPECT_FALSE(Made(*charged(pool, std::array{bucket(10, 7), other(Algorithm::fixed_window)}, Units(3)), pool));
  EXPECT_FALSE(Made(*charged(pool, std::array{bucket(10, 7)}, Units(13), true), pool)) << "a debt";
  EXPECT_FALSE(Made(*charged(pool, std::array{bucket(10, 7)}, Units(3))->with_reservations(), pool)) << "may reserve";
}

// 4096 parts of a nanosecond fit into twelve bits. 10^9 nanoseconds and a prime have nothing in common.
TEST(CompactValue, HasRoomForSoManyPartsOfANanosecond) {
  LimitsPool pool;
  EXPECT_TRUE(Made(*charged(pool, std::array{bucket(10, 4093, seconds(1))}, Units(3)), pool));
  EXPECT_FALSE(Made(*charged(pool, std::array{bucket(10, 4099, seconds(1))}, Units(3)), pool));
  EXPECT_TRUE(Made(*charged(pool, std::array{bucket(10, 1'000'000, seconds(1))}, Units(3)), pool));
}

TEST(CompactValue, NeedsLimitsThatThePoolKeeps) {
  LimitsPool pool;
  std::vector<SharedLimits> held;
  for (std::int64_t capacity = 1; pool.size() < LimitsPool::kMostShared; ++capacity) {
    held.push_back(pool.get(std::array{bucket(capacity, 1)}));
  }
  EXPECT_TRUE(Made(*Value::create(held.back()), pool));
  EXPECT_FALSE(Made(*Value::create(pool.get(std::array{bucket(5'000, 1)})), pool));
}

TEST(CompactValue, KeepsItsLimitsInThePool) {
  LimitsPool pool;
  const LimitSpec spec = bucket(77, 1);
  CompactValue* compact = CompactValue::make(*charged(pool, std::array{spec}, Units(3)));
  const auto churn = [&pool] {
    for (std::int64_t capacity = 1000; capacity < 6000; ++capacity) {
      EXPECT_TRUE(pool.get(std::array{bucket(capacity, 1)}));
    }
  };
  churn();
  EXPECT_TRUE(compact->limits(pool)->matches(std::array{spec}));
  const std::optional<LimitsNumber> number = compact->limits(pool).number();
  CompactValue::destroy(compact, pool);
  churn();
  ASSERT_TRUE(number);
  const SharedLimits& later = pool[*number];
  EXPECT_FALSE(later && later->matches(std::array{spec})) << "nobody needs them any more";
}

TEST(CompactValue, CountsUpToItsLargestNumbers) {
  LimitsPool pool;
  const Value::Pointer value = charged(pool, std::array{bucket(10, 7)}, Units(3));
  value->set_counters((1U << 20U) - 2, (1U << 20U) - 2);
  const Made compact(*value, pool);
  for (int i = 0; i < 3; ++i) {
    compact->count_call(Outcome::granted);
    compact->count_call(Outcome::denied);
    compact->count_call(Outcome::never);
  }
  EXPECT_EQ(compact->promoted(pool)->granted_calls(), (1U << 20U) - 1);
  EXPECT_EQ(compact->promoted(pool)->denied_calls(), (1U << 20U) - 1);
  EXPECT_EQ(compact->promoted(pool)->encoded(), value->encoded()) << "counters leave the state alone";
  value->set_counters(std::numeric_limits<std::uint32_t>::max(), std::numeric_limits<std::uint32_t>::max());
  EXPECT_EQ(Made(*value, pool)->promoted(pool)->granted_calls(), (1U << 20U) - 1);
}

TEST(CompactValue, CopiesGoTheirOwnWays) {
  LimitsPool pool;
  const Value::Pointer value = charged(pool, std::array{bucket(10, 7)}, Units(3));
  const Made compact(*value, pool);
  CompactValue* copy = compact->copy(pool);
  compact->set_state({kNow + seconds(5), 3, 0});
  EXPECT_EQ(copy->promoted(pool)->encoded(), value->encoded());
  CompactValue::destroy(copy, pool);
}

TEST(CompactValue, DecidesAsAValueDoesForAsLongAsItFits) {
  LimitsPool pool;
  std::mt19937_64 random(1);
  for (const LimitSpec& spec : {bucket(10, 7), bucket(1'000'000, 97, seconds(3600)), bucket(3, 4093, seconds(1)),
                                bucket(1, 1, std::chrono::days(3650))}) {
    const Value::Pointer value = Value::create(pool.get(std::array{spec}));
    const Made compact(*value, pool);
    const Limits& limits = value->limits();
    Instant now = kNow;
    for (int step = 0; step < 20'000; ++step) {
      now += nanoseconds(static_cast<std::int64_t>(random() % (2 * spec.span.count() / spec.refill.count())));
      if (!in_range(now)) break;  // a bucket that refills within ten years gets there in some twenty steps
      std::array<Cell, 1> cell;
      cell[0].emplace(compact->state());
      const Ask ask{Units(static_cast<std::int64_t>(random() % 4))};
      const Verdict expected = decide(limits, value->cells(), ask, now);
      const Verdict verdict = decide(limits, std::span(cell), ask, now);
      ASSERT_EQ(verdict.decision.remaining, expected.decision.remaining);
      if (verdict.decision.outcome != Outcome::granted) continue;
      apply(limits, value->cells(), expected);
      apply(limits, cell, verdict);
      const auto& state = cell[0].as<TokenBucket::State>();
      ASSERT_TRUE(CompactValue::fits(state));
      compact->set_state(state);
      ASSERT_EQ(compact->promoted(pool)->encoded(), value->encoded());
    }
  }
}

}  // namespace
}  // namespace ratelimit
