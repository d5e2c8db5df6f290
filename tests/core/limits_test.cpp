// SPDX-License-Identifier: MIT
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
#include "ratelimit/limit.h"
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
  EXPECT_FALSE(Limits::make(std::vector{fixed(1, 1s), bucket(-1, 1, 1s)}));
  EXPECT_FALSE(Limits::make(std::vector{bucket(1, 0, 1s)}));
  EXPECT_FALSE(Limits::make(std::vector{bucket(0, 0, 1s)})) << "closed, but a rate is no size";
  EXPECT_FALSE(Limits::make(std::vector{bucket(4'294'967'295, 1, 1s)}));
  EXPECT_FALSE(Limits::make(std::vector{sliding(1, 1ns)}));
  EXPECT_FALSE(Limits::make(std::vector{leaky(4'294'967'295, 1, 1s)}));
  EXPECT_FALSE(Limits::make(std::vector{approx(-1, 1s)}));
  EXPECT_FALSE(Limits::make(std::vector{concurrent(1, kMaxSpan + 1ns)}));
  EXPECT_FALSE(Limits::make(std::vector{quota(1, CalendarUnit{})}));
  EXPECT_FALSE(Limits::make(std::vector{quota(1, static_cast<CalendarUnit>(7))}));
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
    EXPECT_EQ(Limit::make(anchored(spec, "2026-01-31")).has_value(), is_quota);
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
