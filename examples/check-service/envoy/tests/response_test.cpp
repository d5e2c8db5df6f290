// SPDX-License-Identifier: MIT
// What requests are answered, request after request. The configurations are those that the original publishes, written anew;
// the values are worked out by hand.
#include <chrono>

#include "counting_server.h"

namespace ratelimit::service::envoy {
namespace {

using namespace std::chrono_literals;

// --- the examples of the original's README -----------------------------------------------------------

TEST(Example1, HasALimitForEachValue) {
  CountingServer server(R"(
domain: mongo_cps
descriptors:
  - {key: database, value: users, rate_limit: {unit: second, requests_per_unit: 500}}
  - {key: database, value: default, rate_limit: {unit: second, requests_per_unit: 500}}
)");
  const Request users = request_of("mongo_cps", {{{"database", "users"}}});
  EXPECT_EQ(server.granted_of(600, users), 500);
  EXPECT_EQ(server.granted_of(1, request_of("mongo_cps", {{{"database", "default"}}})), 1);
  server.advance(1s);
  const DescriptorStatus status = server.ask(users).statuses.front();
  EXPECT_EQ(status.code, Code::ok);
  EXPECT_EQ(*status.current_limit, (CurrentLimit{500, Unit::second, ""}));
  EXPECT_EQ(status.limit_remaining, 499U);
}

constexpr const char* kMessaging = R"(
domain: messaging
descriptors:
  - key: message_type
    value: marketing
    descriptors: [{key: to_number, rate_limit: {unit: day, requests_per_unit: 5}}]
  - {key: to_number, rate_limit: {unit: day, requests_per_unit: 100}}
)";

TEST(Example2, ChargesAllDescriptorsOrNone) {
  CountingServer server(kMessaging);
  const std::vector<Entry> number{{"to_number", "2061111111"}};
  const Request marketing =
      request_of("messaging", {{{"message_type", "marketing"}, {"to_number", "2061111111"}}, number});
  EXPECT_EQ(server.granted_of(8, marketing), 5);
  // The original has charged the number 8 times by now; here the three that were denied took nothing.
  const Response response = server.ask("messaging", {number});
  EXPECT_EQ(response.statuses.front().limit_remaining, 94U);
  EXPECT_EQ(server.ask("messaging", {{{"message_type", "marketing"}, {"to_number", "2062222222"}}}).overall_code,
            Code::ok);
}
TEST(Example2, SaysOfEachDescriptorWhetherItDenied) {
  CountingServer server(kMessaging);
  const Request marketing = request_of(
      "messaging", {{{"message_type", "marketing"}, {"to_number", "2061111111"}}, {{"to_number", "2061111111"}}});
  EXPECT_EQ(server.granted_of(5, marketing), 5);
  const Response response = server.ask(marketing);
  EXPECT_EQ(server.steps, 1);
  EXPECT_EQ(response.overall_code, Code::over_limit);
  EXPECT_EQ(response.statuses[0].code, Code::over_limit);
  EXPECT_EQ(response.statuses[0].limit_remaining, 0U);
  EXPECT_EQ(*response.statuses[0].duration_until_reset, 24h);
  EXPECT_EQ(response.statuses[1].code, Code::ok);
  EXPECT_EQ(response.statuses[1].limit_remaining, 95U) << "nothing was taken";
}
TEST(Example2, WindowsOfADayEndAtMidnight) {
  CountingServer server(kMessaging);
  server.advance(18h);
  const Request request = request_of("messaging", {{{"message_type", "marketing"}, {"to_number", "1"}}});
  EXPECT_EQ(server.granted_of(6, request), 5);
  EXPECT_EQ(*server.ask(request).statuses[0].duration_until_reset, 6h);
  server.advance(6h);
  EXPECT_EQ(server.granted_of(6, request), 5);
}

TEST(Example3, TakesTheValueBeforeTheKey) {
  CountingServer server(R"(
domain: edge_proxy_per_ip
descriptors:
  - {key: remote_address, rate_limit: {unit: second, requests_per_unit: 10}}
  - {key: remote_address, value: 50.0.0.5, rate_limit: {unit: second, requests_per_unit: 0}}
)");
  EXPECT_EQ(server.granted_of(20, request_of("edge_proxy_per_ip", {{{"remote_address", "50.0.0.1"}}})), 10);
  EXPECT_EQ(server.granted_of(20, request_of("edge_proxy_per_ip", {{{"remote_address", "50.0.0.2"}}})), 10);
  const Response banned = server.ask("edge_proxy_per_ip", {{{"remote_address", "50.0.0.5"}}});
  EXPECT_EQ(banned.overall_code, Code::over_limit);
  EXPECT_EQ(banned.statuses[0].current_limit->requests_per_unit, 0U);
}

TEST(Example4, MatchesTheSameDepthOnly) {
  CountingServer server(
      "domain: example4\ndescriptors:\n"
      "  - {key: key, value: value, rate_limit: {unit: second, requests_per_unit: 0}}\n"
      "  - {key: deep, value: value, descriptors: [{key: subkey, rate_limit: "
      "{unit: second, requests_per_unit: 0}}]}\n");
  const Response response = server.ask("example4", {{{"key", "value"}, {"subkey", "subvalue"}}});
  EXPECT_EQ(response.overall_code, Code::ok);
  EXPECT_FALSE(response.statuses[0].current_limit);
  EXPECT_EQ(response.statuses[0].limit_remaining, 0U);
  EXPECT_EQ(server.ask("example4", {{{"deep", "value"}, {"subkey", "subvalue"}}}).overall_code, Code::over_limit);
}

TEST(Example5, AsksNobodyAboutWhatIsUnlimited) {
  CountingServer server(
      "domain: internal\ndescriptors:\n  - {key: ldap, rate_limit: {unlimited: true}}\n"
      "  - {key: azure, rate_limit: {unit: minute, requests_per_unit: 100}}\n");
  const Response response = server.ask("internal", {{{"ldap", "x"}}});
  EXPECT_EQ(server.steps, 0);
  EXPECT_EQ(response.overall_code, Code::ok);
  EXPECT_EQ(response.statuses[0].limit_remaining, 4294967295U);
  EXPECT_FALSE(response.statuses[0].current_limit);
  EXPECT_EQ(server.granted_of(101, request_of("internal", {{{"azure", "x"}}})), 100);
}

TEST(Example6, DeniesNobodyInShadowMode) {
  CountingServer server(R"(
domain: example6
descriptors:
  - key: service
    descriptors:
      - {key: user, value: user-a, rate_limit: {requests_per_unit: 10, unit: second}, shadow_mode: true}
      - {key: user, value: user-b, rate_limit: {requests_per_unit: 20, unit: second}}
)");
  const Request a = request_of("example6", {{{"service", "auth-service"}, {"user", "user-a"}}});
  const Request b = request_of("example6", {{{"service", "auth-service"}, {"user", "user-b"}}});
  EXPECT_EQ(server.granted_of(30, a), 30);
  EXPECT_EQ(server.granted_of(30, b), 20);
  const DescriptorStatus status = server.ask(a).statuses[0];
  EXPECT_EQ(status.code, Code::ok);
  EXPECT_EQ(*status.current_limit, (CurrentLimit{10, Unit::second, ""}));
}

TEST(Example7, ReplacesALimitByItsName) {
  CountingServer server(R"(
domain: example7
descriptors:
  - key: key_1
    value: value_1
    descriptors:
      - {key: user, value: bkthomps, rate_limit: {name: specific_limit, requests_per_unit: 5, unit: second}}
  - key: key_2
    value: value_2
    descriptors:
      - {key: user, value: bkthomps, rate_limit: {replaces: [{name: specific_limit}], requests_per_unit: 10, unit: second}}
)");
  const std::vector<Entry> first{{"key_1", "value_1"}, {"user", "bkthomps"}};
  const std::vector<Entry> second{{"key_2", "value_2"}, {"user", "bkthomps"}};
  EXPECT_EQ(server.granted_of(20, request_of("example7", {first, second})), 10);
  const Response response = server.ask("example7", {first, second});
  EXPECT_EQ(response.statuses[0].code, Code::ok) << "what is replaced has no limit";
  EXPECT_FALSE(response.statuses[0].current_limit);
  EXPECT_EQ(server.granted_of(20, request_of("example7", {first})), 5) << "it was not charged meanwhile";
}

TEST(Example8, CountsEachValueOfAKeyAlone) {
  CountingServer server(R"(
domain: example8
descriptors:
  - {key: key1, detailed_metric: true, rate_limit: {unit: minute, requests_per_unit: 10}}
  - {key: key1, value: value1, rate_limit: {unit: minute, requests_per_unit: 20}}
)");
  EXPECT_EQ(server.granted_of(30, request_of("example8", {{{"key1", "unspecified_value"}}})), 10);
  EXPECT_EQ(server.granted_of(30, request_of("example8", {{{"key1", "unspecified_value2"}}})), 10);
  EXPECT_EQ(server.granted_of(30, request_of("example8", {{{"key1", "value1"}}})), 20);
}

TEST(Example9, CountsEachValueOfAWildcardAlone) {
  CountingServer server(
      "domain: example9\ndescriptors:\n"
      "  - {key: key1, value: value*, rate_limit: {unit: minute, requests_per_unit: 20}}\n");
  EXPECT_EQ(server.granted_of(30, request_of("example9", {{{"key1", "value1"}}})), 20);
  EXPECT_EQ(server.granted_of(30, request_of("example9", {{{"key1", "value2"}}})), 20);
  EXPECT_EQ(server.granted_of(30, request_of("example9", {{{"key1", "other"}}})), 30);
}

TEST(Example11, SharesAThresholdIfToldTo) {
  CountingServer server(R"(
domain: example11
descriptors:
  - {key: files, value: files/*, share_threshold: true, rate_limit: {unit: hour, requests_per_unit: 10}}
  - {key: files_no_share, value: files_no_share/*, rate_limit: {unit: hour, requests_per_unit: 10}}
)");
  EXPECT_EQ(server.granted_of(5, request_of("example11", {{{"files", "files/a.pdf"}}})), 5);
  EXPECT_EQ(server.granted_of(5, request_of("example11", {{{"files", "files/b.csv"}}})), 5);
  EXPECT_EQ(server.granted_of(1, request_of("example11", {{{"files", "files/c.txt"}}})), 0);
  EXPECT_EQ(server.granted_of(20, request_of("example11", {{{"files_no_share", "files_no_share/a.pdf"}}})), 10);
  EXPECT_EQ(server.granted_of(20, request_of("example11", {{{"files_no_share", "files_no_share/b.csv"}}})), 10);
}

TEST(ExampleOfQuotaMode, DeniesWhenAllQuotasAreUsedUp) {
  CountingServer server(R"(
domain: rl
descriptors:
  - {key: service, value: service_1, quota_mode: true, rate_limit: {unit: minute, requests_per_unit: 1},
     metadata: {service_with_quota: {name: service_1}}}
  - {key: service, value: service_2, quota_mode: true, rate_limit: {unit: minute, requests_per_unit: 2},
     metadata: {service_with_quota: {name: service_2}}}
)");
  const Request request = request_of("rl", {{{"service", "service_1"}}, {{"service", "service_2"}}});
  EXPECT_EQ(server.ask(request).overall_code, Code::ok);
  const Response second = server.ask(request);
  EXPECT_EQ(server.steps, 2);
  EXPECT_EQ(second.overall_code, Code::ok);
  EXPECT_EQ(second.statuses[0].code, Code::over_limit);
  EXPECT_EQ(second.statuses[1].limit_remaining, 0U) << "what passes is charged";
  EXPECT_EQ(server.ask(request).overall_code, Code::over_limit);
}

// --- calendar ----------------------------------------------------------------------------------------

TEST(CalendarUnits, AMonthIsTheMonth) {
  CountingServer server("domain: d\ndescriptors: [{key: k, rate_limit: {unit: month, requests_per_unit: 3}}]\n");
  const Request request = request_of("d", {{{"k", "v"}}});
  EXPECT_EQ(server.granted_of(5, request), 3);
  EXPECT_EQ(*server.ask(request).statuses[0].duration_until_reset, 28 * 24h) << "it is the first of February 2026";
  server.advance(28 * 24h);
  EXPECT_EQ(server.granted_of(5, request), 3);
}

// --- limits of ours ----------------------------------------------------------------------------------

TEST(OwnLimits, OfARuleAreDecidedTogether) {
  CountingServer server(
      "domain: d\ndescriptors: [{key: k, rate_limit: {name: plan, limit: [TOKENBUCKET 2 1 1s AS burst, "
      "FIXED 3 1h AS hourly]}}]\n");
  const Request request = request_of("d", {{{"k", "v"}}});
  EXPECT_EQ(server.granted_of(5, request), 2);
  Response response = server.ask(request);
  EXPECT_EQ(*response.statuses[0].current_limit, (CurrentLimit{2, Unit::unknown, "plan"}));
  EXPECT_EQ(*response.statuses[0].duration_until_reset, 2s);
  server.advance(10s);
  EXPECT_EQ(server.granted_of(5, request), 1) << "of the hour's 3, 1 was left";
  response = server.ask(request);
  EXPECT_EQ(*response.statuses[0].current_limit, (CurrentLimit{3, Unit::hour, "plan"}));
}

TEST(OwnLimits, ForcedHitsGoIntoDebt) {
  CountingServer server("domain: d\ndescriptors: [{key: tokens, force: true, limit: TOKENBUCKET 100 10 1s}]\n");
  Request report = request_of("d", {{{"tokens", "bob"}}});
  report.descriptors[0].hits_addend = 150;
  const Response response = server.ask(report);
  EXPECT_EQ(response.overall_code, Code::over_limit) << "as the original says it of hits beyond the limit";
  Request look = request_of("d", {{{"tokens", "bob"}}});
  look.descriptors[0].hits_addend = 0;
  EXPECT_EQ(server.ask(look).statuses[0].limit_remaining, 0U);
}

// --- headers and reasons -----------------------------------------------------------------------------

TEST(Headers, AreOffUnlessToldOtherwise) {
  CountingServer server(kMessaging);
  EXPECT_TRUE(server.ask("messaging", {{{"to_number", "1"}}}).response_headers_to_add.empty());
}
TEST(Headers, AreAboutTheDescriptorWithTheLeastLeft) {
  CountingServer server(kMessaging);
  server.settings.has_headers = true;
  const Request request =
      request_of("messaging", {{{"to_number", "1"}}, {{"message_type", "marketing"}, {"to_number", "1"}}});
  EXPECT_EQ(server.granted_of(1, request), 1);
  EXPECT_EQ(
      server.ask(request).response_headers_to_add,
      (std::vector<Header>{{"RateLimit-Limit", "5"}, {"RateLimit-Remaining", "3"}, {"RateLimit-Reset", "86400"}}));
}
TEST(Headers, SayWhoDeniedAndForHowLong) {
  CountingServer server(kMessaging);
  server.settings.has_headers = true;
  const Request request = request_of("messaging", {{{"message_type", "marketing"}, {"to_number", "1"}}});
  server.granted_of(5, request);
  server.advance(1500ms);
  EXPECT_EQ(server.ask(request).response_headers_to_add,
            (std::vector<Header>{{"RateLimit-Limit", "5"},
                                 {"RateLimit-Remaining", "0"},
                                 {"RateLimit-Reset", "86399"},
                                 {"Retry-After", "86399"},
                                 {"x-ratelimit-denied-by", "messaging.message_type_marketing.to_number fixed"}}));
}
TEST(Headers, HaveTheNamesOfTheSettings) {
  CountingServer server(kMessaging);
  server.settings.has_headers = true;
  server.settings.limit_header = "x-limit";
  server.settings.remaining_header = "";
  server.settings.reset_header = "";
  EXPECT_EQ(server.ask("messaging", {{{"to_number", "1"}}}).response_headers_to_add,
            (std::vector<Header>{{"x-limit", "100"}}));
}
TEST(Headers, AreNoneWithoutALimit) {
  CountingServer server(kMessaging);
  server.settings.has_headers = true;
  EXPECT_TRUE(server.ask("messaging", {{{"other", "1"}}}).response_headers_to_add.empty());
}
TEST(Headers, SayNothingOfATrial) {
  CountingServer server("domain: d\ndescriptors: [{key: k, shadow_mode: true, limit: FIXED 1 1s}]\n");
  server.settings.has_headers = true;
  EXPECT_TRUE(server.ask("d", {{{"k", "1"}}}).response_headers_to_add.empty());
}
TEST(Headers, CannotBeBrokenByTheNameOfARule) {
  CountingServer server("domain: \"d\\r\\nX: y\"\ndescriptors: [{key: k, limit: FIXED 0 1s}]\n");
  server.settings.has_headers = true;
  for (const Header& header : server.ask("d\r\nX: y", {{{"k", "1"}}}).response_headers_to_add) {
    EXPECT_EQ(header.value.find_first_of("\r\n"), std::string::npos);
  }
}
TEST(Headers, OfAClosedLimitSayNotWhenToComeAgain) {
  CountingServer server("domain: d\ndescriptors: [{key: k, limit: FIXED 0 1s}]\n");
  server.settings.has_headers = true;
  for (const Header& header : server.ask("d", {{{"k", "1"}}}).response_headers_to_add) {
    EXPECT_NE(header.key, "Retry-After");
  }
}

// --- dynamic metadata --------------------------------------------------------------------------------

const Value* member(const Value::Object& object, std::string_view name) {
  for (const Member& each : object) {
    if (each.name == name) return &each.value;
  }
  return nullptr;
}

TEST(Metadata, IsOffUnlessToldOtherwise) {
  CountingServer server(kMessaging);
  EXPECT_TRUE(server.ask("messaging", {{{"to_number", "1"}}}).dynamic_metadata.empty());
}
TEST(Metadata, ShowsWhatWasAskedAndWhoDenied) {
  CountingServer server("domain: d\ndescriptors: [{key: k, limit: FIXED 1 1m AS one}]\n");
  server.settings.has_metadata = true;
  const Request request = request_of("d", {{{"k", "v"}}});
  EXPECT_EQ(member(server.ask(request).dynamic_metadata, "denied_by"), nullptr);
  const Value::Object object = server.ask(request).dynamic_metadata;
  EXPECT_EQ(std::get<std::string>(member(object, "domain")->is), "d");
  const auto& descriptors = std::get<Value::List>(member(object, "descriptors")->is);
  ASSERT_EQ(descriptors.size(), 1U);
  const auto& entries = std::get<Value::List>(member(std::get<Value::Object>(descriptors[0].is), "entries")->is);
  EXPECT_EQ(std::get<std::string>(entries.at(0).is), "k=v");
  const auto& reason = std::get<Value::Object>(member(object, "denied_by")->is);
  EXPECT_EQ(std::get<std::string>(member(reason, "rule")->is), "d.k");
  EXPECT_EQ(std::get<std::string>(member(reason, "label")->is), "one");
  EXPECT_EQ(std::get<double>(member(reason, "wait_ms")->is), 60'000.0);
}
TEST(Metadata, OfRulesThatPassIsMerged) {
  CountingServer server(R"(
domain: d
descriptors:
  - {key: a, limit: FIXED 5 1m, metadata: {team: {name: x, size: 3}, "on": true}}
  - {key: b, limit: FIXED 5 1m, metadata: {team: {name: y, city: "7"}, list: [1, b]}}
)");
  server.settings.has_metadata = true;
  const Response response = server.ask("d", {{{"a", "1"}}, {{"b", "1"}}});
  const auto& merged = std::get<Value::Object>(member(response.dynamic_metadata, "metadata")->is);
  const auto& team = std::get<Value::Object>(member(merged, "team")->is);
  EXPECT_EQ(std::get<std::string>(member(team, "name")->is), "x") << "the first stays";
  EXPECT_EQ(std::get<double>(member(team, "size")->is), 3.0);
  EXPECT_EQ(std::get<std::string>(member(team, "city")->is), "7");
  EXPECT_TRUE(std::get<bool>(member(merged, "on")->is));
  EXPECT_EQ(std::get<Value::List>(member(merged, "list")->is).size(), 2U);
}

// --- for metrics -------------------------------------------------------------------------------------

TEST(Outcomes, SayWhatBecameOfEachDescriptor) {
  const auto rules = rules_of(
      "domain: d\ndescriptors: [{key: a, limit: FIXED 0 1m}, {key: b, shadow_mode: true, "
      "limit: FIXED 5 1m}]\n");
  Request request = request_of("d", {{{"a", "1"}}, {{"b", "1"}}, {{"c", "1"}}});
  request.hits_addend = 2;
  const PlanSettings settings;
  Plan plan(rules, request, settings);
  const Answer never = answer_of(Outcome::never);
  plan.take(never, {never, answer_of(Outcome::granted, 3)});
  const std::vector<DescriptorOutcome> outcomes = plan.outcomes();
  EXPECT_EQ(outcomes[0].metric, "d.a");
  EXPECT_EQ(outcomes[0].hits, 2U);
  EXPECT_TRUE(outcomes[0].is_over);
  EXPECT_TRUE(outcomes[1].is_on_trial);
  EXPECT_FALSE(outcomes[1].is_over);
  EXPECT_EQ(outcomes[2].metric, "");
}

}  // namespace
}  // namespace ratelimit::service::envoy
