// SPDX-License-Identifier: MIT
#include "keyspace/missing_zones.h"

#include <gtest/gtest.h>

#include <string>

namespace ratelimit {
namespace {

constexpr MissingZones::Time kNow{};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(MissingZones, AreToldWithTheKey) {
  MissingZones zones;
  const std::string text = zones.note("Asia/Tokyo", "user:1", kNow);
  EXPECT_TRUE(has(text, "Asia/Tokyo")) << text;
  EXPECT_TRUE(has(text, "\"user:1\"")) << text;
}

TEST(MissingZones, AreToldOnceInAWhileEach) {
  MissingZones zones;
  EXPECT_NE(zones.note("Asia/Tokyo", "a", kNow), "");
  EXPECT_EQ(zones.note("Asia/Tokyo", "a", kNow + MissingZones::kPause - std::chrono::seconds{1}), "");
  EXPECT_NE(zones.note("Asia/Tokyo", "b", kNow), "") << "each key is named";
  EXPECT_NE(zones.note("Europe/Paris", "b", kNow), "") << "and each zone";
  EXPECT_NE(zones.note("Asia/Tokyo", "a", kNow + MissingZones::kPause), "");
}

TEST(MissingZones, DoNotFillTheLogHoweverManyAreNamed) {
  MissingZones zones;
  std::size_t lines = 0;
  for (int i = 0; i < 10'000; ++i) lines += zones.note("Zone/" + std::to_string(i), "k", kNow).empty() ? 0 : 1;
  EXPECT_EQ(zones.note("Zone/1", "other", kNow), "");
  EXPECT_EQ(lines, MissingZones::kMost);
  EXPECT_NE(zones.note("Asia/Tokyo", "k", kNow + MissingZones::kPause), "");
}

TEST(MissingZones, ShowAnyNameOfAKeyInOneLine) {
  MissingZones zones;
  EXPECT_TRUE(has(zones.note("A", "a\nb\"\\\xff", kNow), R"("a\x0ab\x22\x5c\xff")"));
  EXPECT_LT(zones.note("B", std::string(100'000, 'x'), kNow).size(), 500U);
}

}  // namespace
}  // namespace ratelimit
