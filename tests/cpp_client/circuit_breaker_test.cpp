// SPDX-License-Identifier: MIT
#include "ratelimit/client/circuit_breaker.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>

namespace ratelimit::client::tests {
namespace {

using namespace std::chrono_literals;
using State = CircuitBreaker::State;

const Time kNow{1000h};

CircuitBreaker breaker_of(std::uint64_t failures) {
  return CircuitBreaker({.failures = failures, .lasting = {}, .pause = {.first = 100ms, .longest = 1s}});
}

/// With a random number of 0, the first pause is 50 ms.
void fail(CircuitBreaker& breaker, Time now) { breaker.failed(*breaker.admit(now), now, 0); }
void succeed(CircuitBreaker& breaker, Time now) { breaker.succeeded(*breaker.admit(now), now); }

TEST(CircuitBreaker, OpensAfterSoManyFailures) {
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
  CircuitBreaker breaker({.failures = 3, .lasting = 100ms, .pause = {.first = 100ms, .longest = 1s}});
  for (int i = 0; i < 100; ++i) fail(breaker, kNow);
  fail(breaker, kNow + 100ms - 1ns);
  EXPECT_EQ(breaker.state(), State::closed);
  fail(breaker, kNow + 100ms);
  EXPECT_EQ(breaker.state(), State::open);
}

TEST(CircuitBreaker, DoesNotOpenWhileMostCallsAreAnswered) {
  CircuitBreaker breaker({});
  for (int ms = 0; ms < 5000; ++ms) {
    fail(breaker, kNow + ms * 1ms);
    succeed(breaker, kNow + ms * 1ms);
    succeed(breaker, kNow + ms * 1ms);
  }
  EXPECT_EQ(breaker.state(), State::closed);
}

TEST(CircuitBreaker, DoesNotOpenWhenABusyServerStopsForATenthOfASecond) {
  // 64 callers of 10,000 calls a second; while nobody answers, each fails once in ten milliseconds.
  CircuitBreaker breaker({});
  for (int ms = 0; ms < 1000; ++ms) {
    for (int i = 0; i < 10; ++i) succeed(breaker, kNow + ms * 1ms);
  }
  for (int ms = 1010; ms <= 1100; ms += 10) {
    for (int i = 0; i < 64; ++i) fail(breaker, kNow + ms * 1ms);
  }
  EXPECT_EQ(breaker.state(), State::closed);
}

TEST(CircuitBreaker, OpensWhenNobodyAnswersAnyMoreWhateverWasBefore) {
  CircuitBreaker breaker({});
  for (int ms = 0; ms < 1000; ++ms) {
    for (int i = 0; i < 10; ++i) succeed(breaker, kNow + ms * 1ms);
  }
  int ms = 1010;
  for (; ms <= 5000 && breaker.state() == State::closed; ms += 10) fail(breaker, kNow + ms * 1ms);
  EXPECT_EQ(breaker.state(), State::open);
  EXPECT_LE(ms, 2200) << "at the latest when the window has no answer in it any more";
}

TEST(CircuitBreaker, ForgetsFailuresThatAreOlderThanTheWindow) {
  CircuitBreaker breaker({.failures = 2, .lasting = {}, .pause = {.first = 100ms, .longest = 1s}});
  for (int i = 0; i < 10; ++i) fail(breaker, kNow + i * 1200ms);
  EXPECT_EQ(breaker.state(), State::closed);
}

TEST(CircuitBreaker, CountsFromTheStartAgainOnceItWasOpen) {
  CircuitBreaker breaker = breaker_of(3);
  for (int i = 0; i < 3; ++i) fail(breaker, kNow);
  succeed(breaker, kNow + 50ms);
  fail(breaker, kNow + 60ms);
  fail(breaker, kNow + 60ms);
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
  breaker.succeeded(*probe, kNow + 50ms);
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
  succeed(breaker, kNow + 2s);
  fail(breaker, kNow + 3s);
  EXPECT_TRUE(breaker.would_admit(kNow + 3s + 50ms));
}

TEST(CircuitBreaker, IgnoresWhatCallsOfAnEarlierStateReport) {
  CircuitBreaker breaker = breaker_of(1);
  const auto early = breaker.admit(kNow);
  const auto another = breaker.admit(kNow);
  EXPECT_TRUE(breaker.failed(*early, kNow, 0));
  EXPECT_FALSE(breaker.failed(*another, kNow + 49ms, 0)) << "one outage is counted once";
  breaker.succeeded(*another, kNow);
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
