// SPDX-License-Identifier: MIT
// The operators' pages without a server: what is asked, who may ask, and what is said.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "operators/guard.h"
#include "operators/pages.h"
#include "operators/question.h"
#include "operators/report_json.h"
#include "query.h"

namespace ratelimit::service::operators {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;

// --- questions ---------------------------------------------------------------------------------------

Question question(std::string_view path, std::string_view query = {}) {
  Read<Question> read = read_question(path, query);
  const auto* problem = std::get_if<Problem>(&read);
  EXPECT_EQ(problem, nullptr) << problem->detail;
  return problem != nullptr ? Question{} : std::get<Question>(read);
}

std::string fault(std::string_view path, std::string_view query = {}) {
  const Read<Question> read = read_question(path, query);
  const auto* problem = std::get_if<Problem>(&read);
  return problem != nullptr ? problem->detail : "";
}

TEST(Question, HasAPageForEachPath) {
  EXPECT_EQ(page_of("/limiters"), Page::limiters);
  EXPECT_EQ(page_of("/limiters/api"), Page::limiter);
  EXPECT_EQ(page_of("/limiters/top"), Page::limiter) << "a limiter of that name";
  EXPECT_EQ(page_of("/limiters/api/top"), Page::top);
  EXPECT_EQ(page_of("/limiters/api/log"), Page::log);
  EXPECT_EQ(page_of("/why"), Page::why);
  for (const char* path : {"/limiters/", "/limiters//top", "/limiters/api/", "/limiters/api/no", "/limiters/a/top/b",
                           "/limitersx", "/whyx", "/", "/why/"}) {
    EXPECT_FALSE(page_of(path)) << path;
  }
}

TEST(Question, HasNamesOfAnyBytes) {
  EXPECT_EQ(question("/limiters/a%2Fb%00%ff+c/log").limiter, std::string("a/b\0\xff+c", 7));
  EXPECT_EQ(question("/limiters/%7Bacme%7D:api").limiter, "{acme}:api");
  const Question why = question("/why", "limiter=%7Ba%7D&subject=a%2Bb+c%00");
  EXPECT_EQ(why.limiter, "{a}");
  EXPECT_EQ(why.subject, std::string("a+b c\0", 6));
  EXPECT_EQ(fault("/limiters/a%2"), "the path has a % without two hexadecimal digits");
  EXPECT_EQ(fault("/limiters/" + std::string(1025, 'x')), "the name of a limiter has at most 1024 bytes");
  EXPECT_EQ(question("/limiters/" + std::string(1024, 'x')).limiter.size(), 1024U);
}

TEST(Question, EncodesWhatItDecodes) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_EQ(decoded_segment(encoded_segment(all)), all);
  EXPECT_EQ(encoded_segment("a-B_9.~/ +"), "a-B_9.~%2F%20%2B");
}

TEST(Question, HasBounds) {
  EXPECT_EQ(question("/limiters").count, 50U);
  EXPECT_EQ(question("/limiters/api/top", "count=100").count, 100U);
  EXPECT_EQ(fault("/limiters", "count=101"), R"(the field "count" must be an integer from 1 to 100)");
  EXPECT_NE(fault("/limiters/api/log", "count=0"), "");
  EXPECT_NE(fault("/limiters/api/log", "count=x"), "");
  EXPECT_EQ(fault("/limiters/api", "count=1"), R"(the field "count" is not known here)");
  EXPECT_EQ(fault("/why", "subject=bob"), R"(the field "limiter" is missing)");
  EXPECT_NE(fault("/why", "limiter=api&subject="), "");
  EXPECT_NE(fault("/why", "limiter=api&subject=" + std::string(1025, 'x')), "");
}

TEST(Question, HasACursorThatAnAnswerGave) {
  const Question asked = question("/limiters", "cursor=5461-18446744073709551615&match=api%3A*");
  EXPECT_EQ(asked.cursor.slot, 5461U);
  EXPECT_EQ(asked.cursor.cursor, 18446744073709551615U);
  EXPECT_EQ(asked.pattern, "api:*");
  EXPECT_EQ(text_of(asked.cursor), "5461-18446744073709551615");
  for (const char* cursor : {"", "1", "1-", "-1", "16384-0", "1-18446744073709551616", "1-2-3", "a-b", "+1-2"}) {
    EXPECT_FALSE(parse_cursor(cursor)) << cursor;
  }
}

// --- who may ask -------------------------------------------------------------------------------------

TEST(Origin, IsExact) {
  for (const char* origin : {"http://127.0.0.1:8000", "https://ops.example.com", "http://[::1]:8000"}) {
    EXPECT_TRUE(is_origin(origin)) << origin;
  }
  for (const char* origin : {"", "*", "null", "http://", "http://a/", "http://A", "ftp://a", "http://a:", "http://a b",
                             "http://*.example.com", "127.0.0.1:8000"}) {
    EXPECT_FALSE(is_origin(origin)) << origin;
  }
}

constexpr std::string_view kToken = "a-token-of-operators";

class PagesTest : public testing::Test {
 protected:
  Response ask(std::string method, std::string path, std::vector<std::pair<std::string, std::string>> fields = {},
               std::string query = {}) {
    Response given;
    const HttpRequest request{
        .method = std::move(method), .target = path + "?" + query, .fields = std::move(fields), .body = {}};
    pages_.answer(request, path, query, {.deadline = deadline_, .trace = "id"}, [&](Response response) {
      ++responses_;
      given = std::move(response);
    });
    return given;
  }
  static std::pair<std::string, std::string> token() { return {"Authorization", "Bearer " + std::string(kToken)}; }

  std::vector<std::string> origins_{"http://127.0.0.1:8000", "https://ops.example.com"};
  std::vector<Inquiry> asked_;
  bool has_room_ = true;
  int responses_ = 0;
  Span deadline_{};
  Pages pages_{OperatorSettings{.token = std::string(kToken), .origins = origins_}, [this](Inquiry inquiry) {
                 if (!has_room_) return false;
                 asked_.push_back(inquiry);
                 inquiry.respond({.body = "{}"});
                 return true;
               }};
};

bool has(const Response& response, const std::string& field) {
  return response.fields.find(field + "\r\n") != std::string::npos;
}
bool allows_a_page(const Response& response) {
  return response.fields.find("Access-Control-Allow-Origin") != std::string::npos;
}

TEST_F(PagesTest, AreForThoseWhoHaveTheToken) {
  EXPECT_EQ(ask("GET", "/limiters", {token()}).status, 200U);
  EXPECT_EQ(ask("HEAD", "/limiters", {{"authorization", "bEARER " + std::string(kToken)}}).status, 200U);
  EXPECT_EQ(asked_.size(), 2U);
  const std::string right(kToken);
  for (const std::string& wrong :
       {std::string(), std::string("Bearer"), std::string("Bearer "), right, "Basic " + right, "Bearer " + right + "x",
        "Bearer " + right.substr(1), "Bearer " + right + right, "Bearer  " + right}) {
    const Response response = ask("GET", "/limiters", {{"Authorization", wrong}});
    EXPECT_EQ(response.status, 401U) << wrong;
    EXPECT_TRUE(has(response, "WWW-Authenticate: Bearer"));
  }
  EXPECT_EQ(ask("GET", "/limiters").status, 401U);
  EXPECT_EQ(ask("GET", "/limiters", {token(), token()}).status, 401U) << "nobody knows which one counts";
  EXPECT_EQ(ask("GET", "/limiters", {}, "count=x").status, 401U) << "what is wrong is not for everybody either";
  EXPECT_EQ(asked_.size(), 2U);
}

TEST_F(PagesTest, AreForThoseWhoHaveTheNewestToken) {
  pages_.renew("another-token-of-operators");
  EXPECT_EQ(ask("GET", "/limiters", {token()}).status, 401U);
  EXPECT_EQ(ask("GET", "/limiters", {{"Authorization", "Bearer another-token-of-operators"}}).status, 200U);
}

TEST_F(PagesTest, SayWhatIsWrong) {
  EXPECT_EQ(ask("GET", "/limiters", {token()}, "count=x").status, 400U);
  const Response other = ask("POST", "/limiters", {token()});
  EXPECT_EQ(other.status, 405U);
  EXPECT_TRUE(has(other, "Allow: GET, HEAD, OPTIONS"));
  has_room_ = false;
  EXPECT_EQ(ask("GET", "/limiters", {token()}).status, 503U);
  EXPECT_EQ(responses_, 3);
}

TEST_F(PagesTest, GiveTheCallersDeadlineButNoLongerOne) {
  const auto now = std::chrono::steady_clock::now();
  deadline_ = 20ms;
  ask("GET", "/why", {token()}, "limiter=api");
  EXPECT_LE(asked_.back().until, now + 20ms + 500ms);
  deadline_ = 1h;
  ask("GET", "/why", {token()}, "limiter=api");
  EXPECT_LE(asked_.back().until, std::chrono::steady_clock::now() + 1s);
  EXPECT_EQ(asked_.back().request_id, "id");
}

TEST_F(PagesTest, LetPagesOfTheseOriginsReadTheAnswers) {
  for (const std::string& origin : origins_) {
    for (const Response& response :
         {ask("GET", "/limiters", {token(), {"Origin", origin}}), ask("GET", "/limiters", {{"Origin", origin}})}) {
      EXPECT_TRUE(has(response, "Access-Control-Allow-Origin: " + origin));
      EXPECT_TRUE(has(response, "Vary: Origin"));
      EXPECT_TRUE(has(response, "Cache-Control: no-store"));
      EXPECT_EQ(response.fields.find("Credentials"), std::string::npos);
    }
  }
  for (const char* origin : {"http://127.0.0.1:8001", "http://127.0.0.1:80000", "https://127.0.0.1:8000", "null", "",
                             "http://127.0.0.1:8000.evil.example", "HTTP://127.0.0.1:8000"}) {
    const Response response = ask("GET", "/limiters", {token(), {"Origin", origin}});
    EXPECT_FALSE(allows_a_page(response)) << origin;
    EXPECT_TRUE(has(response, "Vary: Origin"));
  }
  EXPECT_FALSE(allows_a_page(ask("GET", "/limiters", {token()})));
}

TEST_F(PagesTest, TellBrowsersBeforehandWhatIsAllowed) {
  const Response known = ask("OPTIONS", "/limiters", {{"Origin", origins_[0]}});
  EXPECT_EQ(known.status, 200U);
  EXPECT_TRUE(has(known, "Access-Control-Allow-Origin: " + origins_[0]));
  EXPECT_TRUE(has(known, "Access-Control-Allow-Methods: GET"));
  EXPECT_TRUE(has(known, "Access-Control-Allow-Headers: Authorization, X-Request-Timeout"));
  EXPECT_TRUE(has(known, "Vary: Origin"));
  const Response other = ask("OPTIONS", "/limiters", {{"Origin", "https://evil.example"}});
  EXPECT_EQ(other.fields.find("Access-Control"), std::string::npos);
  EXPECT_TRUE(asked_.empty());
}

TEST(Pages, SayNothingOfOriginsIfThereAreNone) {
  const Pages pages(OperatorSettings{.token = std::string(kToken)}, [](const Inquiry&) { return false; });
  for (const char* method : {"GET", "OPTIONS", "POST"}) {
    const HttpRequest request{
        .method = method, .target = "/limiters", .fields = {{"Origin", "http://127.0.0.1:8000"}}, .body = {}};
    Response given;
    pages.answer(request, "/limiters", {}, {}, [&](Response response) { given = std::move(response); });
    EXPECT_EQ(given.fields.find("Origin"), std::string::npos);
    EXPECT_EQ(given.fields.find("Access-Control"), std::string::npos);
    EXPECT_EQ(given.status, method == std::string("GET") ? 401U : 405U);
  }
}

// --- what is said ------------------------------------------------------------------------------------

About about() { return {.request_id = "id", .now = std::chrono::system_clock::time_point{1800000000123ms}}; }

client::LimitInfo limit(std::string label, std::int64_t size, std::int64_t used) {
  return {.label = std::move(label),
          .limit = "FIXED 5 1m",
          .size = Units(size),
          .used = Units(used),
          .remaining = Units(size - used),
          .reset = 10ms,
          .next_unit = 5ms};
}

TEST(ReportJson, IsJsonWhateverBytesNamesHave) {
  std::string hostile = "\"\\</script>\x01\x7f\xff\xc0\x80\xed\xa0\x80";
  hostile += '\0';
  const Info info{.form = "dense", .limits = {limit(hostile, 5, 1)}, .status = "ok", .why = hostile};
  const std::vector<Response> all{response_to_limiters({{hostile, info}}, std::nullopt, about()),
                                  response_to_limiter({hostile, info}, about()),
                                  response_to_top({{hostile, 1, 0}}, {{hostile, 1, 0}}, about()),
                                  response_to_log({{.subject = hostile, .label = hostile}}, about()),
                                  response_to_why({.limiter = hostile, .subject = hostile}, info, info, about())};
  for (const Response& response : all) {
    const Json json = Json::parse(response.body);
    EXPECT_EQ(json["now_ms"], 1800000000123);
    EXPECT_EQ(json["request_id"], "id");
  }
  const Json named = Json::parse(all[0].body)["limiters"][0];
  EXPECT_EQ(decoded_segment(named["encoded"].get<std::string>()), hostile);
}

TEST(ReportJson, HasTheNextCursorUntilTheWalkIsOver) {
  EXPECT_EQ(Json::parse(response_to_limiters({}, client::LimiterCursor{7, 9}, about()).body)["next"], "7-9");
  EXPECT_TRUE(Json::parse(response_to_limiters({}, std::nullopt, about()).body)["next"].is_null());
}

TEST(ReportJson, OfNothingIsNotFound) {
  EXPECT_EQ(response_to_limiter({"x", {.exists = false}}, about()).status, 404U);
  EXPECT_EQ(response_to_why({}, {.exists = false}, {.exists = false}, about()).status, 404U);
}

TEST(ReportJson, SaysNeverByNull) {
  Info info{.limits = {limit("a", 5, 5)}, .status = "closed"};
  info.limits[0].next_unit.reset();
  const Json json = Json::parse(response_to_why({.subject = "bob"}, info, info, about()).body);
  EXPECT_TRUE(json["wait_ms"].is_null());
  EXPECT_TRUE(json["limits"][0]["next_unit_ms"].is_null());
  EXPECT_EQ(json["limits"][0]["used"], 5);
  EXPECT_FALSE(json["idle"]);
}

TEST(ReportJson, OfAnIdleSubjectHasTheUntouchedLimitsOfTheKey) {
  Info key{.limits = {limit("a", 5, 3), limit("b", 0, 0)}, .status = "denied"};
  key.limits[0].leases = 2;
  key.limits[0].first_leases.push_back({.id = "x"});
  const Json json = Json::parse(response_to_why({.subject = "bob"}, key, {.exists = false}, about()).body);
  EXPECT_TRUE(json["idle"]);
  EXPECT_EQ(json["limits"][0]["used"], 0);
  EXPECT_EQ(json["limits"][0]["remaining"], 5);
  EXPECT_EQ(json["limits"][0]["leases"], 0);
  EXPECT_EQ(json["status"], "closed") << "a limit of size 0 denies those too who never asked";
  EXPECT_EQ(json["binding"], "b");
  EXPECT_TRUE(json["wait_ms"].is_null());
  key.limits.pop_back();
  const Json open = Json::parse(response_to_why({.subject = "bob"}, key, {.exists = false}, about()).body);
  EXPECT_EQ(open["status"], "ok");
  EXPECT_EQ(open["wait_ms"], 0);
}

}  // namespace
}  // namespace ratelimit::service::operators
