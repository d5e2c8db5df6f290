#include "ratelimit/limits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "random.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/any_algorithm.h"
#include "ratelimit/carried_states.h"
#include "ratelimit/limit.h"
#include "ratelimit/request.h"
#include "ratelimit/states.h"
#include "ratelimit/verdict.h"
#include "side_by_side.h"
#include "subject.h"

namespace ratelimit::tests {
namespace {

std::vector<std::string> labels(const std::vector<LimitSpec>& specs) {
  const std::optional<Limits> limits = Limits::make(specs);
  if (!limits) return {"refused"};
  std::vector<std::string> labels;
  for (std::size_t i = 0; i < limits->size(); ++i) labels.emplace_back(limits->label(i));
  return labels;
}
using Labels = std::vector<std::string>;

TEST(Limits, AreCalledByTheirLabelOrElseByTheirAlgorithm) {
  EXPECT_EQ(labels({bucket(1, 1, 1s), fixed(1, 1s), sliding(1, 1s)}), (Labels{"tokenbucket", "fixed", "sliding"}));
  EXPECT_EQ(labels({bucket(1, 1, 1s, "burst"), aligned(1, 1s)}), (Labels{"burst", "fixed"}));
  EXPECT_EQ(labels({leaky(1, 1, 1s), approx(1, 1s), quota(1, CalendarUnit::day), concurrent(1, 1s)}),
            (Labels{"leakybucket", "sliding", "quota", "concurrent"}));
}

TEST(Limits, NumberTheSecondOfAKindAndThoseAfter) {
  EXPECT_EQ(labels({fixed(1, 1s), sliding(1, 1s), fixed(1, 1min), aligned(1, 1h)}),
            (Labels{"fixed", "sliding", "fixed-2", "fixed-3"}));
  EXPECT_EQ(labels({sliding(1, 1s), approx(1, 1s), approx(1, 1min)}), (Labels{"sliding", "sliding-2", "sliding-3"}));
}

TEST(Limits, RefuseTwoOfTheSameLabel) {
  EXPECT_EQ(labels({fixed(1, 1s, "a"), sliding(1, 1s, "a")}), Labels{"refused"});
  EXPECT_EQ(labels({fixed(1, 1s), sliding(1, 1s, "fixed")}), Labels{"refused"});
  EXPECT_EQ(labels({fixed(1, 1s), sliding(1, 1s, "fixed-2"), fixed(1, 1min)}), Labels{"refused"});
  EXPECT_EQ(labels({fixed(1, 1s, "a"), sliding(1, 1s, "A")}), (Labels{"a", "A"}));
}

TEST(Limits, RefuseALabelThatWouldNeedQuoting) {
  for (const std::string_view bad : {" ", "a b", "a\"b", "a\\b", "a\tb", "a\nb", "\x7F", "\xC3\xA4"}) {
    EXPECT_EQ(labels({fixed(1, 1s, bad)}), Labels{"refused"}) << bad;
  }
  EXPECT_EQ(labels({fixed(1, 1s, std::string_view("a\0b", 3))}), Labels{"refused"});
  EXPECT_EQ(labels({fixed(1, 1s, std::string(65, 'x'))}), Labels{"refused"});
  const std::string longest(64, 'x');
  EXPECT_EQ(labels({fixed(1, 1s, longest)}), Labels{longest});
  EXPECT_EQ(labels({fixed(1, 1s, "per-day:{free}/v1!~")}), Labels{"per-day:{free}/v1!~"});
}

TEST(Limits, AreOneToEight) {
  std::vector<LimitSpec> specs;
  EXPECT_FALSE(Limits::make(specs));
  for (std::size_t i = 0; i < kMaxLimits; ++i) {
    specs.push_back(fixed(1, 1s));
    EXPECT_TRUE(Limits::make(specs));
  }
  specs.push_back(fixed(1, 1s));
  EXPECT_FALSE(Limits::make(specs));
}

TEST(Limits, AreRefusedIfOneOfThemIsNotValid) {
  EXPECT_FALSE(Limits::make(std::vector{fixed(1, 1s), bucket(0, 1, 1s)}));
  EXPECT_FALSE(Limits::make(std::vector{bucket(1, 0, 1s)}));
  EXPECT_FALSE(Limits::make(std::vector{bucket(4'294'967'295, 1, 1s)}));
  EXPECT_FALSE(Limits::make(std::vector{sliding(1, 1ns)}));
  EXPECT_FALSE(Limits::make(std::vector{leaky(4'294'967'295, 1, 1s)}));
  EXPECT_FALSE(Limits::make(std::vector{approx(0, 1s)}));
  EXPECT_FALSE(Limits::make(std::vector{concurrent(1, kMaxSpan + 1ns)}));
  EXPECT_FALSE(Limits::make(std::vector{quota(1, CalendarUnit{})}));
  EXPECT_FALSE(Limits::make(std::vector{quota(1, static_cast<CalendarUnit>(6))}));
  LimitSpec unknown = fixed(1, 1s);
  unknown.algorithm = static_cast<Algorithm>(0);
  EXPECT_FALSE(Limits::make(std::vector{unknown}));
}

const std::vector<LimitSpec> kOneOfEach = {bucket(1, 1, 1s), leaky(1, 1, 1s), fixed(1, 1s),
                                           sliding(1, 1s),   approx(1, 1s),   quota(1, CalendarUnit::day),
                                           concurrent(1, 1s)};

TEST(Limits, AreRefusedIfTheyHaveWhatTheirAlgorithmHasNot) {
  for (const LimitSpec& spec : kOneOfEach) {
    SCOPED_TRACE(::testing::PrintToString(spec));
    ASSERT_TRUE(Limit::make(spec));
    const bool is_quota = spec.algorithm == Algorithm::quota;
    LimitSpec with_refill = spec;
    with_refill.refill = Units(1);
    EXPECT_EQ(Limit::make(with_refill).has_value(), is_bucket(spec.algorithm));
    LimitSpec aligned = spec;
    aligned.aligned = true;
    EXPECT_EQ(Limit::make(aligned).has_value(), spec.algorithm == Algorithm::fixed_window);
    LimitSpec with_unit = spec;
    with_unit.unit = CalendarUnit::day;
    EXPECT_EQ(Limit::make(with_unit).has_value(), is_quota);
    EXPECT_EQ(Limit::make(in_zone(spec, kKathmandu)).has_value(), is_quota);
    LimitSpec with_span = spec;
    with_span.span = 1s;
    EXPECT_EQ(Limit::make(with_span).has_value(), !is_quota);
  }
}

TEST(Limits, HaveTheNameOfAZoneAndItsRulesOrNeither) {
  LimitSpec spec = in_zone(quota(1, CalendarUnit::day), kKathmandu);
  EXPECT_TRUE(Limit::make(spec));
  spec.zone = {};
  EXPECT_FALSE(Limit::make(spec));
  spec = in_zone(spec, kKathmandu);
  spec.rules = nullptr;
  EXPECT_FALSE(Limit::make(spec));
}

TEST(Limits, AreWhatTheyWereMadeOf) {
  const std::vector specs = {bucket(20, 10, 1s, "burst"), per_request(aligned(5, 1h)), sliding(7, 1min)};
  const Limits limits = Limits::make(specs).value();
  EXPECT_TRUE(limits.matches(specs));
  for (std::size_t i = 0; i < specs.size(); ++i) EXPECT_EQ(limits[i].spec(), specs[i]);
  EXPECT_EQ(limits.find("burst"), 0U);
  EXPECT_EQ(limits.find("fixed"), 1U);
  EXPECT_EQ(limits.find("tokenbucket"), std::nullopt);
}

TEST(Limits, AreNotWhatDiffersInAnyPart) {
  const std::vector specs = {bucket(20, 10, 1s, "burst"), fixed(5, 1h)};
  const Limits limits = Limits::make(specs).value();
  EXPECT_FALSE(limits.matches(std::vector{specs[0]}));
  EXPECT_FALSE(limits.matches(std::vector{specs[1], specs[0]}));
  EXPECT_FALSE(limits.matches(std::vector{specs[0], specs[1], sliding(1, 1s)}));
  for (const LimitSpec& other : {bucket(21, 10, 1s, "burst"), bucket(20, 11, 1s, "burst"), bucket(20, 10, 2s, "burst"),
                                 bucket(20, 10, 1s), per_request(bucket(20, 10, 1s, "burst"))}) {
    EXPECT_FALSE(limits.matches(std::vector{other, specs[1]}));
  }
  EXPECT_FALSE(limits.matches(std::vector{specs[0], aligned(5, 1h)}));
  EXPECT_FALSE(limits.matches(std::vector{specs[0], sliding(5, 1h)}));
}

TEST(Limits, OutliveTheLabelsTheyWereMadeOf) {
  std::string label = "a label that is too long to be kept inside a string object";
  std::replace(label.begin(), label.end(), ' ', '-');
  const std::string expected = label;
  Limits limits = Limits::make(std::vector{fixed(1, 1s, label)}).value();
  const Limits copy = limits;
  label.assign(label.size(), 'x');
  limits = Limits::make(std::vector{fixed(1, 1s)}).value();
  EXPECT_EQ(copy.label(0), expected);
  EXPECT_EQ(copy[0].spec().label, expected);
}

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

const std::vector<LimitSpec> kKinds = {bucket(100, 100, 1h),
                                       fixed(100, 1h),
                                       aligned(100, 1h),
                                       sliding(100, 1h),
                                       leaky(100, 100, 1h),
                                       approx(100, 1h),
                                       concurrent(100, 1h),
                                       quota(100, CalendarUnit::hour),
                                       in_zone(quota(100, CalendarUnit::hour), kKathmandu)};

TEST(StatesAhead, DenyNoLongerThanTheySayOnceTheyAreClamped) {
  for (const LimitSpec& spec : kKinds) {
    SCOPED_TRACE(::testing::PrintToString(spec));
    Subject caller(spec);
    caller.check(spec.size, kToday);
    EXPECT_FALSE(any_is_ahead(caller.limits(), caller.cells(), kToday));
    const Instant now = kToday - 24h;
    EXPECT_TRUE(any_is_ahead(caller.limits(), caller.cells(), now));
    const Decision denied = caller.check(1, now);
    ASSERT_EQ(denied.outcome, Outcome::denied);
    EXPECT_EQ(caller.peek(Units(1), now + denied.wait).outcome, Outcome::denied);
    caller.clamp(now);
    EXPECT_FALSE(any_is_ahead(caller.limits(), caller.cells(), now));
    EXPECT_EQ(caller.peek(Units(1), now), denied);
    EXPECT_EQ(caller.peek(Units(1), now + denied.wait).outcome, Outcome::granted);
  }
}

TEST(StatesAhead, AreClampedWithoutTouchingOthers) {
  Subject caller({bucket(5, 5, 1min), fixed(5, 1min), sliding(5, 1min), bucket(5, 5, 1h)});
  caller.use(0, Units(5), kToday + 24h);
  ASSERT_TRUE(any_is_ahead(caller.limits(), caller.cells(), kToday));
  caller.clamp(kToday);
  EXPECT_EQ(caller.idle_at(0), kToday + 1min);
  for (std::size_t i = 1; i < 4; ++i) EXPECT_EQ(caller.idle_at(i), kEarliest) << "was idle";
}

/// Whether what exceeds a lowered limit stays, as debt: where the state is the same under both, unless it is a bucket.
bool keeps_debt(const LimitSpec& from, const LimitSpec& to) {
  LimitSpec lowered = from;
  lowered.size = to.size;
  return lowered == to && !is_bucket(from.algorithm);
}

TEST(CarriedStates, KeepWhatIsUsedFromEveryAlgorithmToEveryOther) {
  for (const LimitSpec& from : kKinds) {
    for (LimitSpec to : kKinds) {
      for (const std::int64_t size : {7, 30, 100, 1000}) {
        SCOPED_TRACE(::testing::PrintToString(from) + " to " + ::testing::PrintToString(to));
        to.size = Units(size);
        Subject caller(from);
        caller.check(30, kToday);
        caller.change({to}, kToday);
        EXPECT_EQ(caller.used(0, kToday), Units(keeps_debt(from, to) ? 30 : std::min<std::int64_t>(30, size)));
        EXPECT_EQ(caller.peek(Units(size), kToday).remaining, Units(std::max<std::int64_t>(0, size - 30)));
      }
    }
  }
}

TEST(CarriedStates, KeepDebtsWhereTheyMeanTheSameAndElseNoMoreThanTheSize) {
  for (const LimitSpec& from : kKinds) {
    for (const LimitSpec& to : kKinds) {
      SCOPED_TRACE(::testing::PrintToString(from) + " to " + ::testing::PrintToString(to));
      Subject caller(from);
      caller.check({.cost = Units(130), .mode = Mode::force}, kToday);
      caller.change({to}, kToday);
      EXPECT_EQ(caller.used(0, kToday), Units(from == to ? 130 : 100));
    }
  }
}

TEST(CarriedStates, LeaveTheIdleIdle) {
  for (const LimitSpec& from : kKinds) {
    for (const LimitSpec& to : kKinds) {
      Subject caller(from);
      caller.change({to}, kToday);
      EXPECT_EQ(caller.idle_at(0), kEarliest);
      caller.change({from}, kToday);
      caller.check(5, kToday);
      caller.change({to}, kToday + 2h);
      EXPECT_EQ(caller.used(0, kToday + 2h), kNoUnits);
      EXPECT_LE(caller.idle_at(0), kToday + 2h);
      EXPECT_EQ(caller.peek(Units(100), kToday + 2h).outcome, Outcome::granted);
    }
  }
}

/// What is used under each limit of `to` after 1, 2, 3, … units were used under those of `from`.
std::vector<std::int64_t> carried(const std::vector<LimitSpec>& from, const std::vector<LimitSpec>& to) {
  Subject caller(from);
  for (std::size_t i = 0; i < from.size(); ++i) caller.use(i, Units(static_cast<std::int64_t>(i) + 1), kToday);
  caller.change(to, kToday);
  std::vector<std::int64_t> used;
  for (std::size_t i = 0; i < to.size(); ++i) used.push_back(caller.used(i, kToday).count());
  return used;
}
using Used = std::vector<std::int64_t>;

TEST(CarriedStates, FollowTheLabelFirst) {
  EXPECT_EQ(carried({fixed(9, 1s, "a"), fixed(9, 1s, "b")}, {fixed(9, 1s, "b"), fixed(9, 1s, "a")}), (Used{2, 1}));
  EXPECT_EQ(carried({fixed(9, 1s, "a"), sliding(9, 1s, "b")}, {fixed(9, 1s, "b"), sliding(9, 1s, "a")}), (Used{2, 1}));
  EXPECT_EQ(carried({fixed(9, 1s), sliding(9, 1s)}, {sliding(9, 1min), fixed(9, 1min)}), (Used{2, 1}));
}

TEST(CarriedStates, FollowTheAlgorithmNext) {
  EXPECT_EQ(carried({fixed(9, 1s, "a"), sliding(9, 1s, "b")}, {sliding(9, 1s, "c"), fixed(9, 1s, "d")}), (Used{2, 1}));
  EXPECT_EQ(carried({fixed(9, 1s, "a"), sliding(9, 1s), fixed(9, 1s, "c")},
                    {bucket(9, 9, 1s), fixed(9, 1s, "c"), aligned(9, 1s, "d")}),
            (Used{2, 3, 1}));
}

TEST(CarriedStates, FollowTheOrderOfWhatIsLeft) {
  EXPECT_EQ(carried({fixed(9, 1s, "a"), fixed(9, 1s, "b")}, {sliding(9, 1s, "c"), bucket(9, 9, 1s, "d")}),
            (Used{1, 2}));
}

TEST(CarriedStates, AreIdleForLimitsThatAreAddedAndForgetThoseThatAreTakenAway) {
  EXPECT_EQ(carried({fixed(9, 1s)}, {fixed(9, 1s), sliding(9, 1s)}), (Used{1, 0}));
  EXPECT_EQ(carried({fixed(9, 1s), sliding(9, 1s)}, {sliding(9, 1s)}), Used{2});
}

TEST(CarriedStates, ChangeNothingUntilTheyAreMoved) {
  Subject caller({sliding(5, 1min), fixed(5, 1min)});
  caller.check(2, kToday);
  const Limits next = Limits::make(std::vector{fixed(3, 1min), sliding(3, 1min), bucket(9, 9, 1s)}).value();
  {
    const CarriedStates carried(caller.limits(), caller.cells(), next, kToday);
    EXPECT_EQ(decide(next, carried, Ask{Units(1)}, kToday).decision.remaining, kNoUnits);
    EXPECT_EQ(decide(next, carried, Ask{Units(2)}, kToday).decision.outcome, Outcome::denied);
  }
  EXPECT_EQ(caller.used(0, kToday), Units(2));
  EXPECT_EQ(caller.used(1, kToday), Units(2));
  EXPECT_EQ(caller.check(3, kToday).outcome, Outcome::granted);
}

constexpr std::array kAlgorithms = {
    Algorithm::token_bucket,           Algorithm::fixed_window, Algorithm::sliding_window_log, Algorithm::leaky_bucket,
    Algorithm::sliding_window_counter, Algorithm::quota,        Algorithm::concurrent};
constexpr std::array<std::string_view, 5> kLabels = {"", "", "a", "b", "c"};

LimitSpec random_limit(Random& random) {
  LimitSpec spec = random_spec(random, kAlgorithms[random.below(kAlgorithms.size())]);
  spec.per_request = random.one_in(4);
  spec.label = kLabels[random.below(kLabels.size())];
  return spec;
}

/// Up to three more or less independent limits; a list that is refused (for its labels) is drawn again.
std::vector<LimitSpec> random_limits(Random& random) {
  std::vector<LimitSpec> specs;
  do {
    specs.clear();
    for (std::uint64_t n = 1 + random.below(3); n > 0; --n) specs.push_back(random_limit(random));
    // Of three limits drawn at random one always binds. Relatives of the first bind in turns.
    for (std::size_t i = 1; i < specs.size(); ++i) {
      if (random.one_in(3)) continue;
      specs[i].size =
          Units(random.between(specs[0].size.count(), std::min(specs[0].size.count() * 4, kMaxUnits.count())));
      if (specs[i].algorithm != Algorithm::quota && specs[0].algorithm != Algorithm::quota) {
        specs[i].span = specs[0].span;
      }
    }
  } while (!Limits::make(specs));
  return specs;
}

std::vector<LimitSpec> random_changes(Random& random, const std::vector<LimitSpec>& specs) {
  std::vector<LimitSpec> changed = specs;
  switch (random.below(4)) {
    case 0: return random_limits(random);
    case 1: changed.push_back(random_limit(random)); break;
    case 2: std::swap(changed.front(), changed.back()); break;
    default: break;
  }
  LimitSpec& one = changed[random.below(changed.size())];
  one = random_change(random, one);
  if (random.one_in(4)) one.label = kLabels[random.below(kLabels.size())];
  if (random.one_in(4)) changed.erase(changed.begin());
  return Limits::make(changed) ? changed : specs;
}

TEST(Limits, AgreeWithTheOracleOnARandomWalkThroughAllAlgorithms) { walk({random_limits, random_changes}); }

// A key lives on for a while after its state is idle, so that not every call makes it live longer.
TEST(Limits, StatesAreKeptUntilTheEndOfAStepAndNeverLess) {
  constexpr Span kSecond{std::int64_t{1} << 30U};
  const std::vector<std::pair<std::vector<LimitSpec>, Span>> cases = {
      {{bucket(1000, 1, 1min)}, 16min}, {{leaky(1000, 1, 1min)}, 16min},
      {{bucket(20, 1, 1min)}, 5min},    {{bucket(3, 1, 1min)}, kSecond},
      {{fixed(5, 87600h)}, kSecond},    {{quota(5, CalendarUnit::year)}, kSecond},
      {{approx(5, 1h)}, kSecond},       {{sliding(5, 1h)}, 225s},
      {{concurrent(5, 1h)}, 225s},      {{fixed(5, 1h), sliding(5, 1h)}, 225s}};
  for (const auto& [specs, slack] : cases) {
    const Limits limits = *Limits::make(specs);
    Instant before = limits.kept_until(Instant{});
    Span longest{};
    for (Instant idle{}; idle < Instant{3h}; idle += 100ms) {
      const Instant until = limits.kept_until(idle);
      ASSERT_GT(until, idle);
      ASSERT_GE(until, before);
      longest = std::max(longest, until - idle);
      before = until;
    }
    EXPECT_LE(longest, slack);
    EXPECT_GT(longest, slack / 2) << "steps are as long as they may be";
  }
}

TEST(Limits, StatesOfTheVeryEndOfTimeAreKeptToo) {
  const Instant latest = kLatest + 2 * kMaxSpan;
  EXPECT_GT(Limits::make(std::vector{bucket(4, 4, 87600h)})->kept_until(latest), latest);
}

}  // namespace
}  // namespace ratelimit::tests
