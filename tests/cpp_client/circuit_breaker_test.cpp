// SPDX-License-Identifier: MIT
#include "ratelimit/client/circuit_breaker.h"

#include <gtest/gtest.h>

#include <chrono>

namespace ratelimit::client::tests {
namespace {

using namespace std::chrono_literals;
using State = CircuitBreaker::State;

const Time kNow{1000h};

CircuitBreaker breaker_of(int failures) {
  return CircuitBreaker({.failures = failures, .lasting = {}, .pause = {.first = 100ms, .longest = 1s}});
}

/// With a random number of 0, the first pause is 50 ms.
void fail(CircuitBreaker& breaker, Time now) { breaker.failed(*breaker.admit(now), now, 0); }

TEST(CircuitBreaker, OpensAfterSoManyFailuresInARow) {
  CircuitBreaker breaker = breaker_of(3);
  fail(breaker, kNow);
  fail(breaker, kNow);
  EXPECT_EQ(breaker.state(), State::closed);
  fail(breaker, kNow);
  EXPECT_EQ(breaker.state(), State::open);
  EXPECT_FALSE(breaker.admit(kNow));
  EXPECT_FALSE(breaker.admit(kNow + 50ms - 1ns));
}

TEST(CircuitBreaker, DoesNotOpenForManyFailuresAtOneMoment) {
  CircuitBreaker breaker({.failures = 3, .lasting = 20ms, .pause = {.first = 100ms, .longest = 1s}});
  for (int i = 0; i < 100; ++i) fail(breaker, kNow);
  fail(breaker, kNow + 20ms - 1ns);
  EXPECT_EQ(breaker.state(), State::closed);
  breaker.succeeded(*breaker.admit(kNow + 20ms));
  for (int i = 0; i < 3; ++i) fail(breaker, kNow + 21ms);
  EXPECT_EQ(breaker.state(), State::closed) << "there was an answer between them";
  fail(breaker, kNow + 41ms);
  EXPECT_EQ(breaker.state(), State::open);
}

TEST(CircuitBreaker, CountsFromTheStartAgainAfterAnAnswer) {
  CircuitBreaker breaker = breaker_of(2);
  for (int i = 0; i < 10; ++i) {
    fail(breaker, kNow);
    breaker.succeeded(*breaker.admit(kNow));
  }
  EXPECT_EQ(breaker.state(), State::closed);
}

TEST(CircuitBreaker, LetsOneCallTryWhenThePauseIsOver) {
  CircuitBreaker breaker = breaker_of(1);
  fail(breaker, kNow);
  const auto probe = breaker.admit(kNow + 50ms);
  ASSERT_TRUE(probe);
  EXPECT_TRUE(probe->is_probe);
  EXPECT_EQ(breaker.state(), State::half_open);
  EXPECT_FALSE(breaker.admit(kNow + 50ms));
  EXPECT_FALSE(breaker.admit(kNow + 1h));
  breaker.succeeded(*probe);
  EXPECT_EQ(breaker.state(), State::closed);
  EXPECT_FALSE(breaker.admit(kNow + 50ms)->is_probe);
}

TEST(CircuitBreaker, StaysOpenForLongerEachTimeTheTryFails) {
  CircuitBreaker breaker = breaker_of(5);
  for (int i = 0; i < 5; ++i) fail(breaker, kNow);
  Time now = kNow;
  for (const Span pause : {50ms, 100ms, 200ms, 400ms, 500ms, 500ms}) {
    EXPECT_FALSE(breaker.would_admit(now + pause - 1ns));
    now += pause;
    fail(breaker, now);
    EXPECT_EQ(breaker.state(), State::open);
  }
}

TEST(CircuitBreaker, PausesBrieflyAgainOnceItWasClosed) {
  CircuitBreaker breaker = breaker_of(1);
  fail(breaker, kNow);
  fail(breaker, kNow + 1s);
  breaker.succeeded(*breaker.admit(kNow + 2s));
  fail(breaker, kNow + 3s);
  EXPECT_TRUE(breaker.would_admit(kNow + 3s + 50ms));
}

TEST(CircuitBreaker, IgnoresWhatCallsOfAnEarlierStateReport) {
  CircuitBreaker breaker = breaker_of(1);
  const auto early = breaker.admit(kNow);
  const auto another = breaker.admit(kNow);
  EXPECT_TRUE(breaker.failed(*early, kNow, 0));
  EXPECT_FALSE(breaker.failed(*another, kNow + 49ms, 0)) << "one outage is counted once";
  breaker.succeeded(*another);
  EXPECT_EQ(breaker.state(), State::open);
  EXPECT_TRUE(breaker.would_admit(kNow + 50ms)) << "nor does it last longer";
}

TEST(CircuitBreaker, LetsAnotherCallTryIfTheFirstDidNot) {
  CircuitBreaker breaker = breaker_of(1);
  fail(breaker, kNow);
  breaker.withdrew(*breaker.admit(kNow + 50ms));
  EXPECT_EQ(breaker.state(), State::open);
  EXPECT_TRUE(breaker.admit(kNow + 50ms));
}

TEST(CircuitBreaker, HasANameForEachState) {
  EXPECT_STREQ(name_of(State::closed), "closed");
  EXPECT_STREQ(name_of(State::open), "open");
  EXPECT_STREQ(name_of(State::half_open), "half open");
}

}  // namespace
}  // namespace ratelimit::client::tests
