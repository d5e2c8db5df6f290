// SPDX-License-Identifier: MIT
#include "ratelimit/client/counters.h"

#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <string>

namespace ratelimit::client::tests {
namespace {

Answer answer_of(Source source, Outcome outcome) {
  Answer answer;
  answer.source = source;
  answer.outcome = outcome;
  return answer;
}

TEST(Counters, CountEachAnswerOnce) {
  Counters counters;
  counters.count(answer_of(Source::server, Outcome::granted));
  counters.count(answer_of(Source::server, Outcome::denied));
  counters.count(answer_of(Source::remembered, Outcome::never));
  counters.count(answer_of(Source::error, Outcome::granted));
  const Counts counts = counters.now();
  EXPECT_EQ(counts.granted_by(Source::server), 1U);
  EXPECT_EQ(counts.answered_by(Source::server), 2U);
  EXPECT_EQ(counts.denied_by(Source::remembered), 1U);
  EXPECT_EQ(counts.denied_by(Source::error), 1U) << "a call that is wrong is not allowed";
  EXPECT_EQ(counts.calls(), 4U);
}

TEST(Counters, CountFailuresAndUnits) {
  Counters counters;
  counters.count(Failure::none);
  counters.count(Failure::timeout);
  counters.count(Event::units_leased, Units(500));
  counters.count(Event::lease_taken);
  EXPECT_EQ(counters.now().of(Failure::none), 0U);
  EXPECT_EQ(counters.now().of(Failure::timeout), 1U);
  EXPECT_EQ(counters.now().of(Event::units_leased), 500U);
  EXPECT_EQ(counters.now().of(Event::lease_taken), 1U);
}

TEST(Counters, PutLatenciesInARangeEach) {
  Counters counters;
  using namespace std::chrono_literals;
  for (const Span latency : {Span{}, Span{49us}, Span{50us}, Span{50us + 1ns}, Span{10ms}, Span{1s}, Span{1s + 1ns}}) {
    counters.count_latency(latency);
  }
  const Counts counts = counters.now();
  EXPECT_EQ(counts.latencies[0], 3U) << "an end belongs to its range";
  EXPECT_EQ(counts.latencies[1], 1U);
  EXPECT_EQ(counts.latencies[kLatencies - 2], 1U);
  EXPECT_EQ(counts.latencies[kLatencies - 1], 1U) << "longer than the last end";
  const std::string text = metrics_text(counts);
  EXPECT_NE(text.find("ratelimit_client_latency_seconds_bucket{le=\"0.000050000\"} 3\n"), std::string::npos) << text;
  EXPECT_NE(text.find("ratelimit_client_latency_seconds_bucket{le=\"0.010000000\"} 5\n"), std::string::npos);
  EXPECT_NE(text.find("ratelimit_client_latency_seconds_bucket{le=\"+Inf\"} 7\n"), std::string::npos);
  EXPECT_NE(text.find("ratelimit_client_latency_seconds_sum 2.010149002\n"), std::string::npos);
  EXPECT_NE(text.find("ratelimit_client_latency_seconds_count 7\n"), std::string::npos);
}

TEST(Counters, HaveADifferentNameEach) {
  const std::string text = metrics_text(Counts{});
  std::set<std::string> lines;
  std::size_t number = 0;
  for (std::size_t begin = 0, end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    lines.insert(text.substr(begin, end - begin));
    ++number;
  }
  EXPECT_EQ(lines.size(), number);
  constexpr std::size_t kMetrics = 4;  // each begins with what it is, and its type
  EXPECT_EQ(number, 2 * kMetrics + 2 * kSources + (kFailures - 1) + kEvents + kLatencies + 2);
  EXPECT_EQ(text.find("\"\""), std::string::npos) << "nothing is without a name";
}

}  // namespace
}  // namespace ratelimit::client::tests
