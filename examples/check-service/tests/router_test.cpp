// SPDX-License-Identifier: MIT
// The routes, with a backend that notes what it is asked.
#include "http/router.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace ratelimit::service {
namespace {

/// Answers each question at once, with `answer`.
class Noting final : public Backend {
 public:
  Answer answer;
  std::vector<Question> questions;
  Span deadline{};

  void check(const Question& question, const Context& context, Done done) override { note(question, context, done); }
  void check_all(const std::vector<Question>&, const Context&, DoneAll done) override { done(answer, {}); }
  void reserve(const Question& question, Span, const Context& context, Done done) override {
    note(question, context, done);
  }
  void settle(const Question& question, const Context& context, Done done) override { note(question, context, done); }
  void refund(const Question& question, const Context& context, Done done) override { note(question, context, done); }

 private:
  void note(const Question& question, const Context& context, const Done& done) {
    questions.push_back(question);
    deadline = context.deadline;
    done(answer);
  }
};

class RouterTest : public testing::Test {
 protected:
  RouterTest() {
    backend_.answer.outcome = Outcome::granted;
    backend_.answer.granted = Units(1);
  }

  Response ask(std::string method, std::string target, std::string body = {},
               std::vector<std::pair<std::string, std::string>> fields = {}) {
    Response response;
    router_.handle({.method = std::move(method),
                    .target = std::move(target),
                    .fields = std::move(fields),
                    .body = std::move(body)},
                   [&](Response given) { response = std::move(given); });
    return response;
  }

  Noting backend_;
  Metrics metrics_;
  Log log_{Level::error};
  std::atomic<bool> is_draining_{false};
  bool is_closed_ = true;
  RouterShared shared_{.log = log_,
                       .metrics = [] { return std::string("text"); },
                       .is_breaker_closed = [this] { return is_closed_; },
                       .is_draining = is_draining_};
  Router router_{backend_, metrics_, shared_, [](auto call) { call(); }};
};

TEST_F(RouterTest, AsksTheBackendWhatTheBodySays) {
  const Response response = ask("POST", "/check", R"({"limiter": "api", "subject": "bob", "cost": 3})");
  EXPECT_EQ(response.status, 200U);
  ASSERT_EQ(backend_.questions.size(), 1U);
  EXPECT_EQ(backend_.questions[0].key, "api");
  EXPECT_EQ(backend_.questions[0].subject, "bob");
  EXPECT_EQ(backend_.questions[0].cost, Units(3));
}

TEST_F(RouterTest, AnswersOtherPathsAndMethods) {
  EXPECT_EQ(ask("GET", "/check").status, 405U);
  EXPECT_NE(ask("GET", "/check").fields.find("Allow: POST\r\n"), std::string::npos);
  EXPECT_EQ(ask("POST", "/metrics").status, 405U);
  EXPECT_EQ(ask("GET", "/").status, 404U);
  EXPECT_EQ(ask("POST", "/check", "{}", {{"Content-Type", "text/plain"}}).status, 415U);
  EXPECT_EQ(ask("POST", "/check", "{").status, 400U);
  EXPECT_TRUE(backend_.questions.empty());
}

TEST_F(RouterTest, TakesTheCallersDeadlineOver) {
  const std::string body = R"({"limiter": "api"})";
  EXPECT_EQ(ask("POST", "/check", body, {{"X-Request-Timeout", "7ms"}}).status, 200U);
  EXPECT_EQ(backend_.deadline, std::chrono::milliseconds{7});
  EXPECT_EQ(ask("POST", "/check", body, {{"X-Request-Timeout", "soon"}}).status, 400U);
  EXPECT_EQ(ask("POST", "/check", body, {{"X-Request-Timeout", "0"}}).status, 400U);
}

TEST_F(RouterTest, PassesTheRequestIdAndTheTraceOn) {
  const std::string trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const Response response =
      ask("POST", "/check", R"({"limiter": "api"})", {{"X-Request-Id", "abc"}, {"traceparent", trace}});
  EXPECT_NE(response.fields.find("X-Request-Id: abc\r\n"), std::string::npos);
  EXPECT_NE(response.fields.find("traceparent: " + trace + "\r\n"), std::string::npos);
  EXPECT_NE(response.body.find(R"("request_id":"abc")"), std::string::npos);
  const Response made = ask("POST", "/check", R"({"limiter": "api"})", {{"X-Request-Id", "a\"b"}});
  EXPECT_EQ(made.fields.find("a\"b"), std::string::npos) << "an id of another form is replaced";
}

TEST_F(RouterTest, IsReadyWhenTheServerAnswersAndTheBreakerIsClosed) {
  EXPECT_EQ(ask("GET", "/health/ready").status, 200U);
  is_closed_ = false;
  EXPECT_EQ(ask("GET", "/health/ready").status, 503U);
  is_closed_ = true;
  backend_.answer.source = client::Source::fail_open;
  EXPECT_EQ(ask("GET", "/health/ready").status, 503U);
  backend_.answer.source = client::Source::server;
  is_draining_ = true;
  EXPECT_EQ(ask("GET", "/health/ready").status, 503U);
  EXPECT_EQ(ask("GET", "/health/live").status, 200U);
}

TEST_F(RouterTest, AnswersAProxyWhateverMethodItUses) {
  for (const char* method : {"GET", "HEAD", "POST", "PUT"}) {
    EXPECT_EQ(ask(method, "/auth?limiter=api&subject=bob").status, 200U) << method;
  }
  EXPECT_EQ(backend_.questions.back().subject, "bob");
  EXPECT_EQ(ask("GET", "/auth?limiter=api&by=X-Real-IP", {}, {{"x-real-ip", "9.9.9.9"}}).status, 200U);
  EXPECT_EQ(backend_.questions.back().subject, "9.9.9.9");
}

}  // namespace
}  // namespace ratelimit::service
