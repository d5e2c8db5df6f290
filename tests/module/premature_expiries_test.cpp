// SPDX-License-Identifier: MIT
// States of keys that the server ended too early are kept, for as long as they count.
#include "keyspace/premature_expiries.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace ratelimit {
namespace {

using std::chrono::seconds;

constexpr Instant kNow{seconds(1'800'000'000)};
constexpr server::KeyName kKey{0, "key"};

TEST(PrematureExpiries, KeepTheStateOfAKeyThatExpired) {
  PrematureExpiries kept;
  EXPECT_TRUE(kept.empty());
  kept.note_removed(kKey, "state", kNow + seconds(10));
  kept.note_expired(kKey, kNow);
  EXPECT_EQ(kept.find(kKey, kNow), "state");
  kept.forget(kKey);
  EXPECT_EQ(kept.find(kKey, kNow), std::nullopt);
}

TEST(PrematureExpiries, KeepNothingOfAKeyThatWasRemovedForAnotherReason) {
  PrematureExpiries kept;
  kept.note_removed(kKey, "state", kNow + seconds(10));
  kept.note_expired({0, "another"}, kNow);
  EXPECT_EQ(kept.find(kKey, kNow), std::nullopt);
}

TEST(PrematureExpiries, TellDatabasesApart) {
  PrematureExpiries kept;
  kept.note_removed({1, "key"}, "state", kNow + seconds(10));
  kept.note_expired({1, "key"}, kNow);
  EXPECT_EQ(kept.find(kKey, kNow), std::nullopt);
  EXPECT_EQ(kept.find({1, "key"}, kNow), "state");
}

TEST(PrematureExpiries, ForgetWhatHasBecomeIdle) {
  PrematureExpiries kept;
  for (int i = 0; i < 100; ++i) {
    const std::string name = std::to_string(i);
    kept.note_removed({0, name}, "state", kNow + seconds(10));
    kept.note_expired({0, name}, kNow);
  }
  EXPECT_EQ(kept.find({0, "7"}, kNow + seconds(10)), std::nullopt);
  for (int i = 0; i < 50; ++i) kept.note_expired(kKey, kNow + seconds(10));
  EXPECT_TRUE(kept.empty());
}

TEST(PrematureExpiries, KeepABoundedNumber) {
  PrematureExpiries kept;
  for (int i = 0; i < 70'000; ++i) {
    const std::string name = std::to_string(i);
    kept.note_removed({0, name}, "state", kNow + seconds(10));
    kept.note_expired({0, name}, kNow);
  }
  EXPECT_EQ(kept.find({0, "0"}, kNow), "state");
  EXPECT_EQ(kept.find({0, "69999"}, kNow), std::nullopt);
}

}  // namespace
}  // namespace ratelimit
