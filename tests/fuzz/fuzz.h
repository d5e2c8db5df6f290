// SPDX-License-Identifier: MIT
// What the fuzz targets share: a word for what must hold, numbers from bytes, and the bounds of an answer.
//
// A target is a function of bytes that ends the process when something that must hold does not. The fuzzer keeps the
// bytes; running the target on them again repeats it.
#ifndef RATELIMIT_TESTS_FUZZ_FUZZ_H
#define RATELIMIT_TESTS_FUZZ_FUZZ_H

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <span>
#include <string_view>
#include <type_traits>

#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/any_algorithm.h"
#include "ratelimit/block.h"
#include "ratelimit/decision.h"
#include "ratelimit/limit.h"
#include "ratelimit/limits.h"
#include "ratelimit/request.h"
#include "ratelimit/states.h"
#include "ratelimit/turn.h"
#include "ratelimit/units.h"

namespace ratelimit::fuzz {

/// Ends the process, loudly, unless `condition` holds.
inline void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

/// Choices made by bytes, one after the other; zeros when they are used up.
class Choices {
 public:
  explicit Choices(std::string_view bytes) : bytes_(bytes) {}

  [[nodiscard]] bool empty() const { return bytes_.empty(); }

  std::uint8_t byte() {
    if (bytes_.empty()) return 0;
    const char first = bytes_.front();
    bytes_.remove_prefix(1);
    return static_cast<std::uint8_t>(first);
  }

  /// From 0 up to and without `end`, which is at most 256.
  std::size_t below(std::size_t end) { return byte() % end; }

  /// `size` bytes as a number, the lowest first.
  std::uint64_t number(unsigned size) {
    std::uint64_t number = 0;
    for (unsigned i = 0; i < size; ++i) number |= std::uint64_t{byte()} << (8 * i);
    return number;
  }

  template <class T>
  T one_of(std::initializer_list<T> values) {
    return values.begin()[below(values.size())];
  }

  /// So many bytes, or those that are left.
  std::string_view take(std::size_t size) {
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(taken.size());
    return taken;
  }

 private:
  std::string_view bytes_;
};

/// How long it takes until so many units have flowed into a bucket, or out of it.
inline Span flow(const LimitSpec& spec, Units units) {
  __extension__ using Wide = unsigned __int128;
  const auto refill = static_cast<Wide>(spec.refill.count());
  const Wide nanoseconds = static_cast<Wide>(units.count()) * static_cast<Wide>(spec.span.count());
  return Span{static_cast<std::int64_t>((nanoseconds + refill - 1) / refill)};
}

/// The longest that a limit without debt may ask anybody to wait: until all of it has come back.
inline Span full_span(const LimitSpec& spec) {
  switch (spec.algorithm) {
    case Algorithm::token_bucket:
    case Algorithm::leaky_bucket: return flow(spec, spec.size);
    // The exact log rounds times up to its grid.
    case Algorithm::sliding_window_log: return spec.span + spec.span / (1 << 26);
    // What was used in one window counts up to the end of the next.
    case Algorithm::sliding_window_counter: return 2 * spec.span;
    case Algorithm::quota: return kLongestCalendarWindow;
    case Algorithm::fixed_window:
    case Algorithm::concurrent: return spec.span;
  }
  return {};
}

/// The most units that may count under a limit in this state. More than its size is debt: that of a bucket is bounded by
/// what it says, and windows, logs and leases bound theirs by the largest count.
inline Units most_used(const Limit& limit, const Cell& cell) {
  return limit.visit([&]<class A>(const A& algorithm) {
    const auto& state = state_in(cell, algorithm);
    if constexpr (std::is_base_of_v<TokenBucket, A>) {
      return limit.size() + Units(state.debt);
    } else if constexpr (std::is_same_v<A, SlidingWindowCounter>) {
      return Units(std::int64_t{state.previous} + state.current);
    } else if constexpr (std::is_same_v<A, Concurrent>) {
      return state.leases() != nullptr ? state.leases()->units() : kNoUnits;
    } else if constexpr (std::is_same_v<A, SlidingWindowLog>) {
      return kMax32BitUnits;
    } else {
      return kMaxUnits;
    }
  });
}

/// The longest that a limit in this state may ask anybody to wait, or to reset.
inline Span longest_span(const Limit& limit, const Cell& cell) {
  const LimitSpec spec = limit.spec();
  // Leases keep their ends, whatever the limit becomes.
  if (spec.algorithm == Algorithm::concurrent) return std::max(spec.span, cell.as<Concurrent::State>().longest());
  // Only the debt of a bucket lasts longer than all of it takes to come back.
  if (!is_bucket(spec.algorithm)) return full_span(spec);
  return full_span(spec) + flow(spec, most_used(limit, cell) - limit.size());
}

/// The longest that any answer in these states may say: a call waits for who waits for a turn, and then for what is
/// used up; and if it may wait itself, or is forced, for what it takes.
inline Span longest_answer(const Limits& limits, std::span<const Cell> cells, const Turn& turn, const Block& block,
                           const Request& request) {
  Span longest{};
  for (std::size_t i = 0; i < limits.size(); ++i) {
    Span span = longest_span(limits[i], cells[i]);
    if (request.mode == Mode::force && is_bucket(limits[i].spec().algorithm)) span += kMaxSpan;
    longest = std::max(longest, span);
  }
  return turn.wait + block.length + (request.mode == Mode::may_wait ? 2 * longest : longest);
}

/// Whether a bucket was cut off when it was made smaller: no answer counts that, but it is remembered until it is back.
inline bool any_is_cut_off(const Limits& limits, std::span<const Cell> cells) {
  for (std::size_t i = 0; i < limits.size(); ++i) {
    if (is_bucket(limits[i].algorithm()) && cells[i].as<TokenBucket::State>().has_cut_off()) return true;
  }
  return false;
}

/// What holds for the answer of any state whatsoever.
inline void require_sane(const Limits& limits, const Decision& decision, const Request& request, Span longest) {
  const bool is_granted = decision.outcome == Outcome::granted;
  if (is_granted && request.mode == Mode::partial) {
    require(kMinUnits <= decision.granted && decision.granted <= request.cost, "a part of it is granted");
  } else {
    require(decision.granted == (is_granted ? request.cost : kNoUnits), "all is granted, or nothing");
  }
  require(kNoUnits <= decision.remaining && decision.remaining <= decision.size, "remaining is within the limit");
  require(Span{} <= decision.wait && decision.wait <= longest, "a wait is bounded");
  require(Span{} <= decision.reset && decision.reset <= longest, "a reset is bounded");
  require(decision.outcome != Outcome::denied || decision.wait > Span{}, "who is denied waits");
  require(decision.outcome != Outcome::never || decision.wait == Span{}, "who can never be granted does not");
  const bool may_be_never = request.mode == Mode::whole || request.mode == Mode::may_wait;
  require(decision.outcome != Outcome::never || may_be_never || limits.is_any_closed(),
          "a part, or debt, is never too much");
  require(!limits.is_any_closed() || request.mode == Mode::force || decision.outcome == Outcome::never,
          "a closed limit lets nothing pass");
  if (request.mode == Mode::may_wait && is_granted) {
    require(decision.wait <= request.longest_wait, "nobody waits longer than agreed");
  }
}

}  // namespace ratelimit::fuzz

#endif  // RATELIMIT_TESTS_FUZZ_FUZZ_H
