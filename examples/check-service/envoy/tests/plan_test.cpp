// SPDX-License-Identifier: MIT
// What a request asks of the backend: which keys, at what cost, in how many steps; and which requests are refused.
#include "plan.h"

#include <chrono>

#include "support.h"

namespace ratelimit::service::envoy {
namespace {

using client::Source;
using namespace std::chrono_literals;

constexpr const char* kRules = R"(
domain: d
descriptors:
  - {key: user, rate_limit: {unit: minute, requests_per_unit: 10}}
  - {key: path, limit: FIXED 5 1s}
  - {key: two, limit: FIXED 5 1s AS short FIXED 50 1h AS long}
  - {key: free, rate_limit: {unlimited: true}}
  - {key: files, value: f*, share_threshold: true, limit: FIXED 5 1s}
  - {key: trial, shadow_mode: true, limit: FIXED 5 1s}
  - {key: tokens, force: true, limit: FIXED 1000 1d}
  - {key: quota1, quota_mode: true, limit: FIXED 1 1m}
  - {key: quota2, quota_mode: true, limit: FIXED 2 1m}
)";

/// A question as a line: its key, its subject, its cost, and the limits that it names.
std::string text_of(const Question& question) {
  std::string text = question.key + " " + question.subject + " " + std::to_string(question.cost.count());
  for (const std::string& word : question.policy.words()) text.append(" ").append(word);
  return text;
}
std::string text_of(const Step* step) {
  if (step == nullptr) return "nothing";
  constexpr const char* kVerbs[] = {"check", "check_all", "charge", "refund"};
  std::string text = kVerbs[static_cast<int>(step->verb)];
  for (const Question& question : step->questions) text.append("\n").append(text_of(question));
  return text;
}

class PlanTest : public testing::Test {
 protected:
  Plan plan(Request request) {
    request_ = std::move(request);
    return {rules_, request_, settings_};
  }
  Plan plan(std::vector<std::vector<Entry>> descriptors) { return plan(request_of("d", std::move(descriptors))); }
  std::string first(Request request) { return text_of(plan(std::move(request)).next()); }
  std::string first(std::vector<std::vector<Entry>> descriptors) {
    return first(request_of("d", std::move(descriptors)));
  }
  std::string refusal(Request request) {
    const Plan refused = plan(std::move(request));
    EXPECT_EQ(refused.next(), nullptr);
    EXPECT_EQ(refused.response().failure, Failure::refused);
    return refused.response().error;
  }

  static Answer granted(std::int64_t remaining) { return answer_of(Outcome::granted, remaining); }
  static Answer denied() { return answer_of(Outcome::denied, 0, 30s); }

  const std::shared_ptr<const Rules> rules_ = rules_of(kRules);
  PlanSettings settings_{};
  Request request_{};
};

TEST_F(PlanTest, OneDescriptorIsOneCheck) { EXPECT_EQ(first({{{"user", "bob"}}}), "check\nenvoy:{d}:user bob 1"); }
TEST_F(PlanTest, SeveralDescriptorsAreOneCheckOfAll) {
  EXPECT_EQ(first({{{"user", "bob"}}, {{"path", "/"}}}), "check_all\nenvoy:{d}:user bob 1\nenvoy:{d}:path / 1");
}
TEST_F(PlanTest, SeveralLimitsOfARuleAreSeveralQuestions) {
  EXPECT_EQ(first({{{"two", "x"}}}), "check_all\nenvoy:{d}:two#short x 1\nenvoy:{d}:two#long x 1");
}
TEST_F(PlanTest, NothingIsAskedWithoutARule) {
  EXPECT_EQ(first({{{"other", "x"}}}), "nothing");
  EXPECT_EQ(first(std::vector<std::vector<Entry>>(1)), "nothing");
  EXPECT_EQ(first(request_of("other", {{{"user", "bob"}}})), "nothing");
  EXPECT_EQ(first({{{"free", "x"}}}), "nothing");
}
TEST_F(PlanTest, EqualDescriptorsAreOneQuestionThatCostsBoth) {
  EXPECT_EQ(first({{{"user", "bob"}}, {{"user", "bob"}}}), "check\nenvoy:{d}:user bob 2");
}
TEST_F(PlanTest, DescriptorsOfOneThresholdAreOneQuestion) {
  EXPECT_EQ(first({{{"files", "fa"}}, {{"files", "fb"}}}), "check\nenvoy:{d}:files=f*  2");
}

// --- hits --------------------------------------------------------------------------------------------

TEST_F(PlanTest, HitsOfTheRequestAreForAllDescriptors) {
  Request request = request_of("d", {{{"user", "bob"}}, {{"path", "/"}}});
  request.hits_addend = 3;
  EXPECT_EQ(first(request), "check_all\nenvoy:{d}:user bob 3\nenvoy:{d}:path / 3");
}
TEST_F(PlanTest, HitsOfADescriptorComeFirst) {
  Request request = request_of("d", {{{"user", "bob"}}, {{"path", "/"}}});
  request.hits_addend = 3;
  request.descriptors[1].hits_addend = 7;
  EXPECT_EQ(first(request), "check_all\nenvoy:{d}:user bob 3\nenvoy:{d}:path / 7");
}
TEST_F(PlanTest, NoHitsOnlyLook) {
  Request request = request_of("d", {{{"user", "bob"}}});
  request.descriptors[0].hits_addend = 0;
  EXPECT_EQ(first(request), "check_all\nenvoy:{d}:user bob 0");
}
TEST_F(PlanTest, NegativeHitsAreGivenBackAfterTheRestIsGranted) {
  Request request = request_of("d", {{{"user", "bob"}}, {{"path", "/"}}});
  request.descriptors[1].hits_addend = 4;
  request.descriptors[1].is_negative_hits = true;
  Plan asked = plan(request);
  EXPECT_EQ(text_of(asked.next()), "check\nenvoy:{d}:user bob 1");
  asked.take(granted(9), {});
  EXPECT_EQ(text_of(asked.next()), "refund\nenvoy:{d}:path / 4");
  asked.take({}, {granted(0)});
  EXPECT_EQ(asked.next(), nullptr);
  EXPECT_EQ(asked.response().overall_code, Code::ok);
}
TEST_F(PlanTest, ADeniedRequestGivesNothingBack) {
  Request request = request_of("d", {{{"user", "bob"}}, {{"path", "/"}}});
  request.descriptors[1].is_negative_hits = true;
  Plan asked = plan(request);
  asked.take(denied(), {});
  EXPECT_EQ(asked.next(), nullptr);
  EXPECT_EQ(asked.response().overall_code, Code::over_limit);
}
TEST_F(PlanTest, NegativeHitsAloneAreARefundAtOnce) {
  Request request = request_of("d", {{{"user", "bob"}}, {{"user", "bob"}}});
  for (Descriptor& descriptor : request.descriptors) descriptor.is_negative_hits = true;
  request.hits_addend = 2;
  EXPECT_EQ(first(request), "refund\nenvoy:{d}:user bob 4");
}
TEST_F(PlanTest, NegativeNothingIsNothing) {
  Request request = request_of("d", {{{"user", "bob"}}});
  request.descriptors[0].hits_addend = 0;
  request.descriptors[0].is_negative_hits = true;
  EXPECT_EQ(first(request), "nothing");
}
TEST_F(PlanTest, HitsThatHaveHappenedAreForcedAfterTheRestIsGranted) {
  Request request = request_of("d", {{{"user", "bob"}}, {{"tokens", "bob"}}});
  request.descriptors[1].hits_addend = 5000;
  Plan asked = plan(request);
  asked.take(granted(9), {});
  EXPECT_EQ(text_of(asked.next()), "charge\nenvoy:{d}:tokens bob 5000");
  EXPECT_EQ(asked.next()->questions.front().mode, Mode::force);
}
TEST_F(PlanTest, ALookAtAForcedRuleIsALook) {
  Request request = request_of("d", {{{"tokens", "bob"}}});
  request.descriptors[0].hits_addend = 0;
  EXPECT_EQ(first(request), "check_all\nenvoy:{d}:tokens bob 0");
}

// --- limits that come with a request -----------------------------------------------------------------

TEST_F(PlanTest, ALimitOfTheRequestIsSentWithItsOwnKey) {
  Request request = request_of("d", {{{"any", "x"}, {"sub", "y"}}});
  request.descriptors[0].limit = LimitOverride{42, Unit::hour};
  EXPECT_EQ(first(request), "check\nenvoy:{d}!hour:any|sub| x|y 1 FIXED 42 1h ALIGNED");
}
TEST_F(PlanTest, ALimitOfTheRequestMayHaveAWindowOfSeveralUnits) {
  Request request = request_of("d", {{{"user", "bob"}}});
  request.descriptors[0].limit = LimitOverride{42, Unit::minute, 10};
  EXPECT_EQ(first(request), "check\nenvoy:{d}!10minute:user| bob 1 FIXED 42 10m ALIGNED");
  request.descriptors[0].limit = LimitOverride{42, Unit::day, 3650};
  EXPECT_EQ(first(request), "check\nenvoy:{d}!3650day:user| bob 1 FIXED 42 3650d ALIGNED");
}
TEST_F(PlanTest, AWindowThatNoLimitHasIsRefused) {
  Request request = request_of("d", {{{"user", "bob"}}});
  for (const LimitOverride& limit :
       {LimitOverride{42, Unit::minute, 0}, LimitOverride{42, Unit::day, 3651}, LimitOverride{42, Unit::second, ~0U},
        LimitOverride{42, Unit::month, 3}, LimitOverride{42, Unit::year, 2}}) {
    request.descriptors[0].limit = limit;
    EXPECT_EQ(refusal(request),
              "the unit_multiplier of a descriptor must be at least 1, 1 for MONTH and YEAR, and at most 3650 days");
  }
}
TEST_F(PlanTest, BesideALimitOfTheRequestRulesNameTheirs) {
  Request request = request_of("d", {{{"user", "bob"}}, {{"two", "x"}}});
  request.descriptors[0].limit = LimitOverride{42, Unit::month};
  EXPECT_EQ(first(request),
            "check_all\nenvoy:{d}!month:user| bob 1 QUOTA 42 MONTH\n"
            "envoy:{d}:two#short x 1 FIXED 5 1s AS short\nenvoy:{d}:two#long x 1 FIXED 50 1h AS long");
}
TEST_F(PlanTest, OfTwoLimitsForOneSubjectTheSmallerCounts) {
  Request request = request_of("d", {{{"user", "bob"}}, {{"user", "bob"}}});
  request.descriptors[0].limit = LimitOverride{42, Unit::hour};
  request.descriptors[1].limit = LimitOverride{7, Unit::hour};
  EXPECT_EQ(first(request), "check\nenvoy:{d}!hour:user| bob 2 FIXED 7 1h ALIGNED");
}
TEST_F(PlanTest, ALimitOfTheRequestIsNothingInAnUnknownDomain) {
  Request request = request_of("other", {{{"user", "bob"}}});
  request.descriptors[0].limit = LimitOverride{42, Unit::hour};
  EXPECT_EQ(first(request), "nothing");
}
TEST_F(PlanTest, ALimitOfTheRequestHasAKnownUnit) {
  Request request = request_of("d", {{{"user", "bob"}}});
  for (const Unit unit : {Unit::unknown, static_cast<Unit>(8), static_cast<Unit>(255)}) {
    request.descriptors[0].limit = LimitOverride{42, unit};
    EXPECT_EQ(refusal(request), "the limit of a descriptor has no known unit");
  }
}

// --- refused requests --------------------------------------------------------------------------------

TEST_F(PlanTest, RefusesARequestWithoutADomain) {
  EXPECT_EQ(refusal(request_of("", {{{"user", "bob"}}})), "rate limit domain must not be empty");
}
TEST_F(PlanTest, RefusesARequestWithoutDescriptors) {
  EXPECT_EQ(refusal(request_of("d", {})), "rate limit descriptor list must not be empty");
}
TEST_F(PlanTest, RefusesMoreThan64DifferentDescriptors) {
  std::vector<std::vector<Entry>> descriptors;
  for (int i = 0; i < 64; ++i) descriptors.push_back({{"user", std::to_string(i)}});
  EXPECT_EQ(plan(descriptors).next()->questions.size(), 64U);
  for (int i = 0; i < 64; ++i) descriptors.push_back({{"user", std::to_string(i)}});
  EXPECT_EQ(plan(descriptors).next()->questions.size(), 64U) << "equal ones are one";
  descriptors.push_back({{"user", "one more"}});
  EXPECT_EQ(refusal(request_of("d", descriptors)), "a request has at most 64 different descriptors with limits");
}
TEST_F(PlanTest, RefusesMoreHitsThanTheServerCounts) {
  Request request = request_of("d", {{{"user", "bob"}}});
  request.descriptors[0].hits_addend = (std::uint64_t{1} << 53U) - 1;
  EXPECT_EQ(first(request), "check\nenvoy:{d}:user bob 9007199254740991");
  request.descriptors.push_back({.entries = {{"user", "bob"}}, .hits_addend = 1});
  EXPECT_EQ(refusal(request), "hits_addend must be at most 9007199254740991");
  request.descriptors = {{.entries = {{"none", ""}}, .hits_addend = UINT64_MAX}};
  EXPECT_EQ(refusal(request), "hits_addend must be at most 9007199254740991");
}

// --- quota mode --------------------------------------------------------------------------------------

TEST_F(PlanTest, WhatDeniesInQuotaModeAloneIsLeftOutAndTheRestIsCharged) {
  Plan asked = plan({{{"quota1", "x"}}, {{"quota2", "x"}}, {{"user", "bob"}}});
  EXPECT_EQ(text_of(asked.next()), "check_all\nenvoy:{d}:quota1 x 1\nenvoy:{d}:quota2 x 1\nenvoy:{d}:user bob 1");
  asked.take(denied(), {denied(), granted(1), granted(9)});
  EXPECT_EQ(text_of(asked.next()), "check_all\nenvoy:{d}:quota2 x 1\nenvoy:{d}:user bob 1");
  asked.take(granted(1), {granted(1), granted(9)});
  EXPECT_EQ(asked.next(), nullptr);
  const Response response = asked.response();
  EXPECT_EQ(response.overall_code, Code::ok);
  EXPECT_EQ(response.statuses[0].code, Code::over_limit);
  EXPECT_EQ(response.statuses[1].code, Code::ok);
}
TEST_F(PlanTest, AllOfQuotaModeTogetherDeny) {
  Plan asked = plan({{{"quota1", "x"}}, {{"quota2", "x"}}, {{"user", "bob"}}});
  asked.take(denied(), {denied(), denied(), granted(9)});
  EXPECT_EQ(asked.next(), nullptr);
  EXPECT_EQ(asked.response().overall_code, Code::over_limit);
}
TEST_F(PlanTest, AnotherDenialIsADenialWhateverIsOfQuotaMode) {
  Plan asked = plan({{{"quota1", "x"}}, {{"quota2", "x"}}, {{"user", "bob"}}});
  asked.take(denied(), {denied(), granted(1), denied()});
  EXPECT_EQ(asked.next(), nullptr);
  EXPECT_EQ(asked.response().overall_code, Code::over_limit);
}
TEST_F(PlanTest, OneAloneOfQuotaModeDenies) {
  Plan asked = plan({{{"quota1", "x"}}, {{"user", "bob"}}});
  asked.take(denied(), {denied(), granted(9)});
  EXPECT_EQ(asked.next(), nullptr);
  EXPECT_EQ(asked.response().overall_code, Code::over_limit);
}
TEST_F(PlanTest, AllCanBeOfQuotaModeBySetting) {
  settings_.is_quota = true;
  Plan asked = plan({{{"user", "bob"}}, {{"path", "/"}}});
  asked.take(denied(), {denied(), granted(4)});
  EXPECT_EQ(text_of(asked.next()), "check\nenvoy:{d}:path / 1");
  asked.take(granted(3), {});
  EXPECT_EQ(asked.response().overall_code, Code::ok);
}
TEST_F(PlanTest, NothingMoreIsAskedIfOnlyWhatDeniesHasALimit) {
  settings_.is_quota = true;
  Plan asked = plan({{{"user", "bob"}}, {{"no", "rule"}}});
  asked.take(denied(), {});
  EXPECT_EQ(asked.next(), nullptr);
  EXPECT_EQ(asked.response().overall_code, Code::ok) << "what has no rule passes";
}

// --- on trial ----------------------------------------------------------------------------------------

TEST_F(PlanTest, AllCanBeOnTrialBySetting) {
  settings_.is_on_trial = true;
  Plan asked = plan({{{"user", "bob"}}});
  asked.take(denied(), {});
  EXPECT_EQ(asked.next(), nullptr);
  const Response response = asked.response();
  EXPECT_EQ(response.overall_code, Code::ok);
  EXPECT_EQ(response.statuses[0].code, Code::over_limit) << "as the original says it";
}

// --- without the server ------------------------------------------------------------------------------

TEST_F(PlanTest, AMistakeHasNoResponse) {
  Plan asked = plan({{{"user", "bob"}}});
  asked.take(client::wrong_call("NOAUTH Authentication required."), {});
  EXPECT_EQ(asked.next(), nullptr);
  EXPECT_EQ(asked.response().failure, Failure::internal);
}
TEST_F(PlanTest, ARefundThatNobodyMadeHasNoResponse) {
  Request request = request_of("d", {{{"user", "bob"}}});
  request.descriptors[0].is_negative_hits = true;
  Plan asked = plan(request);
  asked.take({}, {client::unanswered(client::Failure::timeout, "")});
  EXPECT_EQ(asked.next(), nullptr);
  EXPECT_EQ(asked.response().failure, envoy::Failure::unavailable);
}
TEST_F(PlanTest, WhoIsLetThroughUncountedIsShownNoLimit) {
  Plan asked = plan({{{"user", "bob"}}, {{"path", "/"}}});
  asked.take(answer_of(Outcome::granted, 0, {}, Source::fail_open), {});
  const Response response = asked.response();
  EXPECT_EQ(response.overall_code, Code::ok);
  EXPECT_FALSE(response.statuses[0].current_limit);
  EXPECT_FALSE(response.statuses[1].current_limit);
}
TEST_F(PlanTest, WhoIsDeniedUncountedIsDeniedInAllDescriptorsWithLimits) {
  settings_.has_headers = true;
  Plan asked = plan({{{"user", "bob"}}, {{"path", "/"}}, {{"no", "rule"}}});
  asked.take(answer_of(Outcome::denied, 0, 2s, Source::fail_closed), {});
  const Response response = asked.response();
  EXPECT_EQ(response.overall_code, Code::over_limit);
  EXPECT_EQ(response.statuses[0].code, Code::over_limit);
  EXPECT_EQ(response.statuses[1].code, Code::over_limit);
  EXPECT_EQ(response.statuses[2].code, Code::ok);
  EXPECT_EQ(response.response_headers_to_add,
            (std::vector<Header>{{"Retry-After", "2"}, {"x-ratelimit-denied-by", "no-server"}}));
}
TEST_F(PlanTest, ThisProcessAloneKnowsWhatIsLeftOfTheTightestLimit) {
  Plan asked = plan({{{"user", "bob"}}, {{"path", "/"}}});
  asked.take(answer_of(Outcome::granted, 3, {}, Source::local), {});
  const Response response = asked.response();
  EXPECT_EQ(response.overall_code, Code::ok);
  EXPECT_EQ(response.statuses[0].limit_remaining, 3U);
  EXPECT_EQ(response.statuses[0].current_limit->requests_per_unit, 10U);
  EXPECT_EQ(response.statuses[1].limit_remaining, 3U);
}
TEST_F(PlanTest, SaysWhichLimitersItIsAbout) {
  const Plan asked = plan({{{"user", "bob"}}, {{"two", "x"}}, {{"no", "rule"}}});
  std::vector<std::string> names;
  for (const Limiter* limiter : asked.limiters()) names.push_back(limiter->name);
  EXPECT_EQ(names, (std::vector<std::string>{"envoy:{d}:user", "envoy:{d}:two#short", "envoy:{d}:two#long"}));
}
TEST(LacksLimiters, KnowsTheServersErrors) {
  EXPECT_TRUE(lacks_limiters(client::wrong_call("NOLIMITS this call names no limits and the key stores none")));
  EXPECT_TRUE(lacks_limiters(client::wrong_call("ERR the key stores other limits: name none")));
  EXPECT_TRUE(lacks_limiters(client::wrong_call("the key does not exist, and this call names no limits")));
  EXPECT_FALSE(lacks_limiters(client::wrong_call("NOAUTH")));
  EXPECT_FALSE(lacks_limiters(Answer{}));
}

}  // namespace
}  // namespace ratelimit::service::envoy
