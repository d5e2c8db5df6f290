// SPDX-License-Identifier: MIT
// Bounds of the requests that are under way.
#include <gtest/gtest.h>

#include <cstddef>

#include "held_calls.h"
#include "open_calls.h"

namespace ratelimit::service::envoy {
namespace {

TEST(OpenCalls, AllowTwiceTheStreamsAndAHundredOfEachConnection) {
  using Verdict = OpenCalls::Verdict;
  OpenCalls calls(10);
  for (int i = 0; i < 120; ++i) EXPECT_EQ(calls.begin("a"), Verdict::go_on) << i;
  EXPECT_EQ(calls.begin("a"), Verdict::close);
  EXPECT_EQ(calls.begin("a"), Verdict::refuse) << "to be closed once is enough";
  EXPECT_EQ(calls.begin("b"), Verdict::go_on) << "others have a bound of their own";
  calls.end("a");
  EXPECT_EQ(calls.begin("a"), Verdict::refuse) << "those beyond the bound count, too";
  for (int i = 0; i < 3; ++i) calls.end("a");
  EXPECT_EQ(calls.begin("a"), Verdict::go_on);
}

class HeldCallsTest : public testing::Test {
 protected:
  /// Begins so many. How often somebody must go.
  std::size_t begin(std::size_t many) {
    std::size_t times = 0;
    while (many-- > 0) times += calls_.begin() ? 1 : 0;
    return times;
  }
  void end(std::size_t many) {
    while (many-- > 0) calls_.end();
  }

  HeldCalls calls_{16};
  static constexpr std::size_t kMost = (16U << 20U) / 24'000;
};

TEST_F(HeldCallsTest, SayThatSomebodyMustGoOnceTheyAreTooMany) {
  EXPECT_EQ(begin(kMost), 0U);
  EXPECT_FALSE(calls_.is_full());
  EXPECT_TRUE(calls_.begin());
  EXPECT_TRUE(calls_.is_full());
  EXPECT_EQ(calls_.held(), kMost + 1);
  end(1);
  EXPECT_FALSE(calls_.is_full());
}

TEST_F(HeldCallsTest, SayItAgainWhenThereAreMore) { EXPECT_EQ(begin(2 * kMost), 1 + (kMost - 1) / (kMost / 64 + 1)); }

TEST_F(HeldCallsTest, DoNotSayItAgainWhileTheyBecomeFewer) {
  EXPECT_EQ(begin(kMost + 1), 1U);
  for (std::size_t i = 0; i < kMost / 4; ++i) {
    end(2);
    EXPECT_FALSE(calls_.begin());
  }
}

TEST_F(HeldCallsTest, BeginAnewOnceHalfOfThemHaveGone) {
  begin(2 * kMost);
  end(2 * kMost);
  EXPECT_EQ(calls_.held(), 0U);
  EXPECT_EQ(begin(kMost), 0U);
  EXPECT_TRUE(calls_.begin());
}

}  // namespace
}  // namespace ratelimit::service::envoy
