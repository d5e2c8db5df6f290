// SPDX-License-Identifier: MIT
// Which limits of the server the limits of rules become, and how a status shows them.
#include "rule_limits.h"
#include "support.h"
#include "zones.h"

namespace ratelimit::service::envoy {
namespace {

std::string per(Unit unit) { return words_of(limiter_of("k", limit_of(5, unit), "", false)); }

Limiter of_text(std::string_view text, const client::ZoneFinder& zones = {}) {
  auto read = limiters_of("k", text, "name", false, zones);
  EXPECT_TRUE(std::holds_alternative<std::vector<Limiter>>(read)) << text;
  return std::get<std::vector<Limiter>>(read).front();
}

TEST(RuleLimits, OfShortUnitsAreAlignedWindows) {
  EXPECT_EQ(per(Unit::second), "FIXED 5 1s ALIGNED");
  EXPECT_EQ(per(Unit::minute), "FIXED 5 1m ALIGNED");
  EXPECT_EQ(per(Unit::hour), "FIXED 5 1h ALIGNED");
  EXPECT_EQ(per(Unit::day), "FIXED 5 1d ALIGNED");
}
TEST(RuleLimits, OfLongUnitsAreOfTheCalendar) {
  EXPECT_EQ(per(Unit::week), "QUOTA 5 WEEK");
  EXPECT_EQ(per(Unit::month), "QUOTA 5 MONTH");
  EXPECT_EQ(per(Unit::year), "QUOTA 5 YEAR");
}
TEST(RuleLimits, CanBeClosed) {
  EXPECT_EQ(words_of(limiter_of("k", limit_of(0, Unit::second), "", false)), "FIXED 0 1s ALIGNED");
}
TEST(RuleLimits, CanBeAsLargeAsTheProtocolSays) {
  EXPECT_EQ(words_of(limiter_of("k", limit_of(4294967295, Unit::day), "", false)), "FIXED 4294967295 1d ALIGNED");
}
TEST(RuleLimits, AreShownWithTheirUnit) {
  EXPECT_EQ(shown(limit_of(5, Unit::month), "n"), (CurrentLimit{5, Unit::month, "n"}));
  EXPECT_EQ(shown(limit_of(5, Unit::second), ""), (CurrentLimit{5, Unit::second, ""}));
}
TEST(RuleLimits, OfOursAreShownWithTheUnitTheyHave) {
  EXPECT_EQ(of_text("SLIDING 7 1h").shown, (CurrentLimit{7, Unit::hour, "name"}));
  EXPECT_EQ(of_text("FIXED 7 1d").shown, (CurrentLimit{7, Unit::day, "name"}));
  EXPECT_EQ(of_text("QUOTA 7 YEAR").shown, (CurrentLimit{7, Unit::year, "name"}));
  EXPECT_EQ(of_text("QUOTA 7 QUARTER").shown, (CurrentLimit{7, Unit::unknown, "name"}));
  EXPECT_EQ(of_text("FIXED 7 90s").shown, (CurrentLimit{7, Unit::unknown, "name"}));
  EXPECT_EQ(of_text("TOKENBUCKET 20 10 1s").shown, (CurrentLimit{20, Unit::unknown, "name"}));
}
TEST(RuleLimits, LargerThanTheProtocolAreShownAsItsLargest) {
  EXPECT_EQ(of_text("FIXED 9007199254740991 1d").shown.requests_per_unit, 4294967295U);
}
TEST(RuleLimits, CanHaveATimeZoneOfTheSystem) {
  const Limiter limiter = of_text("QUOTA 1000 MONTH TZ Europe/Prague", system_zone);
  EXPECT_EQ(words_of(limiter), "QUOTA 1000 MONTH TZ Europe/Prague");
  const auto unknown = limiters_of("k", "QUOTA 1 DAY TZ Europe/Nowhere", "", false, system_zone);
  EXPECT_TRUE(std::holds_alternative<std::string>(unknown));
}
TEST(RuleLimits, OfALimiterAreNotSentWithItsCalls) {
  const Limiter limiter = of_text("FIXED 7 1d");
  EXPECT_TRUE(limiter.stored.words().empty());
  ASSERT_NE(limiter.stored.limits(), nullptr) << "they decide without the server";
  EXPECT_EQ((*limiter.stored.limits())[0].size(), Units(7));
  EXPECT_EQ(limiter.sent.words(), limiter.words);
}
TEST(RuleLimits, OnTrialDenyNobodyWithoutTheServerEither) {
  const Limiter limiter = limiter_of("k", limit_of(0, Unit::second), "", true);
  EXPECT_EQ((*limiter.stored.limits())[0].size(), kMaxUnits);
}
TEST(RuleLimits, HaveTheirLabels) {
  EXPECT_EQ(limiter_of("k", limit_of(5, Unit::day), "", false).label, "fixed");
  EXPECT_EQ(of_text("FIXED 7 1d AS daily").label, "daily");
}

}  // namespace
}  // namespace ratelimit::service::envoy
