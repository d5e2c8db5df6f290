// SPDX-License-Identifier: MIT
#include "ratelimit/client/policy_text.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>

namespace ratelimit::client::tests {
namespace {

using namespace std::chrono_literals;

class AnyZone : public Zone {
 public:
  [[nodiscard]] Span offset_at(Instant) const override { return 1h; }
  [[nodiscard]] Instant begin_of(std::chrono::local_days day, Span time) const override {
    return Instant(day.time_since_epoch()) + time - 1h;
  }
};

TEST(PolicyText, IsAPolicyAsAProgramWritesIt) {
  using namespace std::chrono;
  const AnyZone zone;
  const ZoneFinder zones = [&zone](std::string_view name) { return name == "Europe/Berlin" ? &zone : nullptr; };
  const auto name_of = [&zones](std::string_view text) {
    const ParsedPolicy parsed = parse_policy(text, zones);
    return parsed.policy ? parsed.policy->name() : parsed.error;
  };
  EXPECT_EQ(name_of("TOKENBUCKET 20 10 1s AS burst"), Policy({as("burst", token_bucket(20, 10, 1s))}).name());
  EXPECT_EQ(name_of(" leakybucket 5 1 250ms\n"), Policy({leaky_bucket(5, 1, 250ms)}).name());
  EXPECT_EQ(name_of("FIXED 100 60 Aligned"), Policy({fixed_aligned(100, 1min)}).name());
  EXPECT_EQ(name_of("SLIDING 3 1m APPROX SLIDING 9 1h"), Policy({sliding_approx(3, 1min), sliding(9, 1h)}).name());
  EXPECT_EQ(
      name_of("QUOTA 9 day TZ Europe/Berlin ANCHOR 2026-01-05T06:00"),
      Policy({anchored(local_days{2026y / 1 / 5} + 6h, quota(9, CalendarUnit::day, "Europe/Berlin", &zone))}).name());
  EXPECT_EQ(name_of("QUOTA 9 QUARTER TZ UTC"), Policy({quota(9, CalendarUnit::quarter)}).name());
  EXPECT_EQ(name_of("CONCURRENT 3 30s PER REQUEST FIXED 0 1d"),
            Policy({per_request(concurrent(3, 30s)), fixed(0, 24h)}).name());
}

TEST(PolicyText, SaysWhichWordIsWrongAndWhatWouldBeRight) {
  const auto error_of = [](std::string_view text) { return parse_policy(text).error; };
  EXPECT_EQ(error_of(""), "limits is missing: it must be one to eight limits, such as TOKENBUCKET 20 10 1s");
  EXPECT_EQ(error_of("TOKENBUCKET twenty 10 1s"), "capacity must be an integer from 0 to 4294967295");
  EXPECT_EQ(error_of("TOKENBUCKET 20 10"),
            "period is missing: it must be a duration from 1ms to 3650d, such as 500ms, 10s, 1m, 2h or 1d; without a "
            "unit, seconds; write TOKENBUCKET capacity refill period, such as TOKENBUCKET 20 10 1s");
  EXPECT_EQ(error_of("TOKENBUCKET 4294967295 1 1d"),
            "refill must be large enough for the bucket to refill from empty within 3650d");
  EXPECT_EQ(error_of("FIXED 1 1s ALIGNED aligned"), "ALIGNED is given twice");
  const std::string expected =
      "expected a limit (TOKENBUCKET, LEAKYBUCKET, FIXED, SLIDING, QUOTA or CONCURRENT and its numbers); after a "
      "limit: "
      "ALIGNED (FIXED), APPROX (SLIDING), ANCHOR date (QUOTA), TZ zone (QUOTA), AS label, PER REQUEST";
  EXPECT_EQ(error_of("FIXED 1 1s APPROX"), "syntax error at argument 4: " + expected);
  EXPECT_EQ(error_of("AS burst"), "syntax error at argument 1: " + expected);
  EXPECT_EQ(error_of("FIXED 1 1s COST 2"), "syntax error at argument 4: " + expected) << "that is no part of a limit";
  EXPECT_EQ(error_of("FIXED 1 1s PER"), "PER must be followed by REQUEST");
  EXPECT_EQ(error_of("FIXED 1 1s AS a FIXED 2 1s AS a"), "label must be different for each limit of a call");
  EXPECT_EQ(error_of("QUOTA 9 DAY TZ Europe/Berlin"),
            "TZ must be a time zone that is known here by its IANA name, such as Europe/Berlin, or UTC");
  std::string nine;
  for (int i = 0; i < 9; ++i) nine += "FIXED 1 1s ";
  EXPECT_EQ(error_of(nine), "limits must be at most 8");
}

}  // namespace
}  // namespace ratelimit::client::tests
