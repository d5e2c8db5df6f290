// SPDX-License-Identifier: MIT
#include "ratelimit/client/slot_map.h"

#include <gtest/gtest.h>

#include <string>

namespace ratelimit::client::tests {
namespace {

// By CLUSTER KEYSLOT of a server.
TEST(Slots, AreThoseOfTheServer) {
  EXPECT_EQ(slot_of(""), 0U);
  EXPECT_EQ(slot_of("foo"), 12182U);
  EXPECT_EQ(slot_of("somekey"), 11058U);
  EXPECT_EQ(slot_of("123456789"), 12739U);
}

TEST(Slots, OfAHashTagAreThoseOfWhatIsInIt) {
  EXPECT_EQ(slot_of("foo{hash_tag}"), slot_of("hash_tag"));
  EXPECT_EQ(slot_of("{user1000}.following"), slot_of("user1000"));
  EXPECT_EQ(slot_of("foo{bar}{zap}"), slot_of("bar"));
  EXPECT_EQ(slot_of("foo{{bar}}zap"), slot_of("{bar"));
}

TEST(Slots, OfNoHashTagAreThoseOfTheWholeKey) {
  for (const char* key : {"foo{}{bar}", "foo{bar", "foo}bar{", "{}"}) {
    EXPECT_EQ(slot_of(key), crc16(key) % kSlots) << key;
  }
}

TEST(SlotMap, KnowsWhatItLearntLast) {
  SlotMap map;
  EXPECT_FALSE(map.owner_of(0));
  map.learn(0, 0);
  map.learn(kSlots - 1, 1023);
  EXPECT_EQ(map.owner_of(0), 0U);
  EXPECT_EQ(map.owner_of(kSlots - 1), 1023U);
  map.learn(0, 2);
  EXPECT_EQ(map.owner_of(0), 2U);
  map.forget(0);
  EXPECT_FALSE(map.owner_of(0));
}

}  // namespace
}  // namespace ratelimit::client::tests
