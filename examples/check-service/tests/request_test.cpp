// SPDX-License-Identifier: MIT
// What requests mean, and how wrong ones are refused.
#include "request.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>

#include "json_body.h"
#include "query.h"

namespace ratelimit::service {
namespace {

using std::chrono::milliseconds;

Read<Request> check(std::string_view json) {
  PolicyBook book;
  Read<Fields> fields = fields_of_json(json);
  if (const auto* problem = std::get_if<Problem>(&fields)) return *problem;
  return read_check(std::get<Fields>(fields), false, book);
}

std::string problem_of(const Read<Request>& read) {
  const auto* problem = std::get_if<Problem>(&read);
  return problem == nullptr ? "none" : problem->detail;
}
std::string limits_of(std::string_view json) {
  const Read<Request> read = check(json);
  if (const auto* problem = std::get_if<Problem>(&read)) return problem->detail;
  std::string text;
  for (const std::string& word : std::get<Request>(read).question.policy.words())
    text.append(text.empty() ? "" : " ").append(word);
  return text;
}

TEST(CheckRequest, TakesTheLimitsOfRlCheck) {
  EXPECT_EQ(limits_of(R"({"key": "k", "limits": "TOKENBUCKET 20 10 1s AS burst FIXED 1000 1d"})"),
            "TOKENBUCKET 20 10 1s AS burst FIXED 1000 1d");
}

TEST(CheckRequest, TakesAlgorithmsByTheirUsualNames) {
  const auto with = [](const std::string& fields) { return limits_of(R"({"key": "k", )" + fields + "}"); };
  EXPECT_EQ(with(R"("algorithm": "token_bucket", "capacity": 10, "refill_rate": 1)"), "TOKENBUCKET 10 1 1s");
  EXPECT_EQ(with(R"("algorithm": "token_bucket", "capacity": 10, "refill_rate": 0.5)"), "TOKENBUCKET 10 1 2s");
  EXPECT_EQ(with(R"("algorithm": "token_bucket", "capacity": 10, "refill_rate": 5, "refill_period": "1m")"),
            "TOKENBUCKET 10 5 1m");
  EXPECT_EQ(with(R"("algorithm": "leaky_bucket", "capacity": 10, "leak_rate": 2.5)"), "LEAKYBUCKET 10 5 2s");
  EXPECT_EQ(with(R"("algorithm": "fixed_window", "limit": 5, "window": 60)"), "FIXED 5 1m");
  EXPECT_EQ(with(R"("algorithm": "sliding_window", "limit": 5, "window": 0.5)"), "SLIDING 5 500ms");
  EXPECT_EQ(with(R"("algorithm": "sliding_window_counter", "limit": 5, "window": "1h")"), "SLIDING 5 1h APPROX");
  EXPECT_EQ(with(R"("algorithm": "quota", "limit": 5, "unit": "month")"), "QUOTA 5 MONTH");
  EXPECT_EQ(with(R"("algorithm": "concurrency", "limit": 5, "lease_time": 30)"), "CONCURRENT 5 30s");
}

TEST(CheckRequest, SaysWhichFieldIsWrong) {
  EXPECT_EQ(problem_of(check(R"({"key": "k", "limits": "FIXED 5 1m", "costs": 2})")),
            "the field \"costs\" is not known here");
  EXPECT_EQ(problem_of(check(R"({"limits": "FIXED 5 1m"})")), "the field \"key\" is missing");
  EXPECT_EQ(problem_of(check(R"({"key": "k"})")),
            "there must be \"limits\" or \"algorithm\" beside \"key\"; or \"limiter\" instead of it");
  EXPECT_EQ(problem_of(check(R"({"key": "k", "limiter": "l"})")), "there must be \"key\" or \"limiter\", not both");
  EXPECT_EQ(problem_of(check(R"({"key": "k", "limits": "FIXED 5 1m", "cost": "2"})")),
            "the field \"cost\" must be an integer from 0 to 9007199254740991");
  EXPECT_EQ(problem_of(check(R"({"key": "k", "limits": "FIXED 5 1m", "cost": 1.5})")),
            "the field \"cost\" must be an integer from 0 to 9007199254740991");
  EXPECT_EQ(problem_of(check(R"({"key": "", "limits": "FIXED 5 1m"})")),
            "the field \"key\" must be a text of 1 to 1024 bytes");
  EXPECT_EQ(problem_of(check(R"({"key": "k", "limits": "FIXED x 1m"})")).substr(0, 22), "the limits are wrong: ");
  EXPECT_EQ(problem_of(check(R"({"key": "k", "algorithm": "token_bucket", "capacity": 10})")),
            "the field \"refill_rate\" is missing");
}

TEST(CheckRequest, LetsNothingIntoTheWordsOfACommand) {
  EXPECT_EQ(problem_of(check(R"({"key": "k", "algorithm": "fixed_window", "limit": 5, "window": "1m AS x"})"))
                .find("the field \"window\" must be seconds"),
            0U);
  EXPECT_EQ(problem_of(check(R"({"key": "k", "algorithm": "quota", "limit": 5, "unit": "DAY AS x"})")),
            "the field \"unit\" must be a word");
}

TEST(JsonBody, IsOneFlatObject) {
  const auto refused = [](std::string_view text) {
    const Read<Fields> read = fields_of_json(text);
    const auto* problem = std::get_if<Problem>(&read);
    return problem == nullptr ? "none" : problem->detail;
  };
  EXPECT_EQ(refused("{}"), "none");
  EXPECT_EQ(refused("[]"), "the body must be an object of JSON");
  EXPECT_EQ(refused("1"), "the body must be an object of JSON");
  EXPECT_EQ(refused(R"({"a": {"b": 1}})"), "the field \"a\" must not be an object");
  EXPECT_EQ(refused(R"({"a": [1]})"), "the field \"a\" must not be a list");
  EXPECT_EQ(refused(R"({"a": null})"), "the field \"a\" must not be null");
  EXPECT_EQ(refused(R"({"a": 1, "a": 2})"), "the field \"a\" is there twice");
  EXPECT_EQ(refused(R"({"a": 1} x)").substr(0, 26), "the body is no valid JSON,");
  EXPECT_EQ(refused(R"({"a": )").substr(0, 26), "the body is no valid JSON,");
  EXPECT_EQ(refused("").substr(0, 26), "the body is no valid JSON,");
  EXPECT_EQ(refused("{\"a\": \"\xFF\"}").substr(0, 26), "the body is no valid JSON,");
  EXPECT_EQ(refused(std::string(100'000, '[')), "the body must be an object of JSON");
}

TEST(JsonBody, HasAtMostSixteenFields) {
  std::string text = "{\"a\": 1";
  for (int i = 0; i < 16; ++i) text += ",\"b" + std::to_string(i) + "\": 1";
  const Read<Fields> read = fields_of_json(text + "}");
  ASSERT_TRUE(std::holds_alternative<Problem>(read));
  EXPECT_EQ(std::get<Problem>(read).detail, "a request has at most 16 fields");
}

TEST(ReserveAndSettle, KnowTheirFields) {
  PolicyBook book;
  const auto reserve = read_reserve(
      std::get<Fields>(fields_of_json(R"({"limiter": "l", "subject": "s", "cost": 9, "ttl": "30s", "id": "job"})")),
      book);
  ASSERT_TRUE(std::holds_alternative<Request>(reserve)) << problem_of(reserve);
  EXPECT_EQ(std::get<Request>(reserve).ttl, std::chrono::seconds{30});
  EXPECT_EQ(std::get<Request>(reserve).question.id, "job");
  EXPECT_EQ(std::get<Request>(reserve).limiter, "l");
  EXPECT_EQ(problem_of(read_reserve(std::get<Fields>(fields_of_json(R"({"limiter": "l"})")), book)),
            "the field \"ttl\" is missing");
  EXPECT_EQ(problem_of(read_settle(std::get<Fields>(fields_of_json(R"({"key": "k", "id": "job"})")), book)),
            "the field \"actual\" is missing");
}

TEST(AuthRequest, TakesTheSubjectThatTheNearestProxyWrote) {
  PolicyBook book;
  const auto read = read_auth(std::get<Fields>(fields_of_query("limits=FIXED+5+1m&by=X-Forwarded-For")), book,
                              [](std::string_view) { return std::optional<std::string_view>("1.1.1.1, 9.9.9.9 "); });
  ASSERT_TRUE(std::holds_alternative<Request>(read)) << problem_of(read);
  EXPECT_EQ(std::get<Request>(read).question.subject, "9.9.9.9");
  EXPECT_EQ(std::get<Request>(read).question.key, "auth");
}

TEST(AuthRequest, RefusesARequestWithoutTheHeaderOfItsSubject) {
  PolicyBook book;
  const auto read = read_auth(std::get<Fields>(fields_of_query("limiter=api&by=X-Real-IP")), book,
                              [](std::string_view) { return std::optional<std::string_view>(); });
  EXPECT_EQ(problem_of(read), "the request has no field \"X-Real-IP\", which names the subject");
}

TEST(Query, IsDecoded) {
  const Read<Fields> read = fields_of_query("a=1%2b%20+2&b&c=");
  ASSERT_TRUE(std::holds_alternative<Fields>(read));
  const Fields& fields = std::get<Fields>(read);
  ASSERT_EQ(fields.size(), 3U);
  EXPECT_EQ(fields[0].value, "1+  2");
  EXPECT_EQ(fields[1].name, "b");
  EXPECT_TRUE(std::holds_alternative<Problem>(fields_of_query("a=%4")));
  EXPECT_TRUE(std::holds_alternative<Problem>(fields_of_query("a=%zz")));
  EXPECT_TRUE(std::holds_alternative<Problem>(fields_of_query("a=1&a=2")));
}

TEST(Numbers, AreExact) {
  EXPECT_EQ(parse_decimal("0.5")->digits, 5);
  EXPECT_EQ(parse_decimal("0.5")->scale, 10);
  EXPECT_EQ(parse_decimal("100")->digits, 100);
  EXPECT_EQ(parse_decimal("1.50")->scale, 10);
  for (const char* wrong : {"", ".5", "1.", "-1", "1e3", "1.2345678", "99999999999999999999", "1.x"}) {
    EXPECT_FALSE(parse_decimal(wrong)) << wrong;
  }
}

TEST(Durations, AreThoseOfCommands) {
  EXPECT_EQ(parse_duration("500ms"), milliseconds{500});
  EXPECT_EQ(parse_duration("10"), std::chrono::seconds{10});
  EXPECT_EQ(parse_duration("3650d"), std::chrono::hours{24 * 3650});
  for (const char* wrong : {"", "s", "1w", "-1s", "1 s", "3651d", "99999999999999999999s"}) {
    EXPECT_FALSE(parse_duration(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace ratelimit::service
