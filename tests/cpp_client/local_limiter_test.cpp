// SPDX-License-Identifier: MIT
#include "ratelimit/client/local_limiter.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>

namespace ratelimit::client::tests {
namespace {

using namespace std::chrono_literals;

constexpr Instant kNow{1'800'000'000s};

int granted_of(LocalLimiter& local, const std::string& name, const Policy& policy, int calls, Instant now) {
  int granted = 0;
  for (int i = 0; i < calls; ++i) granted += local.check(name, policy, {}, now)->allowed() ? 1 : 0;
  return granted;
}

TEST(LocalLimiter, GrantsItsShareOfTheLimits) {
  LocalLimiter local(10, {1, 4});
  const Policy policy{token_bucket(20, 10, 1s)};
  EXPECT_EQ(granted_of(local, "a", policy, 30, kNow), 5);
  EXPECT_EQ(granted_of(local, "b", policy, 30, kNow), 5);
  EXPECT_EQ(granted_of(local, "a", policy, 30, kNow + 2s), 5);
  EXPECT_EQ(granted_of(local, "a", policy, 30, kNow + 2s + 400ms), 1);
}

TEST(LocalLimiter, AnswersAsTheServerDoes) {
  LocalLimiter local(10, {1, 1});
  const Policy policy{as("daily", fixed(3, 24h)), sliding(2, 1min)};
  static_cast<void>(local.check("a", policy, {.cost = Units(2)}, kNow));
  const auto denied = local.check("a", policy, {.cost = Units(1)}, kNow + 1ns);
  EXPECT_EQ(denied->outcome, Outcome::denied);
  EXPECT_EQ(denied->label, "sliding");
  EXPECT_EQ(denied->limit, Units(2));
  EXPECT_EQ(denied->wait, 60s) << "rounded up";
  EXPECT_EQ(denied->source, Source::local);
  EXPECT_EQ(local.check("a", policy, {.cost = Units(4)}, kNow)->outcome, Outcome::never);
}

TEST(LocalLimiter, PeeksWithoutTaking) {
  LocalLimiter local(10, {1, 1});
  const Policy policy{fixed(1, 1s)};
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(local.peek("a", policy, {}, kNow)->allowed());
  EXPECT_TRUE(local.check("a", policy, {}, kNow)->allowed());
  EXPECT_FALSE(local.peek("a", policy, {}, kNow)->allowed());
}

TEST(LocalLimiter, KnowsAllModes) {
  LocalLimiter local(10, {1, 1});
  const Policy policy{token_bucket(10, 10, 1s)};
  EXPECT_EQ(local.check("a", policy, {.cost = Units(15), .mode = Mode::partial}, kNow)->granted, Units(10));
  EXPECT_EQ(local.check("a", policy, {.cost = Units(5), .mode = Mode::may_wait, .longest_wait = 1s}, kNow)->wait,
            500ms);
  EXPECT_FALSE(local.check("a", policy, {}, kNow + 100ms)->allowed()) << "nobody overtakes";
  EXPECT_TRUE(local.check("a", policy, {.cost = Units(5), .mode = Mode::force}, kNow)->allowed());
}

TEST(LocalLimiter, SettlesWhatItReserved) {
  LocalLimiter local(10, {1, 1});
  const Policy policy{fixed(100, 1h)};
  EXPECT_TRUE(local.reserve("a", policy, {.cost = Units(60), .id = "job"}, 1min, kNow)->allowed());
  EXPECT_EQ(local.peek("a", policy, {}, kNow)->remaining, Units(40));
  EXPECT_TRUE(local.settle("a", policy, "job", Units(25), kNow));
  EXPECT_EQ(local.peek("a", policy, {}, kNow)->remaining, Units(75));
  EXPECT_TRUE(local.settle("a", policy, "job", Units(90), kNow)) << "it is settled";
  EXPECT_EQ(local.peek("a", policy, {}, kNow)->remaining, Units(75)) << "and that once";
  EXPECT_FALSE(local.reserve("a", policy, {.cost = Units(1), .id = "job"}, 1min, kNow)) << "nor can it be taken again";
  EXPECT_FALSE(local.settle("b", policy, "job", Units(25), kNow));
  EXPECT_TRUE(local.reserve("a", policy, {.cost = Units(75), .id = "late"}, 1min, kNow)->allowed());
  EXPECT_FALSE(local.check("a", policy, {}, kNow + 59s)->allowed());
  EXPECT_TRUE(local.check("a", policy, {}, kNow + 60s)->allowed()) << "a hold that nobody settles ends";
}

TEST(LocalLimiter, DeniesNewcomersWhereThereIsNoRoomAndForgetsOnlyTheIdle) {
  LocalLimiter local(2, {1, 1});
  const Policy policy{fixed(1, 1s)};
  EXPECT_TRUE(local.check("a", policy, {}, kNow)->allowed());
  EXPECT_TRUE(local.check("b", policy, {}, kNow)->allowed());
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(local.check("c", policy, {}, kNow));
  EXPECT_FALSE(local.check("a", policy, {}, kNow)->allowed()) << "nobody got his share anew";
  EXPECT_TRUE(local.check("c", policy, {}, kNow + 1s)->allowed());
  EXPECT_EQ(local.size(), 2U);
}

TEST(LocalLimiter, CannotDecideWhatItDoesNotKnow) {
  LocalLimiter local(2, {1, 1});
  EXPECT_FALSE(local.check("a", Policy::stored(), {}, kNow));
  EXPECT_TRUE(local.check("a", Policy::stored({fixed(1, 1s)}), {}, kNow)->allowed());
}

}  // namespace
}  // namespace ratelimit::client::tests
