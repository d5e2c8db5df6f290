// SPDX-License-Identifier: MIT
#include "ratelimit/verdict.h"

#include <gtest/gtest.h>

#include "subject.h"

namespace ratelimit::tests {
namespace {

TEST(Verdict, ChargesAllOrNone) {
  Subject caller({bucket(10, 10, 1h), fixed(3, 1min), sliding(5, 1min)});
  EXPECT_EQ(caller.check(3, kToday).outcome, Outcome::granted);
  EXPECT_EQ(caller.check(1, kToday).outcome, Outcome::denied);
  EXPECT_EQ(caller.used(0, kToday), Units(3));
  EXPECT_EQ(caller.used(1, kToday), Units(3));
  EXPECT_EQ(caller.used(2, kToday), Units(3));
}

TEST(Verdict, NamesTheLimitWithTheFewestUnitsRemaining) {
  Subject caller({bucket(10, 10, 1h), fixed(3, 1min), sliding(5, 1min)});
  const Verdict verdict = caller.verdict(Units(2), kToday);
  EXPECT_EQ(verdict.binding, 1U);
  EXPECT_EQ(verdict.decision.size, Units(3));
  EXPECT_EQ(verdict.decision.remaining, Units(1));
  EXPECT_EQ(verdict.decision.granted, Units(2));
}

TEST(Verdict, NamesTheLongestWaitOfThoseThatDeny) {
  Subject caller({fixed(1, 1s), fixed(1, 1h), fixed(1, 1min), fixed(10, 24h)});
  caller.check(1, kToday);
  const Verdict verdict = caller.verdict(Units(1), kToday);
  EXPECT_EQ(verdict.binding, 1U);
  EXPECT_EQ(verdict.decision.wait, 1h);
}

TEST(Verdict, NamesTheLimitThatNeverGrantsBeforeAnyThatWaits) {
  Subject caller({fixed(100, kMaxSpan), sliding(2, 1s)});
  caller.check(1, kToday);
  Subject full({fixed(2, kMaxSpan), sliding(1, 1s)});
  full.check(1, kToday);
  EXPECT_EQ(full.verdict(Units(2), kToday).decision.outcome, Outcome::never);
  EXPECT_EQ(full.verdict(Units(2), kToday).binding, 1U);
}

TEST(Verdict, NamesTheFirstOfEquals) {
  Subject caller({sliding(2, 1s), fixed(2, 1s)});
  EXPECT_EQ(caller.verdict(Units(1), kToday).binding, 0U);
  EXPECT_EQ(caller.verdict(Units(3), kToday).binding, 0U);
}

TEST(Verdict, ChargesOneUnitPerRequest) {
  Subject caller({fixed(1000, 1min), per_request(fixed(2, 1min))});
  const Decision first = caller.check(400, kToday);
  EXPECT_EQ(first.outcome, Outcome::granted);
  EXPECT_EQ(first.granted, Units(400));
  EXPECT_EQ(first.remaining, Units(1));
  EXPECT_EQ(caller.check(400, kToday).outcome, Outcome::granted);
  EXPECT_EQ(caller.used(0, kToday), Units(800));
  EXPECT_EQ(caller.used(1, kToday), Units(2));
  EXPECT_EQ(caller.verdict(Units(1), kToday).binding, 1U);
}

TEST(Verdict, SaysWhenAllStatesWillBeIdle) {
  Subject caller({bucket(10, 10, 10h), fixed(2, 1s)});
  EXPECT_EQ(caller.verdict(Units(1), kToday).idle_in, 1h);
  caller.check(1, kToday);
  EXPECT_EQ(caller.verdict(Units(1), kToday).idle_in, 2h);
}

}  // namespace
}  // namespace ratelimit::tests
