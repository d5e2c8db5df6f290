// A subject under test: limits with their states, as the module holds them; and short ways to write both down.
#ifndef RATELIMIT_TESTS_CORE_SUBJECT_H
#define RATELIMIT_TESTS_CORE_SUBJECT_H

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <ostream>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "ratelimit/limits.h"

namespace ratelimit {

inline bool operator==(const Decision& a, const Decision& b) {
  const auto all = [](const Decision& d) {
    return std::tuple(d.outcome, d.granted, d.size, d.remaining, d.wait, d.reset);
  };
  return all(a) == all(b);
}

// How GoogleTest prints them.
inline void PrintTo(Units units, std::ostream* out) { *out << units.count(); }
inline void PrintTo(const Decision& d, std::ostream* out) {
  *out << (d.outcome == Outcome::granted  ? "granted"
           : d.outcome == Outcome::denied ? "denied"
                                          : "never")
       << " granted " << d.granted.count() << " size " << d.size.count() << " remaining " << d.remaining.count()
       << " wait " << d.wait.count() << " ns reset " << d.reset.count() << " ns";
}
inline void PrintTo(const LimitSpec& spec, std::ostream* out) {
  *out << keyword(spec.algorithm) << ' ' << spec.size.count() << ' ';
  if (spec.algorithm == Algorithm::token_bucket) *out << spec.refill.count() << ' ';
  *out << spec.span.count() << "ns" << (spec.aligned ? " ALIGNED" : "") << (spec.per_request ? " PER REQUEST" : "");
  if (!spec.label.empty()) *out << " AS " << spec.label;
}

}  // namespace ratelimit

namespace ratelimit::tests {

using namespace std::chrono_literals;

/// 2024-02-29 00:00 UTC: a Thursday, on the grid of every window up to a day.
inline constexpr Instant kToday{std::chrono::sys_days{std::chrono::year{2024} / 2 / 29}};

inline LimitSpec bucket(std::int64_t capacity, std::int64_t refill, Span period, std::string_view label = {}) {
  LimitSpec spec;
  spec.algorithm = Algorithm::token_bucket;
  spec.size = Units(capacity);
  spec.refill = Units(refill);
  spec.span = period;
  spec.label = label;
  return spec;
}
inline LimitSpec fixed(std::int64_t limit, Span window, std::string_view label = {}) {
  LimitSpec spec;
  spec.algorithm = Algorithm::fixed_window;
  spec.size = Units(limit);
  spec.span = window;
  spec.label = label;
  return spec;
}
inline LimitSpec aligned(std::int64_t limit, Span window, std::string_view label = {}) {
  LimitSpec spec = fixed(limit, window, label);
  spec.aligned = true;
  return spec;
}
inline LimitSpec sliding(std::int64_t limit, Span window, std::string_view label = {}) {
  LimitSpec spec = fixed(limit, window, label);
  spec.algorithm = Algorithm::sliding_log;
  return spec;
}
inline LimitSpec per_request(LimitSpec spec) {
  spec.per_request = true;
  return spec;
}

/// Limits and the states of one subject.
class Subject {
 public:
  explicit Subject(Limits limits) : limits_(std::make_unique<Limits>(std::move(limits))) {
    construct_idle(*limits_, cells());
  }
  /// `specs` must be valid.
  explicit Subject(const std::vector<LimitSpec>& specs) : Subject(Limits::make(specs).value()) {}
  explicit Subject(const LimitSpec& spec) : Subject(std::vector{spec}) {}
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;
  ~Subject() { destroy(*limits_, cells()); }

  [[nodiscard]] const Limits& limits() const { return *limits_; }
  [[nodiscard]] std::span<Cell> cells() { return std::span(cells_).first(limits_->size()); }
  [[nodiscard]] std::span<const Cell> cells() const { return std::span(cells_).first(limits_->size()); }

  /// What a call would be answered; takes nothing.
  [[nodiscard]] Verdict verdict(Units cost, Instant now) const { return decide(*limits_, cells(), cost, now); }
  [[nodiscard]] Decision peek(Units cost, Instant now) const { return verdict(cost, now).decision; }

  /// A whole call: decide, and if granted charge.
  Decision check(Units cost, Instant now) {
    const Verdict verdict = this->verdict(cost, now);
    if (verdict.decision.outcome == Outcome::granted) apply(*limits_, cells(), verdict);
    return verdict.decision;
  }
  Decision check(std::int64_t cost, Instant now) { return check(Units(cost), now); }

  [[nodiscard]] Units used(std::size_t i, Instant now) const {
    return (*limits_)[i].visit(
        [&](const auto& algorithm) { return algorithm.used(state_in(cells_[i], algorithm), now); });
  }
  [[nodiscard]] Instant idle_at(std::size_t i) const {
    return (*limits_)[i].visit(
        [&](const auto& algorithm) { return algorithm.idle_at(state_in(cells_[i], algorithm)); });
  }

  /// As if so many units were just used under limit `i` alone.
  void use(std::size_t i, Units used, Instant now) {
    (*limits_)[i].visit(
        [&](const auto& algorithm) { state_in(cells_[i], algorithm) = algorithm.with_used(used, now); });
  }
  void clamp(Instant now) { ratelimit::clamp(*limits_, cells(), now); }

  /// Goes on under other limits, which must be valid.
  void change(const std::vector<LimitSpec>& specs, Instant now) {
    auto limits = std::make_unique<Limits>(Limits::make(specs).value());
    std::array<Cell, kMaxLimits> made;
    const auto next = std::span(made).first(limits->size());
    construct_idle(*limits, next);
    CarriedStates(*limits_, cells(), *limits, now).move_into(next);
    destroy(*limits_, cells());
    limits_ = std::move(limits);
    cells_ = made;  // Cells are moved by their bytes: whoever holds them says what is in them.
  }

 private:
  std::unique_ptr<Limits> limits_;
  std::array<Cell, kMaxLimits> cells_;
};

}  // namespace ratelimit::tests

#endif  // RATELIMIT_TESTS_CORE_SUBJECT_H
