// SPDX-License-Identifier: MIT
#include "replay/suggest.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "ratelimit/grammar/limit_text.h"

namespace ratelimit::replay::tests {
namespace {

using namespace std::chrono_literals;

/// An hour of traffic: 50 people who ask now and then, and one who never stops.
struct Traffic {
  Traffic() {
    std::mt19937_64 random(17);
    std::vector<Call> all;
    for (std::uint32_t i = 0; i < 3000; ++i) {
      all.push_back({.at = Instant{1'700'000'000s} + Span{1s} * static_cast<std::int64_t>(random() % 3600),
                     .subject = static_cast<SubjectNumber>(random() % 50)});
    }
    for (std::uint32_t i = 0; i < 3600; ++i)
      all.push_back({.at = Instant{1'700'000'000s} + Span{1s} * i, .subject = 50});
    std::stable_sort(all.begin(), all.end(), [](const Call& a, const Call& b) { return a.at < b.at; });
    calls = all;
    asked.resize(51);
    for (const Call& call : calls) {
      ++asked[call.subject].calls;
      ++asked[call.subject].units;
    }
  }

  /// What a limit denies, replayed anew.
  [[nodiscard]] Tally replayed(const Limits& limits) const {
    Trial trial{limits};
    Tally tally(limits.size());
    for (const Call& call : calls) tally.count(call, trial.check(call));
    return tally;
  }

  [[nodiscard]] std::vector<Suggestion> suggestions(std::string_view bound, const Roles& roles = {}) const {
    const VisitCalls visit = [this](const std::function<void(const Call&)>& next) {
      for (const Call& call : calls) next(call);
      return true;
    };
    const std::vector<Span> spans{10s, 1min};
    return *suggest(*Bound::parse(bound), spans, Crowd{asked, roles}, visit);
  }

  std::vector<Call> calls;
  std::vector<Asked> asked;
};

Limits with_size(const Limits& limits, std::int64_t size) {
  LimitSpec spec = limits[0].spec();
  spec.size = Units(size);
  if (is_bucket(spec.algorithm)) spec.refill = Units(size);
  return *Limits::make(std::span(&spec, 1));
}

TEST(Suggest, FindsLimitsThatDenyLittleEnoughAndNoneTighter) {
  const Traffic traffic;
  const std::vector<Suggestion> found = traffic.suggestions("1%");
  ASSERT_EQ(found.size(), 12U);
  for (const Suggestion& one : found) {
    const Limits& limits = one.contender.trial.limits();
    EXPECT_LE(traffic.replayed(limits).denied(), 66U) << one.contender.text;
    EXPECT_EQ(traffic.replayed(limits).denied(), one.contender.tally.denied()) << one.contender.text;
    ASSERT_GT(one.size, 1) << one.contender.text;
    EXPECT_GT(traffic.replayed(with_size(limits, one.size - 1)).denied(), 66U) << one.contender.text;
  }
}

TEST(Suggest, FindsLimitsThatHitFewSubjects) {
  const Traffic traffic;
  for (const Suggestion& one : traffic.suggestions("2% of subjects")) {  // one of 51
    const Tally tally = traffic.replayed(one.contender.trial.limits());
    EXPECT_LE(tally.subjects_hit(), 1U) << one.contender.text;
    ASSERT_EQ(tally.hardest_hit(1).size(), 1U) << one.contender.text;
    EXPECT_EQ(tally.hardest_hit(1)[0].subject, 50U) << one.contender.text;
    EXPECT_GT(traffic.replayed(with_size(one.contender.trial.limits(), one.size - 1)).subjects_hit(), 1U)
        << one.contender.text;
  }
}

TEST(Suggest, DeniesNothingForAShareOfNothing) {
  const Traffic traffic;
  for (const Suggestion& one : traffic.suggestions("0%")) EXPECT_EQ(one.contender.tally.denied(), 0U);
}

/// Roles of the 51 subjects of the traffic, whose names are their numbers.
Roles roles_of(std::string_view stop, std::string_view spare) {
  SubjectNames names;
  for (int i = 0; i < 51; ++i) static_cast<void>(names.number_of(std::to_string(i)));
  std::vector<Pattern> stopped;
  std::vector<Pattern> spared;
  if (!stop.empty()) stopped.push_back(*Pattern::parse(stop));
  if (!spare.empty()) spared.push_back(*Pattern::parse(spare));
  return Roles(names, stopped, spared);
}

TEST(Suggest, StopsWhomItShallAndNobodyElse) {
  const Traffic traffic;
  const Roles roles = roles_of("50", "");
  for (const Suggestion& one : traffic.suggestions("0 subjects", roles)) {
    const Limits& limits = one.contender.trial.limits();
    const DeniedByRole denied = denied_by_role(traffic.replayed(limits), roles);
    EXPECT_EQ(denied.others_hit, 0U) << one.contender.text;
    EXPECT_EQ(denied.stopped, traffic.replayed(limits).denied()) << one.contender.text;
    ASSERT_GT(one.size, 1) << one.contender.text;
    const Tally tighter = traffic.replayed(with_size(limits, one.size - 1));
    EXPECT_GT(denied_by_role(tighter, roles).others_hit, 0U) << one.contender.text;
    ASSERT_TRUE(one.hit_by_less) << one.contender.text;
    EXPECT_TRUE(tighter.is_hit(*one.hit_by_less)) << one.contender.text;
    EXPECT_FALSE(one.contender.tally.is_hit(*one.hit_by_less)) << one.contender.text;
    const Tally twice = traffic.replayed(with_size(limits, 2 * one.size));
    EXPECT_EQ(one.stopped_by_twice, denied_by_role(twice, roles).stopped) << one.contender.text;
  }
}

TEST(Suggest, StopsOneWhoAsksLessThanOthersDo) {
  const Traffic traffic;
  const Roles roles = roles_of("7", "");
  for (const Suggestion& one : traffic.suggestions("1 subject", roles)) {
    const DeniedByRole denied = denied_by_role(one.contender.tally, roles);
    EXPECT_LE(denied.others_hit, 1U) << one.contender.text;
  }
}

TEST(Suggest, DeniesNothingToThoseWhoAreSpared) {
  const Traffic traffic;
  const Roles roles = roles_of("", "50");
  for (const char* bound : {"10%", "50% of subjects", "9 subjects"}) {
    const std::vector<Suggestion> found = traffic.suggestions(bound, roles);
    EXPECT_FALSE(found.empty());
    for (const Suggestion& one : found) EXPECT_FALSE(one.contender.tally.is_hit(50)) << bound << one.contender.text;
  }
}

TEST(Suggest, SaysWhomOneLessHits) {
  const Traffic traffic;
  for (const Suggestion& one : traffic.suggestions("3 subjects")) {
    if (one.size == 1) continue;
    ASSERT_TRUE(one.hit_by_less) << one.contender.text;
    const Tally tighter = traffic.replayed(with_size(one.contender.trial.limits(), one.size - 1));
    EXPECT_TRUE(tighter.is_hit(*one.hit_by_less)) << one.contender.text;
    EXPECT_FALSE(one.contender.tally.is_hit(*one.hit_by_less)) << one.contender.text;
  }
}

TEST(Suggest, EndsIfTheUserEndsIt) {
  const std::vector<Span> spans{10s};
  const std::vector<Asked> asked{{.calls = 9, .units = 9}};
  const Roles roles;
  EXPECT_FALSE(suggest(*Bound::parse("1%"), spans, Crowd{asked, roles}, [](const auto&) { return false; }));
}

TEST(Bound, IsAShareOfCallsOrOfSubjects) {
  EXPECT_EQ(Bound::parse("0.1%")->part_of(12'345), 12U);
  EXPECT_EQ(Bound::parse("0.1 %")->part_of(12'345), 12U);
  EXPECT_EQ(Bound::parse("99.9999% of calls")->part_of(1'000'000), 999'999U);
  EXPECT_EQ(Bound::parse("5% of subjects")->of, Bound::Of::subjects);
  EXPECT_EQ(Bound::parse("1 subject")->part_of(100), 1U);
  EXPECT_EQ(Bound::parse("3 subjects")->of, Bound::Of::subjects);
  EXPECT_EQ(Bound::parse("3 subjects")->part_of(2), 2U) << "there are no more";
  EXPECT_EQ(Bound::parse("100 calls")->of, Bound::Of::calls);
  EXPECT_EQ(Bound::nobody().part_of(100), 0U);
  for (const char* text : {"", "%", "1", "subjects", " subjects", "1.5 subjects", "-1 subjects", "3 subjects%", "100%",
                           "0.12345%", "1.%", "-1%", "x%", "1% of users"}) {
    EXPECT_FALSE(Bound::parse(text)) << text;
  }
}

}  // namespace
}  // namespace ratelimit::replay::tests
