// SPDX-License-Identifier: MIT
// Counts up to 2^53 - 1, booked again and again on whatever there is.
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ratelimit/limits.h"
#include "ratelimit/operation.h"
#include "ratelimit/request.h"
#include "ratelimit/reservations.h"
#include "stored.h"
#include "subject.h"

namespace ratelimit::tests {
namespace {

const std::vector<LimitSpec> kEachAlgorithm = {
    bucket(5, 5, 5ms),
    leaky(5, 1, 24h),
    fixed(5, 60s),
    sliding(5, 60s),
    approx(5, 60s),
    concurrent(5, 60s),
    quota(kMaxUnits.count(), CalendarUnit::day),
    fixed(kMaxUnits.count(), kMaxSpan, "most"),
};

TEST(LargeCounts, OfWindowsAreExact) {
  for (const LimitSpec& spec :
       {fixed(kMaxUnits.count(), 1h), aligned(kMaxUnits.count(), 1h), quota(kMaxUnits.count(), CalendarUnit::month)}) {
    Subject subject(spec);
    EXPECT_EQ(subject.check(kMaxUnits.count() - 1, kToday).remaining, Units(1));
    EXPECT_EQ(subject.check(2, kToday).outcome, Outcome::denied);
    EXPECT_EQ(subject.check({.cost = kMaxUnits, .mode = Mode::partial}, kToday).granted, Units(1));
    EXPECT_EQ(subject.used(0, kToday), kMaxUnits);
    EXPECT_EQ(subject.refund(kMaxUnits.count(), kToday), kMaxUnits);
    EXPECT_EQ(subject.check(kMaxUnits.count(), kToday).granted, kMaxUnits);
  }
}

TEST(LargeCounts, ThatALimitNeverHoldsAreNeverGranted) {
  for (const LimitSpec& spec : {bucket(kMax32BitUnits.count(), 1000, 1ms), sliding(kMax32BitUnits.count(), 60s),
                                approx(kMax32BitUnits.count(), 60s), concurrent(kMax32BitUnits.count(), 60s),
                                fixed(kMaxUnits.count() - 1, 60s)}) {
    const Subject subject(spec);
    for (const Mode mode : {Mode::whole, Mode::may_wait}) {
      const Request request{.cost = spec.size + Units(1), .mode = mode, .longest_wait = kMaxSpan};
      EXPECT_EQ(subject.peek(request, kToday).outcome, Outcome::never) << ::testing::PrintToString(spec);
    }
    EXPECT_EQ(subject.peek({.cost = kMaxUnits, .mode = Mode::partial}, kToday).granted, spec.size);
    EXPECT_EQ(subject.reservation({.cost = kMaxUnits, .id = "a"}, kToday).decision.granted, spec.size);
  }
}

/// Each way in which units are booked, with the largest count.
std::vector<Operation> bookings(Instant now) {
  return {
      {.kind = Operation::Kind::charge, .at = now, .units = kMaxUnits, .id = "a"},
      {.kind = Operation::Kind::charge, .at = now, .units = kMaxUnits, .span = 1h, .id = "b"},
      {.kind = Operation::Kind::charge, .at = now, .units = kMaxUnits, .id = "c", .named = 0},
      {.kind = Operation::Kind::reserve, .at = now, .units = kMaxUnits, .span = 2h, .id = "d"},
      {.kind = Operation::Kind::reserve, .at = now, .units = kMaxUnits, .span = kMaxSpan, .id = "e", .named = 0},
      {.kind = Operation::Kind::settle, .at = now, .units = kMaxUnits, .id = "d"},
      {.kind = Operation::Kind::settle, .at = now, .units = kMaxUnits, .id = "unknown"},
      {.kind = Operation::Kind::settle, .at = now, .units = kNoUnits, .id = "e"},
      {.kind = Operation::Kind::refund, .at = now, .units = kMaxUnits},
  };
}

TEST(LargeCounts, AreBookedAgainAndAgainWithoutOverflow) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    Random random(seed);
    Stored stored(kEachAlgorithm);
    Instant now = kToday;
    for (int i = 0; i < 500; ++i) {
      std::vector<Operation> all = bookings(now);
      Operation operation = all[random.below(all.size())];
      const std::string id = std::to_string(i);
      if (random.one_in(4) && operation.kind == Operation::Kind::reserve) operation.id = id;
      stored.perform(operation);
      for (std::size_t limit = 0; limit < kEachAlgorithm.size(); ++limit) {
        const Units used = stored.used(limit, stored.reservations().turn.or_later(now));
        ASSERT_TRUE(kNoUnits <= used && used <= kMaxUnits) << ::testing::PrintToString(operation);
      }
      if (random.one_in(8)) {
        const auto read = decode(encode(stored));
        ASSERT_NE(read, nullptr);
        ASSERT_EQ(encode(*read), encode(stored));
      }
      if (random.one_in(3)) now += random.one_of<Span>({1ns, 1s, 1h, 3h});
    }
  }
}

TEST(LargeCounts, ChargedAfterAHoldAreNotGivenBackByIt) {
  Subject subject(fixed(kMaxUnits.count(), 24h));
  subject.reserve("first", 10, 1h, kToday);
  // 2^53 times 2^13 is more than 64 bits.
  for (int i = 0; i < 8192; ++i) {
    subject.perform({.kind = Operation::Kind::charge, .at = kToday, .units = kMaxUnits});
    const auto first = subject.reservations().live_hold("first", kToday);
    ASSERT_GE(subject.reservations().charged_after(*first, 0), kMaxUnits) << i;
  }
  subject.settle("first", 0, kToday);
  EXPECT_EQ(subject.used(0, kToday), kMaxUnits);
}

TEST(LargeCounts, KeepTheOrderOfHolds) {
  Subject subject(fixed(kMaxUnits.count(), 24h));
  subject.reserve("old", 10, 3h, kToday);
  for (int i = 0; i < 600; ++i) {
    subject.perform({.kind = Operation::Kind::charge, .at = kToday, .units = kMaxUnits});
  }
  subject.reserve("new", 10, 2h, kToday);  // is charged nothing more: there is no room
  const Reservations& reservations = subject.reservations();
  const auto newer = [&](std::string_view id) {
    return reservations.charged_after(*reservations.live_hold(id, kToday), 0);
  };
  subject.perform({.kind = Operation::Kind::reserve, .at = kToday, .units = Units(10), .span = 2h, .id = "new"});
  subject.perform({.kind = Operation::Kind::charge, .at = kToday, .units = kMaxUnits});
  EXPECT_EQ(newer("new"), kMaxUnits);
  EXPECT_GE(newer("old"), newer("new"));
}

TEST(LargeCounts, OfManyHoldsAreKept) {
  Subject subject(quota(kMaxUnits.count(), CalendarUnit::year));
  for (std::size_t i = 0; i < 3000; ++i) {  // in all, more than 64 bits
    subject.perform({.kind = Operation::Kind::reserve,
                     .at = kToday,
                     .units = kMaxUnits,
                     .span = 1h + i * 1ms,
                     .id = std::to_string(i)});
  }
  EXPECT_EQ(subject.reservations().holds.size(), 3000U);
  EXPECT_EQ(subject.used(0, kToday), kMaxUnits);
  subject.collect(kToday + 1h);
  for (int i = 0; i < 100; ++i) subject.collect(kToday + 2h);
  EXPECT_TRUE(subject.reservations().holds.empty());
}

}  // namespace
}  // namespace ratelimit::tests
