// SPDX-License-Identifier: MIT
#include "ratelimit/algorithms/sliding_window_counter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "random.h"
#include "side_by_side.h"
#include "subject.h"

namespace ratelimit::tests {
namespace {

// The counters are decided at compile time as well as at any other.
constexpr SlidingWindowCounter kTenPerMinute = *SlidingWindowCounter::make(Units(10), 1min);

constexpr auto with_ten_at(Instant now) {
  SlidingWindowCounter::State state;
  SlidingWindowCounter::apply(state, kTenPerMinute.decide(state, Ask{Units(10)}, now).change);
  return state;
}
static_assert(kTenPerMinute.decide({}, Ask{Units(11)}, kToday).decision.outcome == Outcome::never);
static_assert(kTenPerMinute.used(with_ten_at(kToday), kToday + 1min - 1ns) == Units(10));
static_assert(kTenPerMinute.used(with_ten_at(kToday), kToday + 66s) == Units(9));
static_assert(kTenPerMinute.decide(with_ten_at(kToday), Ask{}, kToday + 30s).decision.wait == 36s);
static_assert(kTenPerMinute.idle_at(with_ten_at(kToday + 30s)) == kToday + 2min);
static_assert(!SlidingWindowCounter::make(Units(-1), 1s));

TEST(SlidingWindowCounter, CountsWhatWasUsedBeforeByThePartThatItStillCovers) {
  Subject caller(approx(100, 60s));
  caller.check(80, kToday + 55s);
  EXPECT_EQ(caller.used(0, kToday + 60s), Units(80));
  EXPECT_EQ(caller.used(0, kToday + 75s), Units(60));
  EXPECT_EQ(caller.check(15, kToday + 75s).remaining, Units(25));
  EXPECT_EQ(caller.used(0, kToday + 90s), Units(40 + 15));
  EXPECT_EQ(caller.used(0, kToday + 120s), Units(15));
  EXPECT_EQ(caller.used(0, kToday + 180s), kNoUnits);
}

TEST(SlidingWindowCounter, RoundsUpWhatCountsInPart) {
  Subject caller(approx(3, 60s));
  caller.check(1, kToday);
  EXPECT_EQ(caller.used(0, kToday + 120s - 1ns), Units(1));
  EXPECT_EQ(caller.used(0, kToday + 120s), kNoUnits);
  EXPECT_EQ(caller.idle_at(0), kToday + 120s);
}

TEST(SlidingWindowCounter, SaysWhenEnoughHasSlidOutInThisWindowOrTheNext) {
  Subject caller(approx(10, 60s));
  caller.check(6, kToday);
  caller.check(6, kToday + 80s);
  EXPECT_EQ(caller.used(0, kToday + 80s), Units(10));
  EXPECT_EQ(caller.peek(Units(1), kToday + 80s).wait, 10s) << "one in ten seconds";
  EXPECT_EQ(caller.peek(Units(4), kToday + 80s).wait, 40s) << "all of the window before";
  EXPECT_EQ(caller.peek(Units(5), kToday + 80s).wait, 50s) << "and one of this";
  EXPECT_EQ(caller.peek(Units(10), kToday + 80s).wait, 100s);
}

TEST(SlidingWindowCounter, ForgetsWhatIsOlderThanTheWindowBefore) {
  Subject caller(approx(10, 60s));
  caller.check(10, kToday + 59s);
  EXPECT_EQ(caller.check(10, kToday + 120s).outcome, Outcome::granted);
}

TEST(SlidingWindowCounter, EndsItsDebtAsItSlidesOut) {
  Subject caller(approx(10, 60s));
  EXPECT_EQ(caller.check({.cost = Units(40), .mode = Mode::force}, kToday).wait, 105s) << "three quarters of the next";
  EXPECT_EQ(caller.status(kToday + 90s).wait, 15s);
}

TEST(SlidingWindowCounter, CountsAWindowFromTheFutureInTheOneOfNow) {
  Subject caller(approx(10, 60s));
  caller.check(6, kToday);
  caller.check(3, kToday + 60s);
  const Instant now = kToday - 24h;
  EXPECT_EQ(caller.used(0, now), Units(9)) << "as much of both as there can be";
  caller.clamp(now);
  EXPECT_EQ(caller.used(0, now + 90s), Units(5));
}

TEST(SlidingWindowCounter, KeepsItsCountersWhenOnlyTheLimitChanges) {
  Subject caller(approx(10, 60s));
  caller.check(10, kToday);
  caller.change({approx(4, 60s)}, kToday + 60s);
  EXPECT_EQ(caller.used(0, kToday + 60s), Units(10));
  EXPECT_EQ(caller.peek(Units(1), kToday + 60s).wait, 42s);
  caller.change({approx(20, 60s)}, kToday + 60s);
  EXPECT_EQ(caller.peek(Units(10), kToday + 60s).outcome, Outcome::granted);
}

TEST(SlidingWindowCounter, CountsWhatIsUsedAsOfNowWhenItBecomesExactOrTheOtherWayRound) {
  Subject caller(approx(10, 60s));
  caller.check(8, kToday);
  caller.change({sliding(10, 60s)}, kToday + 75s);
  EXPECT_EQ(caller.used(0, kToday + 75s), Units(6));
  caller.change({approx(10, 60s)}, kToday + 75s);
  EXPECT_EQ(caller.used(0, kToday + 119s), Units(6));
}

TEST(SlidingWindowCounter, GivesBackTheNewestUnitsButNotThoseChargedSince) {
  const SlidingWindowCounter limit = kTenPerMinute;
  SlidingWindowCounter::State state{kToday, 6, 4};
  limit.give_back(state, Units(3), Units(2), kToday + 1s);
  EXPECT_EQ(state, (SlidingWindowCounter::State{kToday, 5, 2})) << "two are newer, two of this window, one of the last";
  limit.give_back(state, Units(9), Units(4), kToday + 1s);
  EXPECT_EQ(state, (SlidingWindowCounter::State{kToday, 2, 2}));
  limit.give_back(state, Units(9), kNoUnits, kToday + 1s);
  EXPECT_EQ(state, SlidingWindowCounter::State{}) << "idle";
}

// --- How far from exact it is ---

struct Grant {
  Instant at;
  Units cost;
};

/// Units granted in (to - span, to].
Units granted_in(const std::vector<Grant>& grants, Instant to, Span span) {
  Units sum;
  for (auto grant = grants.rbegin(); grant != grants.rend() && grant->at > to - span; ++grant) {
    if (grant->at <= to) sum += grant->cost;
  }
  return sum;
}

/// What was let through of the same calls.
struct Measured {
  Units worst_window;   ///< of the two counters: in the window of that length that has most
  Units worst_aligned;  ///< in one of their own windows
  Units total;
  Units exact_total;  ///< of the log of the same limit
};

/// When the next call comes after `now`, given whether the last one was granted.
using Arrivals = std::function<Instant(Instant now, const Decision& last)>;

Measured measure(std::int64_t limit, Span window, std::size_t calls, const Arrivals& next) {
  Subject two(approx(limit, window));
  Subject exact(sliding(limit, window));
  std::vector<Grant> grants;
  Measured measured;
  Instant now = kToday;
  Decision last;
  for (std::size_t i = 0; i < calls; ++i) {
    now = next(now, last);
    measured.exact_total += exact.check(1, now).granted;
    last = two.check(1, now);
    measured.total += last.granted;
    if (last.outcome == Outcome::granted) {
      grants.push_back({now, last.granted});
      measured.worst_window = std::max(measured.worst_window, granted_in(grants, now, window));
      const Span elapsed = now.time_since_epoch() % window;
      measured.worst_aligned = std::max(measured.worst_aligned, granted_in(grants, now, elapsed + 1ns));
    } else {
      // It counts no unit for longer than a window too long.
      EXPECT_GE(granted_in(grants, now, 2 * window), Units(limit)) << "denied without need";
    }
  }
  EXPECT_LE(measured.worst_aligned, Units(limit));
  EXPECT_LE(measured.worst_window, Units(2 * limit - 1));
  return measured;
}

constexpr Span kWindow = 60s;

/// `per_window` calls in each window, equally far apart.
Arrivals evenly(std::int64_t per_window) {
  return [=](Instant now, const Decision&) { return now + kWindow / per_window; };
}

/// Bursts of up to `size` calls, and silence up to `silence` between them.
Arrivals in_bursts(std::int64_t size, Span silence) {
  return [=, random = Random(test_seed()), left = std::int64_t{0}](Instant now, const Decision&) mutable {
    if (left-- > 0) return now + Span{random.between(0, 1'000'000)};
    left = random.between(1, size);
    return now + Span{random.between(0, silence.count())};
  };
}

/// The worst that a caller can do: the whole limit at the end of a window, and in the next whatever there is as soon as
/// it is there; then silence, and once more.
Arrivals worst(std::int64_t limit) {
  return [=, taken = std::int64_t{0}](Instant now, const Decision& last) mutable {
    const Instant begin = now - now.time_since_epoch() % kWindow;
    const auto again = [&](Instant from) {
      taken = 0;
      return from - from.time_since_epoch() % kWindow + 3 * kWindow - 1ns;
    };
    if (now == kToday) return again(now);
    if (++taken < limit) return now;
    if (taken == limit) return begin + kWindow;
    const Instant next = now + std::max(last.wait, Span{});
    return next < begin + kWindow ? next : again(now);
  };
}

TEST(SlidingWindowCounter, LetsLessThanTwiceTheLimitIntoAnyWindowAndNeverMoreThanTheLimitIntoItsOwn) {
  // `measure` asserts it for each.
  for (const std::int64_t limit : {1, 2, 3, 10, 100, 1000}) {
    SCOPED_TRACE(limit);
    const auto calls = static_cast<std::size_t>(20 * limit + 200);
    for (const std::int64_t percent : {50, 90, 100, 110, 200, 1000}) {
      measure(limit, kWindow, calls, evenly(std::max<std::int64_t>(1, limit * percent / 100)));
    }
    for (const std::int64_t size : {limit / 10 + 1, limit, 3 * limit}) {
      for (const Span silence : {kWindow / 10, kWindow, 3 * kWindow})
        measure(limit, kWindow, calls, in_bursts(size, silence));
    }
    measure(limit, kWindow, calls, worst(limit));
  }
}

TEST(SlidingWindowCounter, LetsOneLessThanTwiceTheLimitThroughAtWorst) {
  for (const std::int64_t limit : {1, 2, 3, 10, 100, 1000}) {
    const Measured measured = measure(limit, kWindow, static_cast<std::size_t>(10 * limit + 100), worst(limit));
    EXPECT_EQ(measured.worst_window, Units(2 * limit - 1)) << "the bound is tight";
  }
}

TEST(SlidingWindowCounter, LetsEvenCallsThroughThatStayBelowTheLimit) {
  const Measured measured = measure(100, kWindow, 10'000, evenly(99));
  EXPECT_EQ(measured.total, Units(10'000));
  EXPECT_LE(measured.worst_window, Units(100));
}

TEST(SlidingWindowCounter, LetsAboutAsMuchThroughAsTheExactLog) {
  for (const std::int64_t percent : {101, 150, 200, 1000}) {
    const Measured measured = measure(100, kWindow, 20'000, evenly(percent));
    EXPECT_LE(measured.worst_window, Units(101)) << percent;
    EXPECT_GE(measured.total.count() * 100, measured.exact_total.count() * 95) << percent;
    EXPECT_LE(measured.total.count() * 100, measured.exact_total.count() * 105) << percent;
  }
}

TEST(SlidingWindowCounter, RefusesNumbersOutOfRange) {
  EXPECT_TRUE(SlidingWindowCounter::make(Units(1), 1ms));
  EXPECT_TRUE(SlidingWindowCounter::make(kMax32BitUnits, kMaxSpan));
  EXPECT_TRUE(SlidingWindowCounter::make(Units(0), 1s)) << "closed";
  EXPECT_FALSE(SlidingWindowCounter::make(kMax32BitUnits + Units(1), 1s));
  EXPECT_FALSE(SlidingWindowCounter::make(Units(1), 1ms - 1ns));
  EXPECT_FALSE(SlidingWindowCounter::make(Units(1), kMaxSpan + 1ns));
}

TEST(SlidingWindowCounter, KeepsItsPromisesFromAnyState) { expect_promises_kept(Algorithm::sliding_window_counter); }

TEST(SlidingWindowCounter, AgreesWithTheOracleOnARandomWalk) { walk(one_limit(Algorithm::sliding_window_counter)); }

TEST(SlidingWindowCounter, AgreesWithTheOracleInEverySmallWorld) {
  for (const std::int64_t limit : {1, 2, 3}) {
    try_all(approx(limit, 1ms), {0ns, 1ns, 333'334ns, 1ms - 1ns, 1ms, -400us}, {1, 2}, 4);
  }
  const std::vector<Deed> deeds = {a_check({.cost = Units(2)}), a_check({.cost = Units(3), .mode = Mode::force}),
                                   an_operation(Operation::Kind::refund, 1), an_operation(Operation::Kind::refund, 3),
                                   a_clamp()};
  try_all({approx(3, 1ms)}, {0ns, 400us, 1ms, -700us}, deeds, 4);
}

}  // namespace
}  // namespace ratelimit::tests
