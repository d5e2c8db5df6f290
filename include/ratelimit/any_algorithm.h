// SPDX-License-Identifier: MIT
// All algorithms in one list, and one of them, chosen at run time.
//
// A new algorithm is a header in algorithms/, its number in `Algorithm` and its row in `AnyAlgorithm`, at the end of
// this file. What it must have is the concept `LimitAlgorithm`. Depends on the algorithms.
#ifndef RATELIMIT_ANY_ALGORITHM_H
#define RATELIMIT_ANY_ALGORITHM_H

#include <concepts>
#include <cstddef>
#include <optional>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "ratelimit/algorithms/concurrent.h"
#include "ratelimit/algorithms/fixed_window.h"
#include "ratelimit/algorithms/leaky_bucket.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/algorithms/quota.h"
#include "ratelimit/algorithms/sliding_window_counter.h"
#include "ratelimit/algorithms/sliding_window_log.h"
#include "ratelimit/algorithms/token_bucket.h"
#include "ratelimit/decision.h"
#include "ratelimit/units.h"

namespace ratelimit {

/// What an algorithm is: a value type that holds the numbers of one limit, and pure functions of a state. The headers
/// of the algorithms say what each function means; algorithms/token_bucket.h is the one to read first.
///
/// Besides, `write(out, state)` and `read(in, state)` give the state its bytes, and likewise the change, if that is
/// another type. A state that owns memory has `heap_bytes()` and `heap_pieces()`, and `relocate_piece(i, move)` if
/// defragmentation may move it.
///
/// `adopted(state, other, now)` is the state of another limit under this one; it may count more than the size, until
/// `cap` lets at most the size count. A limit whose states are large says by `keeps_state_of(other)` that they mean the
/// same under both.
///
/// An ask may cost nothing: then the state stays as it is, and the wait is how long a debt lasts. `slack()` is more than
/// nothing where each grant moves the end of the state: the key's end then moves in steps of about that length, and not
/// with each grant (docs/adr/0021).
template <class A>
concept LimitAlgorithm = requires(const A& algorithm, typename A::State& state, const typename A::State& seen,
                                  const typename A::Change& change, const LimitSpec& spec, const Ask& ask, Units units,
                                  Instant now, std::string_view id) {
  { A::kNumber } -> std::convertible_to<Algorithm>;
  { A::kKeyword } -> std::convertible_to<std::string_view>;
  { A::kFields } -> std::convertible_to<LimitFields>;
  { A::make(spec) } -> std::same_as<std::optional<A>>;  // none if a number is out of its range
  { algorithm.size() } -> std::same_as<Units>;
  { algorithm.window() } -> std::same_as<std::optional<Span>>;  // of the quota, as HTTP clients are told
  { algorithm.slack() } -> std::same_as<Span>;                  // how much longer than needed a state may be kept

  { algorithm.decide(seen, ask, now) } -> std::same_as<Step<typename A::Change>>;
  algorithm.apply(state, change, id);
  { algorithm.accepts(seen, change, id) } -> std::same_as<bool>;
  algorithm.give_back(state, units, units, now);
  { algorithm.is_ahead(seen, now) } -> std::same_as<bool>;
  algorithm.clamp(state, now);
  { algorithm.used(seen, now) } -> std::same_as<Units>;
  { algorithm.with_used(units, now) } -> std::same_as<typename A::State>;
  { algorithm.recovery() } -> std::same_as<Span>;  // the longest time from full use to idle
  { algorithm.adopted(seen, algorithm, now) } -> std::same_as<typename A::State>;
  algorithm.cap(state, now);
  { algorithm.idle_at(seen) } -> std::same_as<Instant>;
};

/// Whether the units of an algorithm are held by someone with a lease, which has an id and ends.
template <class A>
concept HasLeases = requires(const A& algorithm, typename A::State& state, const typename A::State& seen,
                             const typename A::Change& change, std::string_view id, Instant now) {
  { algorithm.has_lease(seen, id, now) } -> std::same_as<bool>;
  { algorithm.release(state, id, now) } -> std::same_as<bool>;
  algorithm.forget_ended(state, now);
  algorithm.apply_ahead(state, change, id);
};

/// One algorithm out of a list.
template <LimitAlgorithm... Rows>
class OneOf {
 public:
  /// The algorithm that `spec` names, with its numbers; none if there is no such algorithm, a number is out of its
  /// range, or something is given that the algorithm does not have.
  [[nodiscard]] static std::optional<OneOf> make(const LimitSpec& spec) {
    std::optional<OneOf> made;
    if (fields_of(spec.algorithm).cover(spec)) static_cast<void>((make_if<Rows>(spec, made) || ...));
    return made;
  }

  /// What an algorithm is called in commands; empty if there is no such algorithm.
  [[nodiscard]] static constexpr std::string_view keyword_of(Algorithm algorithm) {
    std::string_view keyword;
    ((algorithm == Rows::kNumber ? void(keyword = Rows::kKeyword) : void()), ...);
    return keyword;
  }

  /// Which fields of a limit an algorithm has; none if there is no such algorithm.
  [[nodiscard]] static constexpr LimitFields fields_of(Algorithm algorithm) {
    LimitFields fields;
    ((algorithm == Rows::kNumber ? void(fields = Rows::kFields) : void()), ...);
    return fields;
  }

  /// Calls `visitor` with the algorithm, whose type is one of the rows. By a switch, which the compiler sees through,
  /// where std::visit calls by a table: a tenth of the instructions of a decision.
  template <class Visitor>
  decltype(auto) visit(Visitor&& visitor) const {
    static_assert(sizeof...(Rows) <= 12, "more rows need more cases");
    switch (algorithm_.index()) {
      case 0: return call<0>(visitor);
      case 1: return call<1>(visitor);
      case 2: return call<2>(visitor);
      case 3: return call<3>(visitor);
      case 4: return call<4>(visitor);
      case 5: return call<5>(visitor);
      case 6: return call<6>(visitor);
      case 7: return call<7>(visitor);
      case 8: return call<8>(visitor);
      case 9: return call<9>(visitor);
      case 10: return call<10>(visitor);
      default: return call<11>(visitor);
    }
  }

 private:
  using First = std::tuple_element_t<0, std::tuple<Rows...>>;

  /// How many rows have a number.
  [[nodiscard]] static constexpr std::size_t rows_with(Algorithm number) {
    return (static_cast<std::size_t>(number == Rows::kNumber) + ...);
  }
  static_assert(((rows_with(Rows::kNumber) == 1) && ...), "a number stands for one algorithm");

  template <class Row>
  explicit OneOf(const Row& row) : algorithm_(row) {}

  template <class Row>
  [[nodiscard]] static bool make_if(const LimitSpec& spec, std::optional<OneOf>& made) {
    if (spec.algorithm != Row::kNumber) return false;
    if (const std::optional<Row> row = Row::make(spec)) made = OneOf(*row);
    return true;
  }

  template <std::size_t I, class Visitor>
  std::invoke_result_t<Visitor&, const First&> call(Visitor& visitor) const {
    if constexpr (I < sizeof...(Rows)) {
      return visitor(*std::get_if<I>(&algorithm_));
    } else {
      __builtin_unreachable();  // there is no such row
    }
  }

  std::variant<Rows...> algorithm_;
};

/// The list. A new algorithm is added here.
using AnyAlgorithm =
    OneOf<TokenBucket, FixedWindow, SlidingWindowLog, LeakyBucket, SlidingWindowCounter, Quota, Concurrent>;

/// What an algorithm is called in commands. In lower case it is also the label of a limit that has none.
[[nodiscard]] constexpr std::string_view keyword(Algorithm algorithm) { return AnyAlgorithm::keyword_of(algorithm); }

/// Which fields of a LimitSpec an algorithm has.
[[nodiscard]] constexpr LimitFields fields_of(Algorithm algorithm) { return AnyAlgorithm::fields_of(algorithm); }

[[nodiscard]] constexpr bool is_bucket(Algorithm algorithm) { return fields_of(algorithm).refill; }

/// Whether both count alike: each algorithm is a family, but that of buckets has two.
[[nodiscard]] constexpr bool are_of_one_family(Algorithm a, Algorithm b) {
  return a == b || (is_bucket(a) && is_bucket(b));
}

}  // namespace ratelimit

#endif  // RATELIMIT_ANY_ALGORITHM_H
