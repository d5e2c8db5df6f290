// The core and the oracle, driven side by side: every answer must be the same, to the nanosecond and the unit.
#ifndef RATELIMIT_TESTS_CORE_SIDE_BY_SIDE_H
#define RATELIMIT_TESTS_CORE_SIDE_BY_SIDE_H

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "oracle.h"
#include "random.h"
#include "subject.h"

namespace ratelimit::tests {

class SideBySide {
 public:
  explicit SideBySide(std::vector<LimitSpec> specs) : specs_(std::move(specs)), core_(specs_), oracle_(specs_) {}

  [[nodiscard]] const std::vector<LimitSpec>& specs() const { return specs_; }
  /// Whether they agreed so far. The first difference is reported.
  [[nodiscard]] bool agree() const { return agree_; }
  [[nodiscard]] const Subject& core() const { return core_; }

  /// One call to both.
  Decision check(Units cost, Instant now) {
    compare_memory(cost, now);
    const Verdict verdict = core_.verdict(cost, now);
    compare_verdict(verdict, cost, now);
    if (verdict.decision.outcome == Outcome::granted) {
      apply(core_.limits(), core_.cells(), verdict);
      oracle_.charge(cost, now);
    }
    compare_memory(cost, now);
    return verdict.decision;
  }

  /// Both bring what is ahead of the clock back to it, which changes no answer of now.
  void clamp(Units cost, Instant now) {
    const Decision before = core_.peek(cost, now);
    expect(any_is_ahead(core_.limits(), core_.cells(), now), oracle_.any_is_ahead(now), "ahead", cost, now);
    ratelimit::clamp(core_.limits(), core_.cells(), now);
    oracle_.clamp(now);
    expect(any_is_ahead(core_.limits(), core_.cells(), now), false, "ahead after the clamp", cost, now);
    expect(core_.peek(cost, now), before, "decision after the clamp and before", cost, now);
    compare_memory(cost, now);
  }

  /// Both go on under other limits. Deciding on carried states must not change the old ones.
  void change(const std::vector<LimitSpec>& specs, Units cost, Instant now) {
    compare_verdict(core_.verdict(cost, now), cost, now);
    const Limits limits = Limits::make(specs).value();
    const Decision carried =
        decide(limits, CarriedStates(core_.limits(), core_.cells(), limits, now), cost, now).decision;
    compare_verdict(core_.verdict(cost, now), cost, now);
    core_.change(specs, now);
    oracle_.change(specs, now);
    specs_ = specs;
    compare_verdict(core_.verdict(cost, now), cost, now);
    expect(carried, core_.peek(cost, now), "decided on carried states", cost, now);
  }

 private:
  void compare_memory(Units cost, Instant now) {
    for (std::size_t i = 0; i < specs_.size(); ++i) {
      expect(core_.used(i, now), oracle_[i].used(now), "used", cost, now);
      expect(oracle::unix_ns(core_.idle_at(i)), oracle::unix_ns(oracle_[i].idle_at()), "idle at", cost, now);
    }
  }

  void compare_verdict(const Verdict& verdict, Units cost, Instant now) {
    const oracle::Subject::Answer answer = oracle_.ask(cost, now);
    expect(verdict.decision, answer.decision, "decision", cost, now);
    expect(verdict.binding, answer.binding, "binding limit", cost, now);
    if (answer.decision.outcome == Outcome::granted)
      expect(verdict.idle_in.count(), answer.idle_in.count(), "idle in", cost, now);
  }

  template <class T>
  void expect(const T& core, const T& oracle, const char* what, Units cost, Instant now) {
    if (!agree_ || core == oracle) return;
    agree_ = false;
    ADD_FAILURE() << what << " differs at " << oracle::unix_ns(now) << " ns for cost " << cost.count()
                  << "\n  core:   " << ::testing::PrintToString(core)
                  << "\n  oracle: " << ::testing::PrintToString(oracle)
                  << "\n  limits: " << ::testing::PrintToString(specs_);
  }

  std::vector<LimitSpec> specs_;
  Subject core_;
  oracle::Subject oracle_;
  bool agree_ = true;
};

/// How a random walk chooses limits: to begin with, and in flight.
struct Choice {
  std::function<std::vector<LimitSpec>(Random&)> begin;
  std::function<std::vector<LimitSpec>(Random&, const std::vector<LimitSpec>&)> change;
};

/// One limit of `algorithm`, whose numbers change.
inline Choice one_limit(Algorithm algorithm) {
  return {[algorithm](Random& random) { return std::vector{random_spec(random, algorithm)}; },
          [](Random& random, const std::vector<LimitSpec>& specs) {
            return std::vector{random_change(random, specs.front())};
          }};
}

/// Random limits, costs, gaps, clock steps and changes of limits: as many steps as test_steps() says.
inline void walk(const Choice& choice) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  for (std::uint64_t step = 0; step < test_steps();) {
    SideBySide both(choice.begin(random));
    const Habit habit = random_habit(random);
    Instant now = random_instant(random);
    Decision last;
    const std::uint64_t end = step + static_cast<std::uint64_t>(random.magnitude_between(8, 2048));
    for (; step < end; ++step) {
      if (random.one_in(50)) both.change(choice.change(random, both.specs()), last.granted + kMinUnits, now);
      const LimitSpec& spec = both.specs()[random.below(both.specs().size())];
      const auto [gap, cost] = random_call(random, spec, last, habit);
      now = random_next(random, now, gap, spec.span);
      last = both.check(cost, now);
      if (last.outcome == Outcome::denied && random.one_in(2)) both.clamp(cost, now);
      ASSERT_TRUE(both.agree()) << "RATELIMIT_TEST_SEED=" << seed << ", step " << step;
    }
  }
}

/// Every sequence of `length` calls with those gaps (negative: the clock steps back) and costs.
inline void try_all(const LimitSpec& spec, const std::vector<Span>& gaps, const std::vector<std::int64_t>& costs,
                    unsigned length) {
  const std::uint64_t choices = gaps.size() * costs.size();
  std::uint64_t sequences = 1;
  for (unsigned i = 0; i < length; ++i) sequences *= choices;
  for (std::uint64_t sequence = 0; sequence < sequences; ++sequence) {
    SideBySide both({spec});
    Instant now = kToday;
    std::uint64_t rest = sequence;
    for (unsigned i = 0; i < length; ++i, rest /= choices) {
      now += gaps[rest % gaps.size()];
      both.check(Units(costs[rest / gaps.size() % costs.size()]), now);
    }
    ASSERT_TRUE(both.agree()) << "sequence " << sequence;
  }
}

/// What every algorithm promises about its answers, for random limits, costs and gaps. If the clock is stepped back,
/// states that are ahead of it are clamped before they are asked.
inline void expect_promises_kept(Algorithm algorithm) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  for (std::uint64_t step = 0; step < test_steps() / 4;) {
    const LimitSpec spec = random_spec(random, algorithm);
    Subject subject(spec);
    const Habit habit = random_habit(random);
    Instant now = kEarliest + Span{random.between(0, Span{std::chrono::years{100}}.count())};
    Decision last;
    SCOPED_TRACE(::testing::Message() << "RATELIMIT_TEST_SEED=" << seed << ", from step " << step << " on, "
                                      << ::testing::PrintToString(spec));
    for (const std::uint64_t end = step + 500; step < end && now < kLatest - 3 * kMaxSpan; ++step) {
      const auto [gap, cost] = random_call(random, spec, last, habit);
      now = random_next(random, now, gap, spec.span);
      subject.clamp(now);
      last = subject.peek(cost, now);
      ASSERT_EQ(subject.peek(cost, now), last) << "asking changed the state";
      ASSERT_EQ(last.outcome == Outcome::never, cost > spec.size);
      if (last.outcome == Outcome::denied) {
        ASSERT_EQ(subject.peek(cost, now + last.wait).outcome, Outcome::granted) << "after the wait";
        ASSERT_EQ(subject.peek(cost, now + last.wait - 1ns).outcome, Outcome::denied) << "just before";
      }
      ASSERT_EQ(subject.check(cost, now), last);
      if (last.remaining >= kMinUnits) {
        ASSERT_EQ(subject.peek(last.remaining, now).outcome, Outcome::granted) << "what remains can be taken";
      }
      ASSERT_NE(subject.peek(last.remaining + kMinUnits, now).outcome, Outcome::granted) << "and no more";
      ASSERT_EQ(subject.used(0, now) + last.remaining, spec.size);
      ASSERT_EQ(subject.used(0, now + last.reset), kNoUnits) << "after the reset";
      if (last.reset > Span{}) {
        ASSERT_GT(subject.used(0, now + last.reset - 1ns), kNoUnits) << "just before";
        ASSERT_EQ(subject.idle_at(0), now + last.reset);
      }
    }
  }
}

}  // namespace ratelimit::tests

#endif  // RATELIMIT_TESTS_CORE_SIDE_BY_SIDE_H
