// SPDX-License-Identifier: MIT
#include "replay/replayer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ratelimit/grammar/limits_of_text.h"

namespace ratelimit::replay::tests {
namespace {

using namespace std::chrono_literals;

constexpr Instant kBegin{1'700'000'000s};

std::vector<Contender> contenders(std::initializer_list<const char*> texts) {
  std::vector<Contender> all;
  for (const char* text : texts) {
    LimitSpecs specs;
    const auto fault =
        read_limits(std::string_view(text), specs, [](std::string_view) -> const Zone* { return nullptr; });
    EXPECT_FALSE(fault) << text;
    all.emplace_back(text, *Limits::make(specs.span()));
  }
  return all;
}

/// Replays calls at these times after the begin, each of a subject and of cost 1.
struct Traffic {
  explicit Traffic(std::vector<Contender> tried, Span disorder = 10s) : replayer(std::move(tried), disorder) {}

  void call(Span at, SubjectNumber subject, std::int64_t cost = 1) {
    replayer.take({.at = kBegin + at, .cost = Units(cost), .line = ++lines, .subject = subject});
  }
  const Tally& tally(std::size_t i = 0) {
    replayer.finish();
    return replayer.contenders()[i].tally;
  }

  Replayer replayer;
  std::uint64_t lines = 0;
};

TEST(Replayer, CountsWhatALimitWouldDeny) {
  Traffic traffic(contenders({"FIXED 3 1m"}));
  for (int i = 0; i < 5; ++i) traffic.call(i * 1s, 0);
  for (int i = 0; i < 2; ++i) traffic.call(10s, 1);
  traffic.call(60s, 0);
  const Tally& tally = traffic.tally();
  EXPECT_EQ(tally.calls(), 8U);
  EXPECT_EQ(tally.denied(), 2U);
  EXPECT_EQ(tally.granted(), 6U);
  EXPECT_EQ(tally.subjects_hit(), 1U);
  EXPECT_EQ(tally.longest_wait(), Span{57s});
  EXPECT_EQ(traffic.replayer.asked()[0].calls, 6U);
}

TEST(Replayer, TriesListsSideBySide) {
  Traffic traffic(contenders({"FIXED 3 1m", "FIXED 100 1m", "FIXED 9 1m AS a FIXED 2 1s AS b"}));
  for (int i = 0; i < 5; ++i) traffic.call(0s, 0);
  EXPECT_EQ(traffic.tally(0).denied(), 2U);
  EXPECT_EQ(traffic.tally(1).denied(), 0U);
  EXPECT_EQ(traffic.tally(2).denied(), 3U);
  EXPECT_EQ(traffic.tally(2).denied_by(), (std::vector<std::uint64_t>{0, 3}));
}

TEST(Replayer, SaysWhenASubjectWasHitAndForHowLong) {
  Traffic traffic(contenders({"FIXED 1 10s"}));
  for (const int second : {0, 1, 4, 100, 101, 160, 161, 220, 221, 400, 401})
    traffic.call(std::chrono::seconds(second), 7);
  const std::vector<Hit> hits = traffic.tally().hardest_hit(5);
  ASSERT_EQ(hits.size(), 1U);
  EXPECT_EQ(hits[0].subject, 7U);
  EXPECT_EQ(hits[0].first, kBegin + 1s);
  EXPECT_EQ(hits[0].denied, 6U);
  EXPECT_EQ(hits[0].last, kBegin + 401s);
  EXPECT_EQ(hits[0].longest, Span{120s}) << "denied at 101, 161 and 221";
  EXPECT_EQ(hits[0].longest_begin, kBegin + 101s);
}

TEST(Replayer, NamesTheHardestHitFirst) {
  Traffic traffic(contenders({"FIXED 1 1h"}));
  for (const SubjectNumber subject : {1, 1, 2, 2, 2, 3, 4, 4, 4, 4}) traffic.call(0s, subject);
  const std::vector<Hit> hits = traffic.tally().hardest_hit(2);
  ASSERT_EQ(hits.size(), 2U);
  EXPECT_EQ(hits[0].subject, 4U);
  EXPECT_EQ(hits[1].subject, 2U);
}

TEST(Replayer, PutsCallsInOrderWithinTheBound) {
  Traffic traffic(contenders({"FIXED 1 5s"}), 3s);
  std::vector<std::int64_t> seconds;
  traffic.replayer.observe([&](const Call& call, auto) {
    seconds.push_back(std::chrono::floor<std::chrono::seconds>(call.at - kBegin).count());
  });
  for (const int second : {2, 0, 1, 5, 3, 9, 4, 20, 8}) traffic.call(std::chrono::seconds(second), 0);
  static_cast<void>(traffic.tally());
  EXPECT_EQ(seconds, (std::vector<std::int64_t>{0, 1, 2, 3, 5, 5, 9, 9, 20})) << "4 and 8 came too late";
  EXPECT_EQ(traffic.replayer.reorder().late(), 2U);
}

TEST(Replayer, KeepsTheOrderOfLinesOfOneInstant) {
  Traffic traffic(contenders({"FIXED 1 5s"}), 3s);
  std::vector<std::uint64_t> lines;
  traffic.replayer.observe([&](const Call& call, auto) { lines.push_back(call.line); });
  for (const int second : {1, 1, 0, 1, 0}) traffic.call(std::chrono::seconds(second), 0);
  static_cast<void>(traffic.tally());
  EXPECT_EQ(lines, (std::vector<std::uint64_t>{3, 5, 1, 2, 4}));
}

TEST(Replayer, KeepsAMillionWaitingCallsAtMost) {
  Traffic traffic(contenders({"FIXED 1 5s"}), 3s);
  std::uint64_t handed_on = 0;
  traffic.replayer.observe([&](const Call&, auto) { ++handed_on; });
  for (std::size_t i = 0; i < Reorder::kMostWaiting; ++i) traffic.call(1s, 0);
  EXPECT_EQ(handed_on, 0U);
  for (int i = 0; i < 5; ++i) traffic.call(1s, 0);
  EXPECT_EQ(handed_on, 5U);
  traffic.call(0s, 0);
  EXPECT_EQ(traffic.replayer.reorder().late(), 1U) << "calls of the second after have gone on";
}

TEST(Replayer, TellsADeniedCallThatNoWaitWouldHelp) {
  Traffic traffic(contenders({"TOKENBUCKET 5 1 1s"}));
  traffic.call(0s, 0, 6);
  EXPECT_EQ(traffic.tally().never(), 1U);
  EXPECT_EQ(traffic.tally().longest_wait(), Span{});
  EXPECT_EQ(traffic.tally().units_denied(), 6U);
}

TEST(Replayer, TellsTheQueueOfALeakyBucket) {
  Traffic traffic(contenders({"LEAKYBUCKET 5 1 1s"}));
  for (int i = 0; i < 4; ++i) traffic.call(0s, 0);
  traffic.call(0s, 1);
  traffic.call(0s, 1);
  traffic.call(0s, 2);
  EXPECT_EQ(traffic.tally().denied(), 0U);
  EXPECT_EQ(traffic.tally().longest_queue(), Span{3s});
  EXPECT_EQ(traffic.tally().longest_queue_subject(), 0U);
  EXPECT_EQ(traffic.tally().waited(), 4U) << "the first of each goes at once";
  EXPECT_EQ(traffic.tally().subjects_waited(), 2U);
}

TEST(Replayer, NamesWhoCameNearestToADenial) {
  Traffic traffic(contenders({"FIXED 5 1h"}));
  const auto calls = [&](SubjectNumber subject, int count) {
    for (int i = 0; i < count; ++i) traffic.call(0s, subject);
  };
  calls(0, 2);
  calls(1, 6);
  calls(2, 5);
  calls(3, 4);
  calls(9, 4);
  traffic.call(2h, 2);
  const auto anybody = [](SubjectNumber) { return true; };
  const std::vector<Near> nearest = traffic.tally().nearest(3, anybody);
  ASSERT_EQ(nearest.size(), 3U) << "subject 1 was denied";
  EXPECT_EQ(nearest[0].subject, 2U);
  EXPECT_EQ(nearest[0].left, 0U) << "the least, not the last";
  EXPECT_EQ(nearest[1].subject, 3U);
  EXPECT_EQ(nearest[1].left, 1U);
  EXPECT_EQ(nearest[2].subject, 9U);
  EXPECT_EQ(traffic.tally().nearest(9, anybody).size(), 4U) << "who never asked is not near";
  EXPECT_EQ(traffic.tally().nearest(9, [](SubjectNumber subject) { return subject == 0; })[0].left, 3U);
  EXPECT_TRUE(traffic.tally().nearest(0, anybody).empty());
}

TEST(Replayer, EndsEachLeaseByItsTime) {
  Traffic traffic(contenders({"CONCURRENT 2 10s"}));
  for (const int second : {0, 1, 2, 10, 11, 12}) traffic.call(std::chrono::seconds(second), 0);
  EXPECT_EQ(traffic.tally().denied(), 2U);
}

TEST(Replayer, CountsCallsOfCostZeroWithoutTaking) {
  Traffic traffic(contenders({"FIXED 1 1h"}));
  traffic.call(0s, 0, 0);
  traffic.call(0s, 0, 1);
  traffic.call(0s, 0, 0);
  EXPECT_EQ(traffic.tally().denied(), 0U);
}

TEST(SubjectNames, KeepsEachNameOnceThroughManyGrowths) {
  SubjectNames names;
  for (int round = 0; round < 2; ++round) {
    for (std::uint32_t i = 0; i < 20'000; ++i) EXPECT_EQ(names.number_of("user:" + std::to_string(i)), i);
  }
  EXPECT_EQ(names.size(), 20'000U);
  EXPECT_EQ(names[19'999], "user:19999");
  EXPECT_EQ(names.number_of(std::string(100'000, 'x')), 20'000U);
  EXPECT_EQ(names[20'000].size(), 100'000U);
}

TEST(Timeline, CountsEachCallOnceHoweverLongTheLog) {
  for (const Span length : {Span{10s}, Span{1h}, Span{24h}, Span{24h} * 3000}) {
    Timeline timeline;
    constexpr int kCalls = 1000;
    for (int i = 0; i < kCalls; ++i) timeline.count(kBegin + length / kCalls * i, i % 3 != 0);
    std::uint64_t granted = 0;
    std::uint64_t denied = 0;
    std::size_t columns = 0;
    timeline.for_each_column(50, [&](Instant, Span, const Timeline::Step& step) {
      granted += step.granted;
      denied += step.denied;
      ++columns;
    });
    EXPECT_EQ(granted, 666U);
    EXPECT_EQ(denied, 334U);
    EXPECT_LE(columns, 50U);
    EXPECT_LE(timeline.size(), Timeline::kSteps);
  }
}

}  // namespace
}  // namespace ratelimit::replay::tests
