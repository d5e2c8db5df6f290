// SPDX-License-Identifier: MIT
#include "ratelimit/algorithms/concurrent.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "random.h"
#include "side_by_side.h"
#include "subject.h"

namespace ratelimit::tests {
namespace {

Request take(std::string_view id, std::int64_t units = 1) { return {.cost = Units(units), .id = id}; }

TEST(Concurrent, RefusesTheThirdOfTwoUntilALeaseEnds) {
  Subject caller(concurrent(2, 30s));
  EXPECT_EQ(caller.check(take("a"), kToday).remaining, Units(1));
  EXPECT_EQ(caller.check(take("b"), kToday + 10s).reset, 30s);
  const Decision third = caller.check(take("c"), kToday + 20s);
  EXPECT_EQ(third.outcome, Outcome::denied);
  EXPECT_EQ(third.remaining, kNoUnits);
  EXPECT_EQ(third.wait, 10s) << "until the first lease ends by itself";
  EXPECT_EQ(third.reset, 20s) << "until the last one does";
  EXPECT_EQ(caller.check(take("c"), kToday + 30s - 1ns).outcome, Outcome::denied);
  EXPECT_EQ(caller.check(take("c"), kToday + 30s).outcome, Outcome::granted);
}

TEST(Concurrent, LetsTheNextInWhenALeaseIsReleased) {
  Subject caller(concurrent(1, 30s));
  caller.check(take("a"), kToday);
  EXPECT_FALSE(caller.release("b", kToday));
  EXPECT_EQ(caller.check(take("b"), kToday).outcome, Outcome::denied);
  EXPECT_TRUE(caller.release("a", kToday));
  EXPECT_FALSE(caller.release("a", kToday)) << "it is over";
  EXPECT_EQ(caller.check(take("b"), kToday).outcome, Outcome::granted);
  EXPECT_FALSE(caller.release("b", kToday + 30s)) << "it has ended by itself";
}

TEST(Concurrent, RenewsALeaseThatIsTakenAgain) {
  Subject caller(concurrent(2, 30s));
  caller.check(take("a"), kToday);
  EXPECT_EQ(caller.check(take("a"), kToday + 20s).remaining, Units(1)) << "counted once";
  EXPECT_EQ(caller.used(0, kToday + 49s), Units(1));
  EXPECT_EQ(caller.used(0, kToday + 50s), kNoUnits);
}

TEST(Concurrent, CountsARenewedLeaseWithItsNewestCost) {
  Subject caller(concurrent(5, 30s));
  caller.check(take("a", 2), kToday);
  caller.check(take("b", 2), kToday);
  EXPECT_EQ(caller.check(take("a", 3), kToday).outcome, Outcome::granted);
  EXPECT_EQ(caller.used(0, kToday), Units(5));
  EXPECT_EQ(caller.check(take("a", 1), kToday).remaining, Units(2));
}

TEST(Concurrent, CountsItsOwnUnitsAsFreeWhenARenewalIsDenied) {
  Subject caller(concurrent(5, 30s));
  caller.check(take("a", 2), kToday);
  caller.check(take("b", 2), kToday + 10s);
  const Decision denied = caller.check(take("a", 4), kToday + 20s);
  EXPECT_EQ(denied.outcome, Outcome::denied);
  EXPECT_EQ(denied.remaining, Units(3));
  EXPECT_EQ(denied.wait, 20s) << "until the lease of b ends; that of a makes no room";
  const Request patient{.cost = Units(4), .mode = Mode::may_wait, .longest_wait = 5s, .id = "a"};
  EXPECT_EQ(caller.peek(patient, kToday + 20s).remaining, Units(3));
  EXPECT_EQ(caller.peek(patient, kToday + 20s).wait, 15s);
  EXPECT_EQ(caller.peek({.cost = Units(4), .mode = Mode::partial, .id = "a"}, kToday + 20s).granted, Units(3));
}

TEST(Concurrent, WaitsForAsManyLeasesAsTheCostNeeds) {
  Subject caller(concurrent(6, 60s));
  for (const auto& [id, at] : {std::pair("a", 10s), std::pair("b", 20s), std::pair("c", 30s)}) {
    caller.check(take(id, 2), kToday + at);
  }
  const Instant now = kToday + 40s;
  EXPECT_EQ(caller.peek(Units(1), now).wait, 30s);
  EXPECT_EQ(caller.peek(Units(2), now).wait, 30s);
  EXPECT_EQ(caller.peek(Units(3), now).wait, 40s);
  EXPECT_EQ(caller.peek(Units(6), now).wait, 50s);
  EXPECT_EQ(caller.peek(Units(7), now).outcome, Outcome::never);
}

TEST(Concurrent, NeverMakesALeaseShorterByRenewingIt) {
  Subject caller(concurrent(3, 60s));
  caller.check(take("a"), kToday);
  caller.change({concurrent(3, 10s)}, kToday);
  EXPECT_EQ(caller.check(take("a", 2), kToday + 5s).reset, 55s);
  EXPECT_EQ(caller.used(0, kToday + 59s), Units(2)) << "with its newest cost";
  EXPECT_EQ(caller.used(0, kToday + 60s), kNoUnits);
  caller.check(take("a"), kToday + 55s);
  EXPECT_EQ(caller.used(0, kToday + 64s), Units(1)) << "nor does it keep a renewal from making it longer";
  const Request forced{.cost = Units(4), .mode = Mode::force, .id = "a"};
  caller.change({concurrent(3, 1s)}, kToday + 56s);
  EXPECT_EQ(caller.check(forced, kToday + 56s).wait, 9s) << "a debt lasts as long as its lease";
}

TEST(Concurrent, RemembersTheLongestLeaseUntilThereIsNone) {
  Subject caller(concurrent(3, 60s));
  caller.check(take("a"), kToday);
  caller.change({concurrent(3, 10s)}, kToday + 1s);
  caller.check(take("b"), kToday + 1s);
  EXPECT_FALSE(caller.is_ahead(kToday));
  EXPECT_TRUE(caller.is_ahead(kToday - 1ns)) << "no lease lasts for more than 60 s";
  caller.release("a", kToday + 2s);
  caller.release("b", kToday + 2s);
  caller.check(take("c"), kToday + 2s);
  EXPECT_TRUE(caller.is_ahead(kToday + 1s)) << "now none does for more than 10 s";
}

TEST(Concurrent, CountsALeaseFromTheFutureAsOneOfNow) {
  Subject caller(concurrent(1, 30s));
  caller.check(take("a"), kToday);
  const Instant now = kToday - 24h;
  EXPECT_EQ(caller.check(take("b"), now).wait, 30s);
  caller.clamp(now);
  EXPECT_EQ(caller.check(take("b"), now + 30s).outcome, Outcome::granted);
}

TEST(Concurrent, KeepsItsHoldersWhateverTheLimitBecomes) {
  Subject caller(concurrent(5, 60s));
  caller.check(take("a", 2), kToday);
  caller.check(take("b", 2), kToday);
  caller.change({concurrent(3, 30s)}, kToday + 10s);
  EXPECT_EQ(caller.used(0, kToday + 10s), Units(4)) << "one too many";
  EXPECT_EQ(caller.peek(Units(1), kToday + 10s).wait, 50s) << "a lease keeps its end";
  EXPECT_EQ(caller.check(take("a", 1), kToday + 10s).outcome, Outcome::granted) << "less than before";
  EXPECT_TRUE(caller.release("b", kToday + 10s));
}

TEST(Concurrent, HasAHolderWithoutANameForWhatAnotherAlgorithmUsed) {
  Subject caller(fixed(5, 60s));
  caller.check(3, kToday);
  caller.change({concurrent(4, 30s)}, kToday);
  EXPECT_EQ(caller.peek(Units(2), kToday).outcome, Outcome::denied);
  EXPECT_EQ(caller.peek(Units(2), kToday).wait, 30s);
  EXPECT_EQ(caller.check(take("a", 1), kToday).outcome, Outcome::granted);
}

TEST(Concurrent, IsInDebtUntilEnoughLeasesEnd) {
  Subject caller(concurrent(3, 30s));
  caller.check(take("a", 2), kToday);
  const auto force = [](std::string_view id, std::int64_t units) {
    return Request{.cost = Units(units), .mode = Mode::force, .id = id};
  };
  EXPECT_EQ(caller.check(force("b", 2), kToday + 10s).wait, 20s) << "until that of a ends";
  EXPECT_EQ(caller.check(force("c", 4), kToday + 10s).wait, 30s) << "more than the size: until it ends itself";
  EXPECT_EQ(caller.used(0, kToday + 10s), Units(8));
}

TEST(Concurrent, KeepsNothingButWhatItsHoldersSay) {
  Subject caller(concurrent(3, 30s));
  caller.check(take("a", 2), kToday);
  EXPECT_EQ(caller.refund(2, kToday), kNoUnits) << "RELEASE does that";
  EXPECT_EQ(caller.used(0, kToday), Units(2));
}

TEST(Concurrent, AllocatesNothingUntilItGrants) {
  const Concurrent limit = *Concurrent::make(Units(5), 60s);
  Concurrent::State state;
  EXPECT_EQ(limit.decide(state, Ask{Units(6)}, kToday).decision.outcome, Outcome::never);
  EXPECT_EQ(state.leases(), nullptr);
  EXPECT_EQ(state.heap_pieces(), 0U);
}

std::string numbered(std::size_t i) { return "holder-" + std::to_string(i); }

/// As many leases as there may be, a millisecond apart.
void fill(Subject& caller) {
  for (std::size_t i = 0; i < kMaxHolders; ++i) {
    ASSERT_EQ(caller.check(take(numbered(i)), kToday + i * 1ms).outcome, Outcome::granted);
  }
}
constexpr Instant kFullAt = kToday + kMaxHolders * 1ms;

TEST(Concurrent, OfTheMostLeasesDeniesUntilOneEnds) {
  Subject caller(concurrent(4'000'000'000, 1h));
  fill(caller);
  for (const Mode mode : {Mode::whole, Mode::partial, Mode::force}) {
    const Decision denied = caller.check({.cost = Units(2), .mode = mode, .id = "one more"}, kFullAt);
    EXPECT_EQ(denied.outcome, Outcome::denied);
    EXPECT_EQ(denied.remaining, kNoUnits);
    EXPECT_EQ(kFullAt + denied.wait, kToday + 1h) << "when the first ends";
  }
  EXPECT_EQ(caller.status(kFullAt).remaining, kNoUnits);
  EXPECT_EQ(caller.check(take(numbered(7)), kFullAt).outcome, Outcome::granted) << "a renewal needs no room";
  EXPECT_EQ(caller.check(take("one more"), kToday + 1h - 1ns).outcome, Outcome::denied);
  EXPECT_EQ(caller.check(take("one more"), kToday + 1h).outcome, Outcome::granted);
}

TEST(Concurrent, OfTheMostUnitsDeniesEvenForceUntilALeaseEnds) {
  Subject caller(concurrent(1, 30s));
  const auto force = [](std::string_view id, Units units) {
    return Request{.cost = units, .mode = Mode::force, .id = id};
  };
  caller.check(force("a", Units(10)), kToday);
  EXPECT_EQ(caller.check(force("b", kMax32BitUnits), kToday + 10s).granted, kMax32BitUnits);
  EXPECT_EQ(caller.used(0, kToday + 10s), kMax32BitUnits) << "that is all there can be";
  const Decision denied = caller.check(force("c", Units(1)), kToday + 20s);
  EXPECT_EQ(denied.outcome, Outcome::denied);
  EXPECT_EQ(denied.wait, 10s) << "then there is room, though the debt lasts";
  EXPECT_EQ(caller.check(force("c", Units(1)), kToday + 30s).outcome, Outcome::granted);
}

TEST(Concurrent, NeverHasMoreHoldersThanItsLimitNorRefusesWithoutNeed) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  for (std::uint64_t step = 0; step < test_steps() / 10;) {
    const LimitSpec spec = concurrent(random.between(1, 20), Span{random.between(1'000'000, 2'000'000)});
    Subject caller(spec);
    std::map<std::string, std::pair<Instant, Units>> holders;
    Instant now = kToday;
    const auto held = [&](std::string_view but = {}) {
      Units sum;
      for (const auto& [id, lease] : holders) {
        if (id != but && lease.first > now) sum += lease.second;
      }
      return sum;
    };
    for (const std::uint64_t end = step + 300; step < end; ++step) {
      now += Span{random.between(0, 200'000)};
      const std::string id = numbered(random.below(30));
      if (random.one_in(4)) {
        ASSERT_EQ(caller.release(id, now), holders.contains(id) && holders[id].first > now) << seed;
        holders.erase(id);
        continue;
      }
      const Units cost(random.between(1, std::min<std::int64_t>(4, spec.size.count())));
      const bool fits = held(id) + cost <= spec.size;
      ASSERT_EQ(caller.check(take(id, cost.count()), now).outcome == Outcome::granted, fits) << seed;
      if (fits) holders[id] = {now + spec.span, cost};
      ASSERT_LE(held(), spec.size) << seed;
      ASSERT_EQ(caller.used(0, now), held()) << seed;
    }
  }
}

TEST(Concurrent, RefusesNumbersOutOfRange) {
  EXPECT_TRUE(Concurrent::make(Units(1), 1ms));
  EXPECT_TRUE(Concurrent::make(kMax32BitUnits, kMaxSpan));
  EXPECT_TRUE(Concurrent::make(Units(0), 1s)) << "closed";
  EXPECT_FALSE(Concurrent::make(Units(-1), 1s));
  EXPECT_FALSE(Concurrent::make(kMax32BitUnits + Units(1), 1s));
  EXPECT_FALSE(Concurrent::make(Units(1), 1ms - 1ns));
  EXPECT_FALSE(Concurrent::make(Units(1), kMaxSpan + 1ns));
}

TEST(Concurrent, KeepsItsPromisesFromAnyState) { expect_promises_kept(Algorithm::concurrent); }

TEST(Concurrent, AgreesWithTheOracleOnARandomWalk) { walk(one_limit(Algorithm::concurrent)); }

TEST(Concurrent, AgreesWithTheOracleInEverySmallWorld) {
  const std::vector<Deed> deeds = {a_check(take("a")), a_check(take("b", 2)),
                                   a_check({.cost = Units(2), .mode = Mode::force, .id = "a"}),
                                   an_operation(Operation::Kind::release, 0, "a"), a_clamp()};
  for (const std::int64_t limit : {1, 2, 3}) {
    try_all({concurrent(limit, 1ms)}, {0ns, 400us, 1ms, -400us}, deeds, 4);
  }
}

}  // namespace
}  // namespace ratelimit::tests
