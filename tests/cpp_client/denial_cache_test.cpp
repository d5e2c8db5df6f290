// SPDX-License-Identifier: MIT
#include "ratelimit/client/denial_cache.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace ratelimit::client::tests {
namespace {

using namespace std::chrono_literals;

const Time kNow{1000h};

Answer denied(std::chrono::milliseconds wait, Units limit = Units(10)) {
  Answer answer;
  answer.outcome = Outcome::denied;
  answer.limit = limit;
  answer.wait = wait;
  answer.reset = wait;
  return answer;
}

/// Asked and answered at one instant.
void remember(DenialCache& cache, const std::string& call, const Answer& answer, Time at = kNow) {
  cache.remember(call, answer, at, at);
}

TEST(DenialCache, DeniesUntilTheWaitIsOver) {
  DenialCache cache(10, 1min, 10ms);
  remember(cache, "a", denied(1s, Units(7)));
  const auto answer = cache.find("a", kNow + 1s - 1ns);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->outcome, Outcome::denied);
  EXPECT_EQ(answer->limit, Units(7));
  EXPECT_EQ(answer->source, Source::remembered);
  EXPECT_EQ(answer->wait, 1ms) << "what is left, rounded up";
  EXPECT_EQ(cache.find("a", kNow + 300ms)->wait, 700ms);
  EXPECT_FALSE(cache.find("a", kNow + 1s));
}

TEST(DenialCache, LetsOneCallAskAgainWhenTheWaitIsOverAndDeniesTheOthersMeanwhile) {
  DenialCache cache(10, 1min, 10ms);
  remember(cache, "a", denied(1s));
  EXPECT_FALSE(cache.find("a", kNow + 1s)) << "this one asks";
  for (int i = 0; i < 100; ++i) {
    const auto answer = cache.find("a", kNow + 1s + 5ms);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->outcome, Outcome::denied);
    EXPECT_EQ(answer->wait, 1ms);
  }
  remember(cache, "a", denied(300ms), kNow + 1s + 5ms);
  EXPECT_EQ(cache.find("a", kNow + 1s + 6ms)->wait, 299ms) << "denied again";
}

TEST(DenialCache, LetsAllCallsAskOnceTheOneIsGranted) {
  DenialCache cache(10, 1min, 10ms);
  remember(cache, "a", denied(1s));
  EXPECT_FALSE(cache.find("a", kNow + 1s));
  cache.forget("a");
  EXPECT_FALSE(cache.find("a", kNow + 1s));
  EXPECT_EQ(cache.size(), 0U);
}

TEST(DenialCache, DeniesNobodyForLongerThanAnAnswerTakes) {
  DenialCache cache(10, 1min, 10ms);
  remember(cache, "a", denied(1s));
  EXPECT_FALSE(cache.find("a", kNow + 1s));
  EXPECT_TRUE(cache.find("a", kNow + 1s + 9ms)) << "the one that asks may still be answered";
  EXPECT_FALSE(cache.find("a", kNow + 1s + 10ms));
  EXPECT_FALSE(cache.find("a", kNow + 1s + 10ms));
  EXPECT_EQ(cache.size(), 0U);
  remember(cache, "b", denied(1s));
  EXPECT_FALSE(cache.find("b", kNow + 1h)) << "nobody asked for an hour";
  EXPECT_FALSE(cache.find("b", kNow + 1h)) << "so nobody waits for anybody";
}

TEST(DenialCache, HoldsFromWhenTheServerWasAskedAndWaitsFromTheAnswer) {
  DenialCache cache(10, 1min, 10ms);
  cache.remember("a", denied(1s), kNow, kNow + 200ms);
  EXPECT_EQ(cache.find("a", kNow + 999ms)->wait, 201ms) << "no earlier than the server's own";
  EXPECT_FALSE(cache.find("a", kNow + 1s)) << "no longer than the server's own";
  cache.remember("late", denied(200ms), kNow, kNow + 200ms);
  EXPECT_EQ(cache.size(), 1U) << "that was over before the answer came";
}

TEST(DenialCache, RemembersNoDenialForLongerThanItMay) {
  DenialCache cache(10, 1min, 10ms);
  remember(cache, "a", denied(1h));
  EXPECT_EQ(cache.find("a", kNow + 1min - 1ms)->wait, 59min + 1ms);
  EXPECT_FALSE(cache.find("a", kNow + 1min));
}

TEST(DenialCache, RemembersWhoIsNeverGranted) {
  DenialCache cache(10, 1min, 10ms);
  Answer never = denied(0ms);
  never.outcome = Outcome::never;
  remember(cache, "a", never);
  EXPECT_EQ(cache.find("a", kNow + 59s)->outcome, Outcome::never);
  EXPECT_EQ(cache.find("a", kNow + 59s)->wait, 0ms);
  EXPECT_FALSE(cache.find("a", kNow + 1min));
}

TEST(DenialCache, RemembersNeitherGrantsNorErrors) {
  DenialCache cache(10, 1min, 10ms);
  Answer granted = denied(1s);
  granted.outcome = Outcome::granted;
  remember(cache, "a", granted);
  Answer wrong = denied(1s);
  wrong.source = Source::error;
  remember(cache, "a", wrong);
  EXPECT_EQ(cache.size(), 0U);
}

TEST(DenialCache, DeniesTheVeryCallOnly) {
  DenialCache cache(10, 1min, 10ms);
  remember(cache, "a 5", denied(1s));
  EXPECT_FALSE(cache.find("a 4", kNow));
  EXPECT_FALSE(cache.find("a", kNow));
  EXPECT_FALSE(cache.find("a 55", kNow));
}

TEST(DenialCache, ReplacesADenialByALaterOne) {
  DenialCache cache(10, 1h, 10ms);
  remember(cache, "a", denied(1h, Units(1)));
  remember(cache, "a", denied(1s, Units(2)));
  EXPECT_EQ(cache.find("a", kNow)->limit, Units(2));
  EXPECT_FALSE(cache.find("a", kNow + 1s));
}

TEST(DenialCache, IsBoundedAndForgetsFirstWhatEndsFirst) {
  DenialCache cache(3, 1min, 10ms);
  for (int i = 1; i <= 5; ++i) remember(cache, std::to_string(i), denied(10s - i * 1s));
  EXPECT_EQ(cache.size(), 3U);
  EXPECT_TRUE(cache.find("1", kNow));
  EXPECT_TRUE(cache.find("2", kNow));
  EXPECT_FALSE(cache.find("4", kNow));
}

TEST(DenialCache, GivesTheRoomOfDenialsThatAreOverToNewOnes) {
  DenialCache cache(100, 1min, 10ms);
  for (int i = 0; i < 100; ++i) remember(cache, std::to_string(i), denied(1s));
  remember(cache, "new", denied(3s), kNow + 2s);
  EXPECT_EQ(cache.size(), 1U);
}

TEST(DenialCache, CanBeOff) {
  DenialCache cache(0, 1min, 10ms);
  EXPECT_TRUE(cache.is_off());
  remember(cache, "a", denied(1s));
  EXPECT_FALSE(cache.find("a", kNow));
}

TEST(DenialCache, ForgetsAllDenialsOfASubjectAndNoOther) {
  DenialCache cache(10, 1min, 10ms);
  for (const char* call : {"1:a 1", "1:a 2", "1:b 1", "2:aa 1"}) remember(cache, call, denied(1s));
  cache.forget_all("1:a");
  EXPECT_FALSE(cache.find("1:a 1", kNow));
  EXPECT_FALSE(cache.find("1:a 2", kNow));
  EXPECT_TRUE(cache.find("1:b 1", kNow));
  EXPECT_TRUE(cache.find("2:aa 1", kNow));
  EXPECT_EQ(cache.size(), 2U);
}

}  // namespace
}  // namespace ratelimit::client::tests
