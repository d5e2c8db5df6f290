// SPDX-License-Identifier: MIT
// What is counted, and that callers cannot fill the memory with names.
#include "metrics.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace ratelimit::service {
namespace {

using client::Source;

Answer answered_by(Source source, Outcome outcome = Outcome::granted) {
  Answer answer;
  answer.source = source;
  answer.outcome = outcome;
  return answer;
}

std::string line(const std::string& limiter, const std::string& source, const std::string& result, int count) {
  return "check_service_decisions_total{limiter=\"" + limiter + "\",source=\"" + source + "\",result=\"" + result +
         "\"} " + std::to_string(count) + "\n";
}

bool has(const Metrics& metrics, const std::string& text) { return metrics.text().find(text) != std::string::npos; }

TEST(Metrics, CountThePagesOfOperatorsOnceThereAreAny) {
  Metrics metrics;
  EXPECT_FALSE(has(metrics, "check_service_operator_pages_total"));
  Metrics other;
  metrics.count_page("why", 200);
  other.count_page("why", 200);
  other.count_page("top", 401);
  metrics.add(other);
  EXPECT_TRUE(has(metrics, "check_service_operator_pages_total{page=\"why\",status=\"200\"} 2\n"));
  EXPECT_TRUE(has(metrics, "check_service_operator_pages_total{page=\"top\",status=\"401\"} 1\n"));
}

TEST(Metrics, CountByLimiterSourceAndResult) {
  Metrics metrics;
  metrics.count_decision("api", answered_by(Source::server));
  metrics.count_decision("api", answered_by(Source::server));
  metrics.count_decision("api", answered_by(Source::server, Outcome::denied));
  metrics.count_decision("api", answered_by(Source::local));
  metrics.count_decision("api", answered_by(Source::error));
  metrics.count_decision("", answered_by(Source::fail_open));
  EXPECT_TRUE(has(metrics, line("api", "server", "allowed", 2)));
  EXPECT_TRUE(has(metrics, line("api", "server", "blocked", 1)));
  EXPECT_TRUE(has(metrics, line("api", "local", "allowed", 1)));
  EXPECT_TRUE(has(metrics, line("api", "error", "error", 1)));
  EXPECT_TRUE(has(metrics, line("", "fail_open", "allowed", 1)));
}

TEST(Metrics, AddUpWhatThreadsCounted) {
  const auto names = std::make_shared<LimiterNames>();
  Metrics one(names), two(names), sum;
  one.count_decision("api", answered_by(Source::server));
  two.count_decision("api", answered_by(Source::server));
  two.count_response(429);
  two.count_connections(3);
  sum.add(one);
  sum.add(two);
  EXPECT_TRUE(has(sum, line("api", "server", "allowed", 2)));
  EXPECT_TRUE(has(sum, "check_service_responses_total{status=\"429\"} 1\n"));
  EXPECT_TRUE(has(sum, "check_service_connections 3\n"));
}

TEST(Metrics, HaveABoundOnNamesOfAllThreads) {
  const auto names = std::make_shared<LimiterNames>();
  Metrics one(names), two(names), sum;
  for (int i = 0; i < 1000; ++i) {
    (i % 2 == 0 ? one : two).count_decision("limiter" + std::to_string(i), answered_by(Source::server));
  }
  two.count_decision("limiter0", answered_by(Source::server));
  sum.add(one);
  sum.add(two);
  EXPECT_TRUE(has(sum, line("limiter0", "server", "allowed", 2)));
  EXPECT_TRUE(has(sum, line("other", "server", "allowed", 900)));
}

TEST(Metrics, GiveNoPlaceToALimiterThatTheServerDoesNotKnow) {
  Metrics metrics;
  for (int i = 0; i < 1000; ++i) {
    metrics.count_decision("invented" + std::to_string(i), answered_by(Source::error));
    metrics.count_decision("invented" + std::to_string(i), answered_by(Source::fail_open));
  }
  metrics.count_decision("api", answered_by(Source::server));
  EXPECT_FALSE(has(metrics, "invented"));
  EXPECT_TRUE(has(metrics, line("other", "error", "error", 1000)));
  EXPECT_TRUE(has(metrics, line("api", "server", "allowed", 1)));
}

TEST(Metrics, WriteNamesOfAnyBytesAsLabels) {
  Metrics metrics;
  metrics.count_decision("a\"b\\c\nd", answered_by(Source::server));
  EXPECT_TRUE(has(metrics, R"({limiter="a\"b\\c\nd",)"));
}

}  // namespace
}  // namespace ratelimit::service
