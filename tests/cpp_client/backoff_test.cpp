// SPDX-License-Identifier: MIT
#include "ratelimit/client/backoff.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <limits>

namespace ratelimit::client::tests {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kLongest = std::numeric_limits<std::uint64_t>::max();

TEST(Backoff, DoublesUpToTheLongest) {
  Backoff backoff({.first = 100ms, .longest = 350ms});
  for (const Span step : {100ms, 200ms, 350ms, 350ms}) EXPECT_EQ(backoff.next(0), step / 2);
}

TEST(Backoff, PausesBetweenHalfOfAStepAndAllOfIt) {
  for (const std::uint64_t random : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{12345}, kLongest}) {
    const Span pause = Backoff({.first = 1ms, .longest = 1s}).next(random);
    EXPECT_GE(pause, 500us);
    EXPECT_LE(pause, 1ms);
  }
  EXPECT_EQ(Backoff({.first = 1ms, .longest = 1s}).next(500'000), 1ms);
}

TEST(Backoff, BeginsAnewWhenThereWasAnAnswer) {
  Backoff backoff({.first = 100ms, .longest = 10s});
  for (int i = 0; i < 5; ++i) static_cast<void>(backoff.next(0));
  backoff.reset();
  EXPECT_EQ(backoff.next(0), 50ms);
}

TEST(Backoff, NeverPausesForNothingWhateverItIsSetTo) {
  Backoff backoff({.first = 0s, .longest = -1s});
  EXPECT_GT(backoff.next(0), 0s);
  Backoff longer({.first = 5s, .longest = 1s});
  EXPECT_LE(longer.next(kLongest), 1s);
  Backoff most({.first = Span::max(), .longest = Span::max()});
  for (int i = 0; i < 3; ++i) EXPECT_GT(most.next(kLongest), 0s);
}

}  // namespace
}  // namespace ratelimit::client::tests
