// SPDX-License-Identifier: MIT
// Equal limits are kept once, for as long as someone has them.
#include "storage/limits_pool.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "server/zones.h"

namespace ratelimit {
namespace {

LimitSpec bucket(std::int64_t capacity, std::string_view label = {}) {
  return {.algorithm = Algorithm::token_bucket,
          .size = Units(capacity),
          .refill = Units(1),
          .span = std::chrono::seconds(1),
          .label = label};
}

SharedLimits one(LimitsPool& pool, const LimitSpec& spec) { return pool.get(std::array{spec}); }

TEST(LimitsPool, GivesTheSameObjectForEqualLimits) {
  LimitsPool pool;
  const SharedLimits a = one(pool, bucket(5));
  const SharedLimits b = one(pool, bucket(5));
  EXPECT_EQ(&*a, &*b);
}

TEST(LimitsPool, TellsApartWhatDiffersInOneNumberOrLabel) {
  LimitsPool pool;
  const SharedLimits a = one(pool, bucket(5));
  EXPECT_NE(&*a, &*one(pool, bucket(6)));
  EXPECT_NE(&*a, &*one(pool, bucket(5, "x")));
}

TEST(LimitsPool, TellsApartWhatDiffersInItsAlgorithmUnitAnchorOrZone) {
  LimitsPool pool;
  const auto quota = [](CalendarUnit unit, std::string_view zone, std::string_view anchor = {}) {
    return LimitSpec{.algorithm = Algorithm::quota,
                     .size = Units(5),
                     .unit = unit,
                     .anchor = parse_anchor(anchor).value_or(Anchor()),
                     .zone = zone,
                     .rules = zone.empty() ? nullptr : find_zone(zone)};
  };
  LimitSpec queue = bucket(5);
  queue.algorithm = Algorithm::leaky_bucket;
  LimitSpec log{.algorithm = Algorithm::sliding_window_log, .size = Units(5), .span = std::chrono::seconds(1)};
  LimitSpec counters = log;
  counters.algorithm = Algorithm::sliding_window_counter;
  LimitSpec leases = log;
  leases.algorithm = Algorithm::concurrent;
  const std::vector<LimitSpec> specs = {bucket(5),
                                        queue,
                                        log,
                                        counters,
                                        leases,
                                        quota(CalendarUnit::day, {}),
                                        quota(CalendarUnit::week, {}),
                                        quota(CalendarUnit::day, "Europe/Berlin"),
                                        quota(CalendarUnit::day, "Europe/Paris"),
                                        quota(CalendarUnit::week, "Europe/Paris"),
                                        quota(CalendarUnit::quarter, {}),
                                        quota(CalendarUnit::day, {}, "1970-01-01"),
                                        quota(CalendarUnit::day, {}, "1970-01-02"),
                                        quota(CalendarUnit::day, {}, "1970-01-02T00:01"),
                                        quota(CalendarUnit::day, "Europe/Berlin", "1970-01-02")};
  std::set<const Limits*> different;
  std::vector<SharedLimits> held;
  for (const LimitSpec& spec : specs) {
    held.push_back(one(pool, spec));
    ASSERT_TRUE(held.back());
    different.insert(&*held.back());
    EXPECT_EQ(&*one(pool, spec), &*held.back());
  }
  EXPECT_EQ(different.size(), specs.size());
  EXPECT_EQ(pool.size(), specs.size());
}

TEST(LimitsPool, OwnsTheNameOfAZone) {
  LimitsPool pool;
  std::string name = "Europe/Berlin";
  const LimitSpec spec{.algorithm = Algorithm::quota,
                       .size = Units(5),
                       .unit = CalendarUnit::day,
                       .zone = name,
                       .rules = find_zone(name)};
  const SharedLimits limits = one(pool, spec);
  name = "overwritten  ";
  EXPECT_EQ(limits->operator[](0).spec().zone, "Europe/Berlin");
}

TEST(LimitsPool, MakesNothingOfLimitsThatAreNotValid) {
  LimitsPool pool;
  EXPECT_FALSE(one(pool, bucket(-1)));
  EXPECT_FALSE(pool.get(std::array{bucket(1, "x"), bucket(2, "x")}));
  EXPECT_FALSE(pool.get({}));
}

TEST(LimitsPool, KeepsABoundedNumberHoweverManyComeAndGo) {
  LimitsPool pool;
  for (int capacity = 1; capacity <= 100'000; ++capacity) EXPECT_TRUE(one(pool, bucket(capacity)));
  EXPECT_LE(pool.size(), 1024U);
}

TEST(LimitsPool, StillServesWhenItIsFullOfLimitsInUse) {
  LimitsPool pool;
  std::vector<SharedLimits> held;
  for (int capacity = 1; capacity <= 5'000; ++capacity) held.push_back(one(pool, bucket(capacity)));
  EXPECT_LE(pool.size(), 1024U);
  for (int capacity = 1; capacity <= 5'000; ++capacity) {
    EXPECT_EQ(held[static_cast<std::size_t>(capacity - 1)]->operator[](0).size(), Units(capacity));
  }
}

}  // namespace
}  // namespace ratelimit
