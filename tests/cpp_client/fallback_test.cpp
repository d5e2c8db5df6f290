// SPDX-License-Identifier: MIT
#include "ratelimit/client/fallback.h"

#include <gtest/gtest.h>

#include <chrono>

namespace ratelimit::client::tests {
namespace {

using namespace std::chrono_literals;

const Policy kPolicy{fixed(8, 1h)};
const Unanswered kTimeout{Failure::timeout, "late"};

Options options_for(Without choice) {
  Options options;
  options.without_server = choice;
  options.share = {1, 4};
  options.most_local_subjects = 2;
  return options;
}

TEST(Fallback, SaysWhyTheServerDidNotDecide) {
  for (const Without choice : {Without::fail_open, Without::fail_closed, Without::local}) {
    Counters counters;
    Fallback fallback(options_for(choice), counters);
    const Answer answer = fallback.check({"key", kPolicy, {}}, kTimeout);
    EXPECT_EQ(answer.failure, Failure::timeout);
    EXPECT_EQ(answer.error, "late");
  }
}

TEST(Fallback, GrantsEverythingIfThatIsTheChoice) {
  Counters counters;
  Fallback fallback(options_for(Without::fail_open), counters);
  const Call call{.cost = Units(100)};
  const Answer answer = fallback.check({"key", kPolicy, call}, kTimeout);
  EXPECT_TRUE(answer.allowed());
  EXPECT_EQ(answer.granted, Units(100));
  EXPECT_EQ(answer.wait, 0ms);
  EXPECT_EQ(answer.source, Source::fail_open);
}

TEST(Fallback, GrantsNothingIfThatIsTheChoice) {
  Counters counters;
  Fallback fallback(options_for(Without::fail_closed), counters);
  const Answer answer = fallback.peek({"key", kPolicy, {}}, kTimeout);
  EXPECT_FALSE(answer.allowed());
  EXPECT_EQ(answer.granted, kNoUnits);
  EXPECT_EQ(answer.wait, 1000ms);
  EXPECT_EQ(answer.source, Source::fail_closed);
}

TEST(Fallback, GrantsTheShareOfTheLimitIfThatIsTheChoice) {
  Counters counters;
  Fallback fallback(options_for(Without::local), counters);
  int granted = 0;
  for (int i = 0; i < 10; ++i) granted += fallback.check({"key", kPolicy, {}}, kTimeout) ? 1 : 0;
  EXPECT_EQ(granted, 2);
  EXPECT_EQ(fallback.check({"key", kPolicy, {}}, kTimeout).source, Source::local);
  EXPECT_FALSE(fallback.check({"key", Policy::stored(), {}}, kTimeout).allowed()) << "nobody knows those limits";
  EXPECT_EQ(counters.now().of(Event::local_undecided), 1U);
}

TEST(Fallback, SettlesOnlyWhatWasReservedHere) {
  Counters counters;
  Fallback fallback(options_for(Without::local), counters);
  const Call call{.cost = Units(2), .id = "job"};
  const Question question{"key", kPolicy, call};
  EXPECT_FALSE(fallback.settle(question, kTimeout).was_held);
  EXPECT_EQ(fallback.reserve(question, 1min, kTimeout).id, "job");
  const Call actual{.cost = Units(1), .id = "job"};
  const Answer settled = fallback.settle({"key", kPolicy, actual}, kTimeout);
  EXPECT_TRUE(settled.was_held);
  EXPECT_EQ(settled.source, Source::nobody);
  EXPECT_EQ(settled.granted, Units(1));
  EXPECT_EQ(fallback.peek({"key", kPolicy, {}}, kTimeout).remaining, Units(1));
  EXPECT_TRUE(fallback.check({"key", kPolicy, {}}, kTimeout).allowed()) << "one of two came back";
}

}  // namespace
}  // namespace ratelimit::client::tests
