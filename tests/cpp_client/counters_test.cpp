// SPDX-License-Identifier: MIT
#include "ratelimit/client/counters.h"

#include <gtest/gtest.h>

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

TEST(Counters, HaveADifferentNameEach) {
  const std::string text = metrics_text(Counts{});
  std::set<std::string> lines;
  std::size_t number = 0;
  for (std::size_t begin = 0, end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    lines.insert(text.substr(begin, end - begin));
    ++number;
  }
  EXPECT_EQ(lines.size(), number);
  EXPECT_EQ(number, 3 + 2 * kSources + (kFailures - 1) + kEvents);
  EXPECT_EQ(text.find("\"\""), std::string::npos) << "nothing is without a name";
}

}  // namespace
}  // namespace ratelimit::client::tests
