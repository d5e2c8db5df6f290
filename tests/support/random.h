// SPDX-License-Identifier: MIT
// Randomness that can be repeated: the same seed gives the same test on every machine and compiler.
//
// RATELIMIT_TEST_SEED sets the seed, RATELIMIT_TEST_STEPS the length of the random walks.
#ifndef RATELIMIT_TESTS_CORE_RANDOM_H
#define RATELIMIT_TESTS_CORE_RANDOM_H

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <random>
#include <string>
#include <string_view>

#include "oracle.h"
#include "subject.h"

#ifndef RATELIMIT_TEST_STEPS
#define RATELIMIT_TEST_STEPS 1'000'000
#endif

namespace ratelimit::tests {

inline std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::stoull(text);
}
inline std::uint64_t test_seed() { return number_from_environment("RATELIMIT_TEST_SEED", 20240229); }
inline std::uint64_t test_steps() { return number_from_environment("RATELIMIT_TEST_STEPS", RATELIMIT_TEST_STEPS); }

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  /// From 0 up to and without `end`.
  std::uint64_t below(std::uint64_t end) { return engine_() % end; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }

  /// From `low` to `high`, both included, all alike.
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low) + 1));
  }

  /// From `low` >= 1 to `high`, every order of magnitude alike.
  std::int64_t magnitude_between(std::int64_t low, std::int64_t high) {
    const auto bits = [](std::int64_t n) { return static_cast<int>(std::bit_width(static_cast<std::uint64_t>(n))); };
    const auto width = static_cast<unsigned>(between(bits(low), bits(high)));
    const std::int64_t least = std::int64_t{1} << (width - 1);
    return between(std::max(low, least), std::min(high, least - 1 + least));
  }

  template <class T>
  T one_of(std::initializer_list<T> values) {
    return values.begin()[below(values.size())];
  }

 private:
  std::mt19937_64 engine_;
};

/// From 1 to `most`.
inline Units random_count(Random& random, Units most = kMax32BitUnits) {
  const std::int64_t max = most.count();
  if (random.one_in(4)) return Units(random.one_of<std::int64_t>({1, 2, 3, 7, 1000, 999'999'937, max - 1, max}));
  return Units(random.magnitude_between(1, max));
}

/// The size of a limit; now and then it is closed.
inline Units random_size(Random& random, Algorithm algorithm) {
  return random.one_in(32) ? kNoUnits : random_count(random, largest_size(algorithm));
}

inline Span random_span(Random& random) {
  if (random.one_in(4)) return random.one_of<Span>({kMinSpan, kMinSpan + 1ns, 1s, 60s, 1h, kMaxSpan - 1ns, kMaxSpan});
  return Span{random.magnitude_between(kMinSpan.count(), kMaxSpan.count())};
}

inline Instant random_instant(Random& random) {
  if (random.one_in(20)) return random.one_of<Instant>({kEarliest, kEarliest + 1ns, kLatest - 1ns, kLatest});
  return kEarliest + Span{random.between(0, (kLatest - kEarliest).count())};
}

/// Any minute that can be given; one in two is midnight, and one in four the end of a month.
inline Anchor random_anchor(Random& random) {
  using namespace std::chrono;
  local_days day =
      floor<days>(Anchor::kEarliest) + days{random.between(0, (Anchor::kLatest - Anchor::kEarliest) / 24h)};
  const year_month_day date{day};
  if (random.one_in(4)) day = local_days{date.year() / date.month() / last};
  return Anchor(day + minutes{random.one_in(2) ? 0 : random.between(0, 24 * 60 - 1)});
}

/// Any limit of that algorithm.
inline LimitSpec random_spec(Random& random, Algorithm algorithm) {
  LimitSpec spec;
  spec.algorithm = algorithm;
  spec.aligned = algorithm == Algorithm::fixed_window && random.one_in(2);
  if (algorithm == Algorithm::quota) {
    spec.size = random_size(random, algorithm);
    spec.unit = static_cast<CalendarUnit>(random.between(1, 6));
    if (random.one_in(2)) spec.anchor = random_anchor(random);
    if (random.one_in(2)) spec = in_zone(spec, random.one_in(2) ? kKathmandu : kNewfoundland);
    return spec;
  }
  do {
    spec.size = random_size(random, algorithm);
    spec.span = random_span(random);
    if (is_bucket(algorithm)) spec.refill = random_count(random);
  } while (is_bucket(algorithm) && !oracle::refills_in_time(spec.size, spec.refill, spec.span));
  return spec;
}

/// What `spec` may be changed to: mostly a relative of it, under which its state may still mean the same.
inline LimitSpec random_change(Random& random, const LimitSpec& spec) {
  LimitSpec changed = spec;
  if (random.one_in(3)) return random_spec(random, spec.algorithm);
  if (!random.one_in(4)) {
    const std::int64_t size = spec.size.count();
    changed.size = Units(random.one_of<std::int64_t>({size - 1, size + 1, size / 2, size * 2, 1, 0}));
  }
  if (random.one_in(4)) changed.span *= 2;
  if (random.one_in(4)) changed.refill = Units(changed.refill.count() * 2);
  if (random.one_in(8) && spec.algorithm == Algorithm::fixed_window) changed.aligned = !changed.aligned;
  if (random.one_in(4) && spec.algorithm == Algorithm::quota) changed.unit = random_spec(random, spec.algorithm).unit;
  if (random.one_in(8) && spec.algorithm == Algorithm::quota) changed.anchor = random_anchor(random);
  if (random.one_in(8) && spec.algorithm == Algorithm::quota) changed = in_zone(changed, kKathmandu);
  return Limit::make(changed) ? changed : spec;
}

/// A cost that is interesting for a limit of `size` with `remaining` units left.
inline Units random_cost(Random& random, Units size, Units remaining) {
  const auto near = [&random](Units units) { return Units(units.count() + random.between(-2, 2)); };
  const auto any = [&]() -> Units {
    switch (random.below(10)) {
      case 0: return near(size);
      case 1: return near(remaining);
      case 2: return remaining;
      case 3: return Units(random.magnitude_between(1, std::max<std::int64_t>(size.count(), 1)));
      case 4: return Units(random.magnitude_between(1, kMaxUnits.count()));
      case 5: return random.one_in(8) ? kMaxUnits : kMinUnits;
      case 6: return Units(random.between(1, 10));
      default: return kMinUnits;
    }
  };
  return std::clamp(any(), kMinUnits, kMaxUnits);
}

/// A gap that is interesting after `last`, the answer of a limit like `spec`; never negative.
inline Span random_gap(Random& random, const LimitSpec& spec, const Decision& last) {
  const std::int64_t span = scale_of(spec).count();
  const std::int64_t rate = std::max(is_bucket(spec.algorithm) ? spec.refill : spec.size, kMinUnits).count();
  const auto any = [&]() -> Span {
    switch (random.below(12)) {
      case 0: return 1ns;
      case 1: return last.wait;
      case 2: return last.wait - 1ns;
      case 3: return last.reset;
      case 4: return last.reset - 1ns;
      case 5:
        return random.one_in(4) ? Span{random.magnitude_between(1, 10 * Span{std::chrono::years{1}}.count())} : 0ns;
      case 6: return Span{random.magnitude_between(1, span)};
      case 7: return Span{random.between(0, span / 4)};
      case 8: return Span{random.between(0, 2 * (span / rate) + 2)};
      case 9: return Span{random.magnitude_between(1, std::max<std::int64_t>(span / rate, 1))};
      default: return 0ns;
    }
  };
  return std::max(any(), Span{});
}

/// Another time, and the cost of the call that comes then.
struct NextCall {
  Span gap{};
  Units cost;
};

/// How callers behave for a while. Those with `parts` take about that part of a limit in that part of its span, so that
/// much is remembered; those without do whatever is interesting. The plain ones know no modes and no operations.
struct Habit {
  std::int64_t parts = 0;
  bool is_plain = false;
};
inline Habit random_habit(Random& random) { return {random.one_of<std::int64_t>({0, 0, 100, 1000}), random.one_in(4)}; }

inline NextCall random_call(Random& random, const LimitSpec& spec, const Decision& last, Habit habit) {
  if (habit.parts == 0 || random.one_in(16)) {
    return {random_gap(random, spec, last), random_cost(random, spec.size, last.remaining)};
  }
  return {Span{random.between(0, scale_of(spec).count() / habit.parts)},
          Units(random.between(1, std::max<std::int64_t>(1, spec.size.count() / habit.parts)))};
}

/// One of a few, for leases and holds alike; or none.
inline std::string_view random_id(Random& random) {
  return random.one_of<std::string_view>({"", "", "", "a", "b", "c", "d", "e"});
}

/// The costs that a call gives some limits, and the labels that it borrows.
struct RandomCosts {
  std::vector<std::string> labels;
  std::vector<Charge> charged;
};
inline RandomCosts random_costs(Random& random, const Limits& limits, Units about) {
  const Units most = std::max(about, kMinUnits);
  RandomCosts costs;
  if (!random.one_in(6)) return costs;
  for (std::size_t i = 0; i < limits.size(); ++i) costs.labels.emplace_back(limits.label(i));
  for (const std::string& label : costs.labels) {
    const bool is_nothing = random.one_in(4);
    const Units cost = is_nothing ? kNoUnits : Units(random.magnitude_between(1, most.count()));
    if (random.one_in(2)) costs.charged.push_back({label, cost});
  }
  return costs;
}

/// What an operation charges each account: one of them all of it.
inline std::optional<Charges> random_charges(Random& random, Units most) {
  if (!random.one_in(4)) return std::nullopt;
  Charges charges = same_for_all(most);
  for (Units& units : charges) {
    if (random.one_in(2)) units = Units(random.between(0, most.count()));
  }
  return charges;
}

/// A request for `cost` units in some mode, after `last` of a limit like `spec`.
inline Request random_request(Random& random, const LimitSpec& spec, Units cost, const Decision& last) {
  Request request{.cost = cost, .id = random_id(random)};
  switch (random.below(16)) {
    case 0:
    case 1: request.mode = Mode::partial; break;
    case 2: request.mode = Mode::force; break;
    case 3:
    case 4:
    case 5: request.mode = Mode::may_wait; break;
    default: break;
  }
  if (request.mode == Mode::may_wait) {
    request.longest_wait =
        std::clamp(random.one_of<Span>({last.wait, last.wait - 1ns, last.reset, kMaxSpan,
                                        Span{random.magnitude_between(1, scale_of(spec).count())},
                                        Span{random.magnitude_between(1, 2 * scale_of(spec).count())}}),
                   Span{}, kMaxSpan);
  }
  return request;
}

/// Something that is done besides checks: a refund, a settlement, the end of a lease, or a look at what has ended.
inline Operation random_block(Random& random, const LimitSpec& spec, Instant now) {
  const Span most = random.one_in(16) ? kMaxSpan : scale_of(spec) / 4 + 1ns;
  const Span length = random.one_in(3) ? Span{} : Span{random.magnitude_between(1, most.count())};
  return {.kind = Operation::Kind::block, .at = now, .span = length};
}

inline Operation random_operation(Random& random, const LimitSpec& spec, Units units, Instant now) {
  if (random.one_in(6)) return random_block(random, spec, now);
  const auto kind =
      random.one_of({Operation::Kind::refund, Operation::Kind::refund, Operation::Kind::settle, Operation::Kind::settle,
                     Operation::Kind::settle, Operation::Kind::release, Operation::Kind::collect});
  Operation operation{.kind = kind, .at = now, .units = units, .id = random_id(random)};
  if (operation.id.empty()) operation.id = "f";
  if (kind == Operation::Kind::settle && random.one_in(2)) {
    operation.units = Units(random.between(0, std::min(units.count(), spec.size.count())));
  }
  if (kind == Operation::Kind::settle) operation.each = random_charges(random, operation.units);
  return operation;
}

inline Span random_time_to_live(Random& random, const LimitSpec& spec) {
  return Span{random.magnitude_between(1, random.one_in(8) ? kMaxSpan.count() : scale_of(spec).count())};
}

/// The clock after `gap`; now and then it is stepped back, and it never leaves its range.
inline Instant random_next(Random& random, Instant now, Span gap, Span span) {
  if (random.one_in(30)) {
    const Span far = random.one_in(3) ? Span{std::chrono::years{10}} : 2 * span;
    return std::max(kEarliest, now - Span{random.magnitude_between(1, far.count())});
  }
  return now + gap <= kLatest ? now + gap : random_instant(random);
}

}  // namespace ratelimit::tests

#endif  // RATELIMIT_TESTS_CORE_RANDOM_H
