#include "ratelimit/client/denial_cache.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace ratelimit::client::tests {
namespace {

using namespace std::chrono_literals;
using Memory = Denials<int>;

const Time kNow{1000h};

Memory::Denial until(Time end, int answer = 0) {
  return {.holds_until = end, .wait_until = end, .reset_at = end, .answer = answer};
}

TEST(Denials, HoldUntilTheirWaitIsOver) {
  Memory denials(10);
  denials.remember("a", until(kNow + 1s, 7), kNow);
  ASSERT_NE(denials.find("a", kNow + 1s - 1ns), nullptr);
  EXPECT_EQ(denials.find("a", kNow)->answer, 7);
  EXPECT_EQ(denials.find("a", kNow + 1s), nullptr);
  EXPECT_EQ(denials.size(), 0U);
}

TEST(Denials, AreThoseOfTheVeryCall) {
  Memory denials(10);
  denials.remember("a 5", until(kNow + 1s), kNow);
  EXPECT_EQ(denials.find("a 4", kNow), nullptr);
  EXPECT_EQ(denials.find("a", kNow), nullptr);
  EXPECT_EQ(denials.find("a 55", kNow), nullptr);
}

TEST(Denials, AreReplacedByALaterOne) {
  Memory denials(10);
  denials.remember("a", until(kNow + 1h, 1), kNow);
  denials.remember("a", until(kNow + 1s, 2), kNow);
  EXPECT_EQ(denials.find("a", kNow)->answer, 2);
  EXPECT_EQ(denials.find("a", kNow + 1s), nullptr);
  EXPECT_EQ(denials.size(), 0U);
}

TEST(Denials, AreBoundedAndTheOneThatEndsFirstGoes) {
  Memory denials(3);
  for (int i = 1; i <= 5; ++i) denials.remember(std::to_string(i), until(kNow + 10s - i * 1s), kNow);
  EXPECT_EQ(denials.size(), 3U);
  EXPECT_NE(denials.find("1", kNow), nullptr);
  EXPECT_NE(denials.find("2", kNow), nullptr);
  EXPECT_EQ(denials.find("4", kNow), nullptr);
}

TEST(Denials, ThatAreOverMakeRoom) {
  Memory denials(100);
  for (int i = 0; i < 100; ++i) denials.remember(std::to_string(i), until(kNow + 1s), kNow);
  denials.remember("new", until(kNow + 3s), kNow + 2s);
  EXPECT_EQ(denials.size(), 1U);
}

TEST(Denials, AreNotRememberedIfTheyAreOverOrNoneMayBe) {
  Memory denials(10);
  denials.remember("a", until(kNow), kNow);
  EXPECT_EQ(denials.size(), 0U);
  Memory nothing(0);
  nothing.remember("a", until(kNow + 1s), kNow);
  EXPECT_EQ(nothing.find("a", kNow), nullptr);
}

TEST(Denials, OfASubjectAreForgottenTogetherAndThoseOfOthersNot) {
  Memory denials(10);
  for (const char* call : {"1:a 1", "1:a 2", "1:b 1", "2:aa 1"}) denials.remember(call, until(kNow + 1s), kNow);
  denials.forget_all("1:a");
  EXPECT_EQ(denials.find("1:a 1", kNow), nullptr);
  EXPECT_EQ(denials.find("1:a 2", kNow), nullptr);
  EXPECT_NE(denials.find("1:b 1", kNow), nullptr);
  EXPECT_NE(denials.find("2:aa 1", kNow), nullptr);
  EXPECT_EQ(denials.size(), 2U);
}

}  // namespace
}  // namespace ratelimit::client::tests
