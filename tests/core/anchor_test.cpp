// SPDX-License-Identifier: MIT
#include "ratelimit/algorithms/anchor.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>

#include "random.h"

namespace ratelimit::tests {
namespace {

using std::chrono::days;
using std::chrono::local_days;
using namespace std::chrono_literals;

static_assert(!Anchor().is_given() && Anchor().is_valid());
static_assert(parse_anchor("2026-01-31") == Anchor(local_days{2026y / 1 / 31}));
static_assert(parse_anchor("2026-01-31T06:05") == Anchor(local_days{2026y / 1 / 31} + 6h + 5min));

TEST(Anchor, IsReadInOneForm) {
  for (const std::string_view text : {"",
                                      "2026",
                                      "2026-01",
                                      "2026-1-31",
                                      "26-01-31",
                                      "02026-01-31",
                                      "2026/01/31",
                                      "20260131",
                                      "2026-01-31 06:00",
                                      "2026-01-31t06:00",
                                      "2026-01-31T",
                                      "2026-01-31T6:00",
                                      "2026-01-31T06",
                                      "2026-01-31T06:0",
                                      "2026-01-31T0600",
                                      "2026-01-31T06:00:00",
                                      "2026-01-31T06:00Z",
                                      "2026-01-31T06:00+01:00",
                                      " 2026-01-31",
                                      "2026-01-31 ",
                                      "+026-01-31",
                                      "-026-01-31",
                                      "2026--1-31",
                                      "2026-+1-31",
                                      "2026-01-3x",
                                      "2026-01-31T06:-1",
                                      "2026-01-31T+6:00",
                                      "2026-Jan-31",
                                      "31-01-2026",
                                      "today",
                                      "DAY",
                                      "xxxx-xx-xx",
                                      "2026-01-31T06:00 "}) {
    EXPECT_FALSE(parse_anchor(text)) << text;
  }
  EXPECT_FALSE(parse_anchor(std::string_view("2026-01-31\0", 11)));
  EXPECT_FALSE(parse_anchor(std::string_view("2026-01-\0\0", 10)));
  EXPECT_FALSE(parse_anchor(std::string(1'000'000, '1')));
}

TEST(Anchor, IsADayThatTheCalendarHas) {
  for (const std::string_view text :
       {"2026-02-30", "2026-02-29", "2100-02-29", "2026-04-31", "2026-00-10", "2026-13-10", "2026-01-00", "2026-01-32",
        "2026-99-99", "2026-01-31T24:00", "2026-01-31T23:60", "2026-01-31T99:99"}) {
    EXPECT_FALSE(parse_anchor(text)) << text;
  }
  EXPECT_TRUE(parse_anchor("2024-02-29"));
  EXPECT_TRUE(parse_anchor("2000-02-29T23:59"));
}

TEST(Anchor, IsFrom1970To2199) {
  EXPECT_EQ(parse_anchor("1970-01-01").value(), Anchor(Anchor::kEarliest));
  EXPECT_EQ(parse_anchor("2199-12-31T23:59").value(), Anchor(Anchor::kLatest));
  for (const std::string_view text : {"1969-12-31T23:59", "1969-12-31", "2200-01-01", "0000-01-01", "9999-12-31"}) {
    EXPECT_FALSE(parse_anchor(text)) << text;
  }
  EXPECT_FALSE(Anchor(Anchor::kEarliest - 1min).is_valid());
  EXPECT_FALSE(Anchor(Anchor::kLatest + 1min).is_valid());
  EXPECT_FALSE(Anchor(LocalMinute::min()).is_valid());
  EXPECT_FALSE(Anchor(LocalMinute::max()).is_valid());
  EXPECT_TRUE(Anchor(Anchor::kEarliest).is_given()) << "the first minute is not none";
  EXPECT_TRUE(Anchor(LocalMinute::max()).is_given()) << "nor is a wrong one";
}

TEST(Anchor, IsWrittenAsItIsReadAndMidnightWithoutATime) {
  EXPECT_EQ(text_of(parse_anchor("2026-01-31T00:00").value()), "2026-01-31");
  EXPECT_EQ(text_of(parse_anchor("2026-11-05T06:07").value()), "2026-11-05T06:07");
  Random random(test_seed());
  for (LocalMinute at = Anchor::kEarliest; at <= Anchor::kLatest; at += std::chrono::minutes{random.between(1, 2000)}) {
    const std::string text = text_of(Anchor(at));
    ASSERT_EQ(parse_anchor(text), Anchor(at)) << text;
    ASSERT_EQ(Anchor(at).minute(), at);
  }
}

}  // namespace
}  // namespace ratelimit::tests
