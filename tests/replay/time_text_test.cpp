// SPDX-License-Identifier: MIT
#include "replay/time_text.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>

namespace ratelimit::replay::tests {
namespace {

using namespace std::chrono_literals;

std::int64_t ns_of(std::string_view text) {
  const std::optional<Instant> at = parse_time(text);
  return at ? at->time_since_epoch().count() : -1;
}

TEST(TimeText, ReadsEachFormOfTheSameInstant) {
  constexpr std::int64_t kNs = 1'796'045'200'000'000'000;
  for (const char* text :
       {"30/Nov/2026:13:26:40 +0000", "30/Nov/2026:14:26:40 +0100", "30/Nov/2026:05:56:40 -0730",
        "2026-11-30T13:26:40Z", "2026-11-30T14:26:40+01:00", "2026-11-30 13:26:40", "2026-11-30T13:26:40.000Z",
        "1796045200", "1796045200.000", "1796045200000", "1796045200000000", "1796045200000000000"}) {
    EXPECT_EQ(ns_of(text), kNs) << text;
  }
}

TEST(TimeText, KeepsFractionsOfASecond) {
  EXPECT_EQ(ns_of("1700000000.123456789"), 1'700'000'000'123'456'789);
  EXPECT_EQ(ns_of("1700000000123.5"), 1'700'000'000'123'500'000);
  EXPECT_EQ(ns_of("2023-11-14T22:13:20.25Z"), 1'700'000'000'250'000'000);
  EXPECT_EQ(ns_of("2023-11-14T22:13:20.1234567891Z"), 1'700'000'000'123'456'789);
}

TEST(TimeText, RefusesWhatIsNoTime) {
  for (const char* text :
       {"", "x", "-1", "1700000000x", "1700000000.", "30/Nov/2026", "31/Feb/2026:00:00:00 +0000",
        "30/Nov/2026:24:00:00 +0000", "30/Nov/1969:00:00:00 +0000", "2026-11-30T13:26", "2026-13-30T13:26:40Z",
        "2026-11-30T13:26:40+99:00", "99999999999999999999", "2026-11-30T13:26:40Zx"}) {
    EXPECT_EQ(ns_of(text), -1) << text;
  }
}

TEST(TimeText, WritesInstantsAndLengths) {
  EXPECT_EQ(text_of_instant(Instant{1'700'000'000s}), "2023-11-14 22:13:20");
  EXPECT_EQ(text_of_instant(Instant{1'700'000'000'007ms}), "2023-11-14 22:13:20.007");
  EXPECT_EQ(text_of_length(1ns), "1 ms");
  EXPECT_EQ(text_of_length(12'500ms), "12.5 s");
  EXPECT_EQ(text_of_length(3600s), "1 h");
  EXPECT_EQ(text_of_length(51h), "2 d 3 h");
}

}  // namespace
}  // namespace ratelimit::replay::tests
