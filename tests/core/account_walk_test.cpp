// SPDX-License-Identifier: MIT
// Random conversations under several lists of limits: the law of accounts.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "oracle.h"
#include "random.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/operation.h"
#include "ratelimit/request.h"
#include "side_by_side.h"
#include "subject.h"

namespace ratelimit::tests {
namespace {

using List = std::vector<LimitSpec>;

constexpr Algorithm kAll[] = {Algorithm::token_bucket,          Algorithm::fixed_window, Algorithm::sliding_window_log,
                              Algorithm::leaky_bucket,          Algorithm::quota,        Algorithm::concurrent,
                              Algorithm::sliding_window_counter};

/// A limit as people write them, so that several remember about as long.
LimitSpec plain_limit(Random& random) {
  const std::int64_t size = random.between(1, 40);
  const Span window = random.between(1, 120) * 1s;
  switch (kAll[random.below(std::size(kAll))]) {
    case Algorithm::token_bucket: return bucket(size, random.between(1, 20), window);
    case Algorithm::fixed_window: return random.one_in(2) ? fixed(size, window) : aligned(size, window);
    case Algorithm::sliding_window_log: return sliding(size, window);
    case Algorithm::leaky_bucket: return leaky(size, random.between(1, 20), window);
    case Algorithm::quota: return quota(size, random.one_in(2) ? CalendarUnit::hour : CalendarUnit::day);
    case Algorithm::concurrent: return concurrent(size, window);
    case Algorithm::sliding_window_counter: return approx(size, window);
  }
  return {};
}

LimitSpec any_limit(Random& random, bool is_plain) {
  LimitSpec spec = is_plain ? plain_limit(random) : random_spec(random, kAll[random.below(std::size(kAll))]);
  if (random.one_in(6)) spec.per_request = true;
  return spec;
}

/// Two to five lists of one to three limits, of which some are in several lists, or are relatives of one in another.
std::vector<List> random_lists(Random& random) {
  const bool is_plain = random.one_in(2);
  std::vector<LimitSpec> known = {any_limit(random, is_plain)};
  std::vector<List> lists;
  for (std::uint64_t n = 2 + random.below(4); n > 0; --n) {
    List list;
    for (std::uint64_t limits = 1 + random.below(3); limits > 0; --limits) {
      const LimitSpec& relative = known[random.below(known.size())];
      LimitSpec spec = any_limit(random, is_plain);
      if (random.one_in(4)) spec = relative;
      if (random.one_in(3)) spec = random_change(random, relative);
      if (random.one_in(8)) spec.label = random.one_in(2) ? "a" : "b";
      list.push_back(spec);
      if (!Limits::make(list)) list.back().label = {};
      known.push_back(list.back());
    }
    lists.push_back(list);
  }
  return lists;
}

TEST(Accounts, AgreeWithTheOracleOnARandomWalk) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  for (std::uint64_t step = 0; step < test_steps() / 4;) {
    const std::vector<List> lists = random_lists(random);
    // Some are blocked before they are asked under any limit.
    const bool begins_blocked = random.one_in(4);
    SideBySide both(begins_blocked ? List{} : lists[0]);
    const Habit habit = random_habit(random);
    Instant now = random_instant(random);
    if (begins_blocked) both.perform(random_block(random, lists[0][0], now));
    Decision last;
    const std::uint64_t end = step + static_cast<std::uint64_t>(random.magnitude_between(8, 512));
    for (; step < end; ++step) {
      // Some lists are asked less often, so that their accounts are dropped.
      const List& list = lists[std::min(random.below(lists.size()), random.below(lists.size()))];
      const LimitSpec& spec = list[random.below(list.size())];
      const auto [gap, cost] = random_call(random, spec, last, habit);
      now = random_next(random, now, gap, scale_of(spec));
      const std::uint64_t deed = habit.is_plain ? 0 : random.below(10);
      const RandomCosts costs = random_costs(random, Limits::make(list).value(), cost);
      if (deed < 7) {
        Request request = habit.is_plain ? Request{.cost = cost} : random_request(random, spec, cost, last);
        if (!habit.is_plain) request.charged = costs.charged;
        if (!habit.is_plain && random.one_in(24)) request.cost = kNoUnits;
        last = both.check(list, request, now);
        if (last.outcome == Outcome::denied && random.one_in(4)) both.clamp(cost, now);
      } else if (deed < 9) {
        const Request estimate{.cost = cost, .charged = costs.charged, .id = random_id(random)};
        last = both.reserve(list, estimate, random_time_to_live(random, spec), now);
      } else {
        both.perform(random_operation(random, spec, cost, now));
      }
      ASSERT_TRUE(both.agree()) << "RATELIMIT_TEST_SEED=" << seed << ", step " << step << ", list "
                                << ::testing::PrintToString(list);
    }
  }
}

TEST(Accounts, AgreeWithTheOracleInEverySmallWorld) {
  const std::vector<LimitSpec> limits = {bucket(3, 2, 10ms),  bucket(2, 2, 10ms), fixed(3, 10ms),
                                         aligned(2, 8ms),     sliding(3, 10ms),   approx(2, 10ms),
                                         concurrent(2, 10ms), leaky(2, 1, 10ms),  concurrent(3, 7ms)};
  const auto under = [](const LimitSpec& spec, std::int64_t cost) -> Deed {
    return [=](SideBySide& both, Instant now) { both.check(List{spec}, {.cost = Units(cost), .id = "a"}, now); };
  };
  for (const LimitSpec& first : limits) {
    for (const LimitSpec& second : limits) {
      const std::vector<Deed> deeds = {under(first, 1), under(first, 2), under(second, 1), under(second, 2)};
      try_all({first}, {0ns, 6ms, 11ms}, deeds, 4);
    }
  }
}

/// A limit that is asked alone: what others are granted is booked by force.
struct Alone {
  LimitSpec spec;
  std::unique_ptr<oracle::Model> model;

  [[nodiscard]] Decision ask(Units cost, Instant now) const { return model->ask({cost_of(cost), "a"}, now); }
  /// A lease keeps the end that its own call gave.
  void book(Units cost, Instant now, Span lease) const {
    const Ask forced{cost_of(cost), "a", true};
    if (lease > Span{}) return model->put_lease("a", cost, now, now + lease);
    if (model->ask(forced, now).outcome != Outcome::granted) return model->absorb(now);
    model->charge(forced, now);
  }
  [[nodiscard]] Units cost_of(Units cost) const { return spec.per_request ? std::min(cost, Units(1)) : cost; }
};

/// The law: under a limit, a caller gets exactly what this limit alone would give, if everything that was granted on
/// the subject had been its own. Two limits are asked in turn, each in a list of its own, until one may be dropped.
void expect_law(Random& random, const LimitSpec& first, const LimitSpec& second) {
  Subject subject(first);
  Alone alone[] = {{first, oracle::model_of(first)}, {second, nullptr}};
  Instant now = kToday + Span{random.between(0, 3'600'000'000'000)};
  ASSERT_EQ(subject.check({first}, {.cost = Units(1), .id = "a"}, now).outcome, Outcome::granted);
  alone[0].book(Units(1), now, alone[0].model->lease());
  subject.open({second}, now);
  alone[1].model = oracle::converted(*alone[0].model, second, now);
  alone[1].model->cap(now);  // what was used before may be more than a closed limit has
  const Instant end = now + std::max(alone[0].model->recovery(), alone[1].model->recovery());
  while (now <= end) {
    const Alone& asked = alone[random.below(2)];
    const Units cost(random.between(1, std::max<std::int64_t>(1, asked.spec.size.count() / 3)));
    const Decision expected = asked.ask(cost, now);
    ASSERT_EQ(subject.check({asked.spec}, {.cost = cost, .id = "a"}, now), expected);
    if (expected.outcome == Outcome::granted) {
      for (const Alone& each : alone) each.book(cost, now, asked.model->lease());
    }
    const Span gap = random.one_of<Span>({0ns, expected.wait, expected.reset / 7, asked.model->recovery() / 10});
    now += std::max(gap, 1ns * random.between(0, 1'000'000'000));
    if (subject.idle_at() <= now) return;
  }
}

TEST(Accounts, GiveEachLimitExactlyWhatItAloneWouldGive) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  for (std::uint64_t i = 0; i < test_steps() / 100; ++i) {
    const LimitSpec first = plain_limit(random);
    LimitSpec second = random.one_in(2) ? plain_limit(random) : random_change(random, first);
    const bool are_leases = first.algorithm == Algorithm::concurrent;
    // Leases are booked on limits with leases only.
    if (are_leases != (second.algorithm == Algorithm::concurrent)) continue;
    if (oracle::is_same_limit(first, second)) continue;
    SCOPED_TRACE(::testing::Message() << "RATELIMIT_TEST_SEED=" << seed << ", conversation " << i << " "
                                      << ::testing::PrintToString(List{first, second}));
    ASSERT_NO_FATAL_FAILURE(expect_law(random, first, second));
  }
}

TEST(Accounts, OfOneFamilyGrantNoMoreAtOneInstantThanTheLargestSize) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  for (std::uint64_t i = 0; i < test_steps() / 100; ++i) {
    const Algorithm algorithm = kAll[random.below(std::size(kAll))];
    std::vector<LimitSpec> limits;
    while (limits.size() < 4) {
      LimitSpec spec = plain_limit(random);
      if (spec.algorithm == algorithm) limits.push_back(spec);
    }
    Units largest;
    for (const LimitSpec& spec : limits) largest = std::max(largest, spec.size);
    Subject subject(limits[0]);
    Units granted;
    for (int call = 0; call < 60; ++call) {
      const Units cost(random.between(1, 9));
      const std::string id = std::to_string(call);
      granted += subject.check({limits[random.below(4)]}, {.cost = cost, .id = id}, kToday).granted;
    }
    ASSERT_LE(granted, largest) << "RATELIMIT_TEST_SEED=" << seed << ' ' << ::testing::PrintToString(limits);
  }
}

TEST(Accounts, OfADeniedCallOnKnownLimitsStayAsTheyAre) {
  Subject subject(fixed(2, 60s));
  subject.check({fixed(2, 60s)}, 2, kToday);
  subject.check({sliding(2, 60s)}, 1, kToday);
  const std::vector<Instant> before(subject.last_grants().begin(), subject.last_grants().end());
  EXPECT_FALSE(subject.opens({sliding(2, 60s)}, kToday + 10s));
  EXPECT_EQ(subject.check({sliding(2, 60s)}, 1, kToday + 10s).outcome, Outcome::denied);
  EXPECT_EQ(std::vector<Instant>(subject.last_grants().begin(), subject.last_grants().end()), before);
}

}  // namespace
}  // namespace ratelimit::tests
