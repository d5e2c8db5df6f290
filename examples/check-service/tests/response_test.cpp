// SPDX-License-Identifier: MIT
// What decisions look like in HTTP.
#include "response.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace ratelimit::service {
namespace {

using client::Source;
using std::chrono::milliseconds;
using std::chrono::seconds;

Request under(Policy policy) { return {.question = {.key = "k", .policy = std::move(policy)}}; }

Answer answered(Outcome outcome) {
  Answer answer;
  answer.outcome = outcome;
  answer.granted = outcome == Outcome::granted ? Units(1) : kNoUnits;
  answer.limit = Units(20);
  answer.remaining = outcome == Outcome::granted ? Units(19) : kNoUnits;
  answer.wait = milliseconds{outcome == Outcome::denied ? 1500 : 0};
  answer.reset = milliseconds{2000};
  answer.label = "burst";
  return answer;
}

TEST(Response, OfAGrantedCheckHasTheDecision) {
  const Request request = under({client::as("burst", client::token_bucket(20, 10, seconds{1}))});
  const Response response = response_to_check(request, answered(Outcome::granted), "id1");
  EXPECT_EQ(response.status, 200U);
  EXPECT_EQ(response.type, "application/json");
  EXPECT_EQ(response.body,
            R"({"allowed":true,"granted":1,"limit":20,"remaining":19,"wait_ms":0,"reset_ms":2000,"label":"burst",)"
            R"("source":"server","request_id":"id1"})");
  EXPECT_EQ(response.fields, "RateLimit-Policy: \"burst\";q=20;w=2\r\nRateLimit: \"burst\";r=19;t=2\r\n");
}

TEST(Response, OfADeniedCheckIsAProblemWithRetryAfter) {
  const Request request = under({client::as("burst", client::token_bucket(20, 10, seconds{1}))});
  const Response response = response_to_check(request, answered(Outcome::denied), "id1");
  EXPECT_EQ(response.status, 429U);
  EXPECT_EQ(response.type, "application/problem+json");
  EXPECT_NE(response.body.find(R"("violated-policies":["burst"])"), std::string::npos) << response.body;
  EXPECT_NE(response.fields.find("Retry-After: 2\r\n"), std::string::npos) << "seconds are rounded up";
}

TEST(Response, OfACallThatIsNeverGrantedHasNoRetryAfter) {
  const Request request = under({client::as("burst", client::token_bucket(20, 10, seconds{1}))});
  const Response response = response_to_check(request, answered(Outcome::never), "id1");
  EXPECT_EQ(response.status, 429U);
  EXPECT_EQ(response.fields.find("Retry-After"), std::string::npos);
  EXPECT_NE(response.body.find(R"("wait_ms":null)"), std::string::npos);
}

TEST(Response, OfALimiterLeavesTheWindowOutThatItDoesNotKnow) {
  const Request request{.question = {.key = "api"}, .limiter = "api"};
  const Response response = response_to_check(request, answered(Outcome::granted), "id1");
  EXPECT_EQ(response.fields, "RateLimit-Policy: \"burst\";q=20\r\nRateLimit: \"burst\";r=19;t=2\r\n");
}

TEST(Response, TellsWhoseMistakeItIs) {
  const auto status_of = [](const char* error) {
    return response_to_check({}, client::wrong_call(error), "id1").status;
  };
  EXPECT_EQ(status_of("WRONGTYPE Operation against a key holding the wrong kind of value"), 400U);
  EXPECT_EQ(status_of("ERR the key stores no limits: name some"), 400U);
  EXPECT_EQ(status_of("NOAUTH Authentication required."), 500U);
  EXPECT_EQ(status_of("ERR unknown command 'RL.CHECK', with args beginning with: 'secret'"), 500U);
}

TEST(Response, NeverShowsWhatAServerWithoutTheModuleQuotes) {
  const Answer answer = client::wrong_call("ERR unknown command 'RL.CHECK', with args beginning with: 'secret'");
  EXPECT_EQ(response_to_check({}, answer, "id1").body.find("secret"), std::string::npos);
}

TEST(Response, OfACallThatNobodyDecidedAndThatIsDeniedIs503) {
  Answer answer;
  answer.source = Source::fail_closed;
  answer.failure = client::Failure::timeout;
  answer.wait = milliseconds{1000};
  const Response response = response_to_check({}, answer, "id1");
  EXPECT_EQ(response.status, 503U);
  EXPECT_EQ(response.fields, "Retry-After: 1\r\n");
}

TEST(Response, OfALimiterWhoseLimitsNobodyKnowsWithoutTheServerIs503) {
  Answer answer;
  answer.source = Source::local;
  answer.failure = client::Failure::refused;
  EXPECT_EQ(response_to_check({}, answer, "id1").status, 503U);
  answer.label = "burst";
  EXPECT_EQ(response_to_check({}, answer, "id1").status, 429U) << "its share of a limit denied that";
}

TEST(Response, OfASettleSaysWhetherThereWasAHold) {
  Answer answer;
  answer.outcome = Outcome::granted;
  EXPECT_EQ(response_to_settle(answer, "id1").status, 404U);
  answer.was_held = true;
  EXPECT_EQ(response_to_settle(answer, "id1").status, 200U);
}

TEST(Response, IsWrittenWithItsLength) {
  std::string wire;
  append_response(wire, {.body = "{}"}, "Sun, 06 Nov 1994 08:49:37 GMT", false, false);
  EXPECT_EQ(wire,
            "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: application/json\r\n"
            "Content-Length: 2\r\nConnection: close\r\n\r\n{}");
  std::string head;
  append_response(head, {.body = "{}"}, "Sun, 06 Nov 1994 08:49:37 GMT", true, true);
  EXPECT_TRUE(head.ends_with("Content-Length: 2\r\n\r\n")) << head;
}

}  // namespace
}  // namespace ratelimit::service
