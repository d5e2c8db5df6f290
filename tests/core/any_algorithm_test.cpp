// SPDX-License-Identifier: MIT
#include "ratelimit/any_algorithm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

#include "ratelimit/algorithms/concurrent.h"
#include "ratelimit/algorithms/fixed_window.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/algorithms/token_bucket.h"
#include "ratelimit/decision.h"
#include "ratelimit/units.h"
#include "subject.h"

namespace ratelimit::tests {
namespace {

/// One call in all, for ever: as small as an algorithm can be.
class Once {
 public:
  static constexpr Algorithm kNumber{99};
  static constexpr std::string_view kKeyword = "ONCE";
  static constexpr LimitFields kFields{};

  struct State {
    Instant used_at{};
  };
  using Change = State;

  [[nodiscard]] static std::optional<Once> make(const LimitSpec& spec) {
    return spec.size == Units(1) ? std::optional(Once{}) : std::nullopt;
  }
  [[nodiscard]] static Units size() { return Units(1); }
  [[nodiscard]] static std::optional<Span> window() { return std::nullopt; }
  [[nodiscard]] static Span slack() { return {}; }
  [[nodiscard]] static Step<Change> decide(const State& state, const Ask& ask, Instant now) {
    const Units left = size() - used(state, now);
    if (ask.cost > left)
      return {{.outcome = Outcome::never, .granted = kNoUnits, .size = size(), .remaining = left}, {}};
    return {{.outcome = Outcome::granted, .granted = ask.cost, .size = size(), .remaining = left - ask.cost}, {now}};
  }
  static void apply(State& state, const Change& change, std::string_view) { state = change; }
  [[nodiscard]] static bool accepts(const State&, const Change&, std::string_view) { return true; }
  static void give_back(State& state, Units, Units, Instant) { state = {}; }
  [[nodiscard]] static bool is_ahead(const State& state, Instant now) { return state.used_at > now; }
  static void clamp(State& state, Instant now) { state.used_at = std::min(state.used_at, now); }
  [[nodiscard]] static Units used(const State& state, Instant) { return Units(state.used_at > Instant{} ? 1 : 0); }
  [[nodiscard]] static State with_used(Units used, Instant now) { return used > kNoUnits ? State{now} : State{}; }
  [[nodiscard]] static Span recovery() { return kMaxSpan; }
  [[nodiscard]] static State adopted(const State& state, const Once&, Instant) { return state; }
  static void cap(State&, Instant) {}
  [[nodiscard]] static Instant idle_at(const State& state) { return state.used_at > Instant{} ? kLatest : Instant{}; }
};
static_assert(LimitAlgorithm<Once>);

using WithOnce = OneOf<TokenBucket, FixedWindow, Concurrent, Once>;

TEST(AnyAlgorithm, TakesANewAlgorithmByOneRow) {
  static_assert(WithOnce::keyword_of(Once::kNumber) == "ONCE");
  const LimitSpec spec{.algorithm = Once::kNumber, .size = Units(1)};
  const std::optional<WithOnce> made = WithOnce::make(spec);
  ASSERT_TRUE(made);
  const Outcome second = made->visit([]<class A>(const A& algorithm) {
    typename A::State state{};
    algorithm.apply(state, algorithm.decide(state, Ask{}, kToday).change, {});
    return algorithm.decide(state, Ask{}, kToday + 1s).decision.outcome;
  });
  EXPECT_EQ(second, Outcome::never);
  EXPECT_FALSE(WithOnce::make({.algorithm = Once::kNumber, .size = Units(2)})) << "its own make refuses that";
  EXPECT_FALSE(WithOnce::make({.algorithm = Once::kNumber, .size = Units(1), .span = 1s})) << "it has no span";
}

TEST(AnyAlgorithm, IsTheOneThatTheSpecNames) {
  const auto number = [](const LimitSpec& spec) {
    return WithOnce::make(spec)->visit([]<class A>(const A&) { return A::kNumber; });
  };
  EXPECT_EQ(number(bucket(3, 1, 1s)), Algorithm::token_bucket);
  EXPECT_EQ(number(fixed(3, 1s)), Algorithm::fixed_window);
  EXPECT_EQ(number(concurrent(3, 1s)), Algorithm::concurrent);
  EXPECT_FALSE(WithOnce::make(sliding(3, 1s))) << "it is not in the list";
  EXPECT_FALSE(AnyAlgorithm::make({.algorithm = Algorithm{0}, .size = Units(1), .span = 1s}));
}

TEST(AnyAlgorithm, IsCalledByItsKeyword) {
  static_assert(keyword(Algorithm::leaky_bucket) == "LEAKYBUCKET" && keyword(Algorithm::token_bucket) == "TOKENBUCKET");
  static_assert(keyword(Algorithm::sliding_window_log) == keyword(Algorithm::sliding_window_counter));
  static_assert(keyword(Algorithm{0}).empty() && keyword(Algorithm{8}).empty());
  EXPECT_EQ(keyword(Algorithm::quota), "QUOTA");
}

TEST(AnyAlgorithm, HasTheFieldsThatItSaysAndLeasesOnlyWhereUnitsAreHeld) {
  static_assert(is_bucket(Algorithm::token_bucket) && is_bucket(Algorithm::leaky_bucket));
  static_assert(!is_bucket(Algorithm::quota) && !is_bucket(Algorithm{0}));
  static_assert(fields_of(Algorithm::quota).calendar && !fields_of(Algorithm::quota).span);
  static_assert(fields_of(Algorithm::fixed_window).aligned && !fields_of(Algorithm::sliding_window_log).aligned);
  static_assert(HasLeases<Concurrent> && !HasLeases<TokenBucket> && !HasLeases<FixedWindow> && !HasLeases<Once>);
  EXPECT_TRUE(fields_of(Algorithm::concurrent).cover(concurrent(3, 1s)));
  EXPECT_FALSE(fields_of(Algorithm::concurrent).cover(bucket(3, 1, 1s)));
}

}  // namespace
}  // namespace ratelimit::tests
