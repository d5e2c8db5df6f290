// SPDX-License-Identifier: MIT
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
  [[nodiscard]] Instant begin_of(std::chrono::local_days day, Span time) const override {
    return Instant(day.time_since_epoch()) + time - 1h;
  }
};

TEST(Policy, IsSentAsTheCommandsHaveIt) {
  const AnyZone zone;
  EXPECT_EQ(text_of({token_bucket(20, 10, 1s)}), "TOKENBUCKET 20 10 1s");
  EXPECT_EQ(text_of({leaky_bucket(5, 1, 250ms)}), "LEAKYBUCKET 5 1 250ms");
  EXPECT_EQ(text_of({fixed(100, 1h)}), "FIXED 100 1h");
  EXPECT_EQ(text_of({fixed_aligned(100, 1min)}), "FIXED 100 1m ALIGNED");
  EXPECT_EQ(text_of({sliding(3, 1min)}), "SLIDING 3 1m");
  EXPECT_EQ(text_of({sliding_approx(3, 1min)}), "SLIDING 3 1m APPROX");
  EXPECT_EQ(text_of({quota(1000, CalendarUnit::month)}), "QUOTA 1000 MONTH");
  EXPECT_EQ(text_of({quota(1000, CalendarUnit::day, "Europe/Berlin", &zone)}), "QUOTA 1000 DAY TZ Europe/Berlin");
  using namespace std::chrono;
  EXPECT_EQ(text_of({anchored(local_days{2026y / 1 / 31}, quota(9, CalendarUnit::quarter))}),
            "QUOTA 9 QUARTER ANCHOR 2026-01-31");
  EXPECT_EQ(text_of({anchored(local_days{2026y / 1 / 5} + 6h, quota(9, CalendarUnit::day, "Europe/Berlin", &zone))}),
            "QUOTA 9 DAY ANCHOR 2026-01-05T06:00 TZ Europe/Berlin");
  EXPECT_EQ(text_of({concurrent(3, 30s)}), "CONCURRENT 3 30s");
  EXPECT_EQ(text_of({as("burst", token_bucket(2, 1, 1s)), per_request(fixed(9, 1s))}),
            "TOKENBUCKET 2 1 1s AS burst FIXED 9 1s PER REQUEST");
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
  EXPECT_THROW(Policy({token_bucket(1, 0, 1s)}), std::invalid_argument);
  EXPECT_THROW(Policy({fixed(1, 0s)}), std::invalid_argument);
  EXPECT_THROW(Policy({fixed(1, 1500us)}), std::invalid_argument) << "there is no such duration in a command";
  EXPECT_THROW(Policy({as("no spaces", fixed(1, 1s))}), std::invalid_argument);
  EXPECT_THROW(Policy({as("a", fixed(1, 1s)), as("a", fixed(2, 1s))}), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(Policy::stored({fixed(-1, 1s)})), std::invalid_argument);
  using namespace std::chrono;
  EXPECT_THROW(Policy({anchored(local_days{1969y / 12 / 31}, quota(9, CalendarUnit::day))}), std::invalid_argument);
  EXPECT_THROW(Policy({anchored(local_days{2200y / 1 / 1}, quota(9, CalendarUnit::day))}), std::invalid_argument);
  EXPECT_THROW(Policy({anchored(local_days{2026y / 1 / 1}, fixed(9, 1s))}), std::invalid_argument);
  EXPECT_FALSE(Policy::make({}));
}

TEST(Policy, MayBeClosedOrAsLargeAsTheServerHasIt) {
  EXPECT_EQ(text_of(Policy({token_bucket(0, 1, 1s), fixed(9'007'199'254'740'991, 1h)})),
            "TOKENBUCKET 0 1 1s FIXED 9007199254740991 1h");
  EXPECT_THROW(Policy({fixed(9'007'199'254'740'992, 1h)}), std::invalid_argument);
  EXPECT_THROW(Policy({sliding(4'294'967'296, 1h)}), std::invalid_argument);
}

TEST(Policy, HasAnotherNameIfItsLimitsAreOthers) {
  EXPECT_EQ(Policy({fixed(1, 1s)}).name(), Policy({fixed(1, 1000ms)}).name());
  EXPECT_NE(Policy({fixed(1, 1s)}).name(), Policy({fixed(1, 2s)}).name());
  EXPECT_NE(Policy({fixed(1, 1s)}).name(), Policy::stored({fixed(1, 1s)}).name());
  EXPECT_NE(Policy::stored().name(), Policy::stored({fixed(1, 1s)}).name());
}

}  // namespace
}  // namespace ratelimit::client::tests
