// SPDX-License-Identifier: MIT
// One limit, checked and ready to decide: an algorithm with its numbers, and the label that it was given. Depends on
// the algorithms.
#ifndef RATELIMIT_LIMIT_H
#define RATELIMIT_LIMIT_H

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/any_algorithm.h"
#include "ratelimit/units.h"

namespace ratelimit {

/// A label is 1 to kMaxLabelBytes visible ASCII characters other than `"` and `\`: it needs no quoting anywhere.
[[nodiscard]] constexpr bool is_valid_label(std::string_view label) {
  return !label.empty() && label.size() <= kMaxLabelBytes &&
         std::all_of(label.begin(), label.end(), [](char c) { return c > ' ' && c <= '~' && c != '"' && c != '\\'; });
}

/// One limit, valid by construction.
class Limit {
 public:
  /// None if a number is out of its range, a field is given that the algorithm does not have, or the label is not
  /// valid.
  [[nodiscard]] static std::optional<Limit> make(const LimitSpec& spec) {
    if (!spec.label.empty() && !is_valid_label(spec.label)) return std::nullopt;
    const std::optional<AnyAlgorithm> algorithm = AnyAlgorithm::make(spec);
    if (!algorithm) return std::nullopt;
    return Limit(spec, *algorithm);
  }

  /// The limit as it was written. The label and the zone are borrowed from this object.
  [[nodiscard]] LimitSpec spec() const {
    LimitSpec spec = spec_;
    spec.label = label_;
    spec.zone = zone_;
    return spec;
  }

  /// Whether the limit was written like `spec`. Every call asks this, so nothing is copied.
  [[nodiscard]] bool matches(const LimitSpec& spec) const {
    return spec_.size == spec.size && spec_.span == spec.span && spec_.refill == spec.refill &&
           spec_.algorithm == spec.algorithm && spec_.aligned == spec.aligned &&
           spec_.per_request == spec.per_request && spec_.unit == spec.unit && spec_.anchor == spec.anchor &&
           spec_.rules == spec.rules && are_same(label_, spec.label) && are_same(zone_, spec.zone);
  }

  /// Whether both were written alike.
  friend bool operator==(const Limit& a, const Limit& b) { return a.matches(b.spec()); }

  [[nodiscard]] Units size() const { return spec_.size; }
  [[nodiscard]] Algorithm algorithm() const { return spec_.algorithm; }
  [[nodiscard]] bool is_per_request() const { return spec_.per_request; }
  /// Whether units are held by callers with a lease.
  [[nodiscard]] bool has_leases() const {
    return algorithm_.visit([]<class A>(const A&) { return HasLeases<A>; });
  }
  /// The time that the size is for, as HTTP clients are told: the length of a window, or the time in which an empty
  /// bucket becomes full. None where units are held.
  [[nodiscard]] std::optional<Span> window() const {
    return algorithm_.visit([](const auto& algorithm) { return algorithm.window(); });
  }
  /// How much longer than needed a state may be kept, so that not every call must say anew how long.
  [[nodiscard]] Span slack() const {
    return algorithm_.visit([](const auto& algorithm) { return algorithm.slack(); });
  }
  /// The longest time from full use to idle.
  [[nodiscard]] Span recovery() const {
    return algorithm_.visit([](const auto& algorithm) { return algorithm.recovery(); });
  }
  /// Calls `visit(pointer)` for each allocation behind this object.
  template <class Visit>
  void for_each_piece(Visit visit) const {
    if (is_on_heap(label_)) visit(label_.data());
    if (is_on_heap(zone_)) visit(zone_.data());
  }
  /// Whether the characters of a string have memory of their own.
  [[nodiscard]] static bool is_on_heap(const std::string& string) {
    return string.capacity() > std::string().capacity();
  }

  /// The cost, under this limit, of a call that asks for `asked` units. Asking for nothing costs nothing.
  [[nodiscard]] Units cost_of(Units asked) const { return spec_.per_request ? std::min(asked, kMinUnits) : asked; }

  /// What the limit is still to be charged so that a hold that has charged it `charged` has an estimate.
  [[nodiscard]] Units lacking(Units estimate, Units charged) const {
    return std::max(cost_of(std::min(estimate, size())) - cost_of(charged), kNoUnits);
  }

  /// Calls `visitor` with the algorithm, which has one of the types of `AnyAlgorithm`.
  template <class Visitor>
  decltype(auto) visit(Visitor&& visitor) const {
    return algorithm_.visit(visitor);
  }

 private:
  /// Most labels and zones are empty: then there is nothing to compare, and nothing to call for that.
  [[nodiscard]] static bool are_same(std::string_view a, std::string_view b) {
    return a.size() == b.size() && (a.empty() || a == b);
  }

  Limit(const LimitSpec& spec, const AnyAlgorithm& algorithm)
      : algorithm_(algorithm), spec_(spec), label_(spec.label), zone_(spec.zone) {
    spec_.label = {};
    spec_.zone = {};
  }

  AnyAlgorithm algorithm_;
  LimitSpec spec_;  ///< without its label and zone, which are borrowed: they are copied below
  std::string label_;
  std::string zone_;
};

}  // namespace ratelimit

#endif  // RATELIMIT_LIMIT_H
