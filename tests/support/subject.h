// SPDX-License-Identifier: MIT
// A subject under test: limits, states and reservations, as the module holds and changes them; and short ways to write
// them down.
#ifndef RATELIMIT_TESTS_CORE_SUBJECT_H
#define RATELIMIT_TESTS_CORE_SUBJECT_H

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "ratelimit/account.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/any_algorithm.h"
#include "ratelimit/carried_states.h"
#include "ratelimit/holds.h"
#include "ratelimit/limits.h"
#include "ratelimit/operation.h"
#include "ratelimit/request.h"
#include "ratelimit/reservations.h"
#include "ratelimit/states.h"
#include "ratelimit/turn.h"
#include "ratelimit/verdict.h"

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
  if (is_bucket(spec.algorithm)) *out << spec.refill.count() << ' ';
  if (spec.algorithm == Algorithm::quota) {
    *out << keyword(spec.unit) << (spec.zone.empty() ? "" : " TZ ") << spec.zone;
  } else {
    *out << spec.span.count() << "ns";
  }
  if (spec.algorithm == Algorithm::sliding_window_counter) *out << " APPROX";
  *out << (spec.aligned ? " ALIGNED" : "") << (spec.per_request ? " PER REQUEST" : "");
  if (!spec.label.empty()) *out << " AS " << spec.label;
}
inline void PrintTo(const Request& request, std::ostream* out) {
  *out << "COST " << request.cost.count();
  switch (request.mode) {
    case Mode::whole: break;
    case Mode::partial: *out << " PARTIAL"; break;
    case Mode::force: *out << " FORCE"; break;
    case Mode::may_wait: *out << " MAXWAIT " << request.longest_wait.count() << "ns"; break;
  }
  if (!request.id.empty()) *out << " ID " << request.id;
}
inline void PrintTo(const Operation& operation, std::ostream* out) {
  constexpr std::array<std::string_view, 7> kNames = {"",        "collect", "charge", "refund",
                                                      "reserve", "settle",  "release"};
  *out << kNames.at(static_cast<std::size_t>(operation.kind)) << ' ' << operation.units.count() << " span "
       << operation.span.count() << "ns id " << operation.id;
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
  spec.algorithm = Algorithm::sliding_window_log;
  return spec;
}
inline LimitSpec approx(std::int64_t limit, Span window, std::string_view label = {}) {
  LimitSpec spec = fixed(limit, window, label);
  spec.algorithm = Algorithm::sliding_window_counter;
  return spec;
}
inline LimitSpec leaky(std::int64_t capacity, std::int64_t leak, Span period, std::string_view label = {}) {
  LimitSpec spec = bucket(capacity, leak, period, label);
  spec.algorithm = Algorithm::leaky_bucket;
  return spec;
}
inline LimitSpec concurrent(std::int64_t limit, Span lease, std::string_view label = {}) {
  LimitSpec spec = fixed(limit, lease, label);
  spec.algorithm = Algorithm::concurrent;
  return spec;
}
inline LimitSpec quota(std::int64_t limit, CalendarUnit unit, std::string_view label = {}) {
  LimitSpec spec;
  spec.algorithm = Algorithm::quota;
  spec.size = Units(limit);
  spec.unit = unit;
  spec.label = label;
  return spec;
}
inline LimitSpec per_request(LimitSpec spec) {
  spec.per_request = true;
  return spec;
}

/// A zone whose clock is always as far ahead of UTC.
class SteadyZone final : public Zone {
 public:
  explicit SteadyZone(Span offset) : offset_(offset) {}

  [[nodiscard]] Span offset_at(Instant) const override { return offset_; }
  [[nodiscard]] Instant begin_of(std::chrono::local_days day) const override {
    return Instant{day.time_since_epoch() - offset_};
  }

 private:
  Span offset_;
};

inline const SteadyZone kKathmandu{5h + 45min};
inline const SteadyZone kNewfoundland{-3h - 30min};

inline LimitSpec in_zone(LimitSpec spec, const Zone& zone) {
  spec.zone = &zone == &kKathmandu ? "Kathmandu" : "Newfoundland";
  spec.rules = &zone;
  return spec;
}

/// About how long a limit remembers.
inline Span scale_of(const LimitSpec& spec) {
  switch (spec.unit) {
    case CalendarUnit::hour: return 1h;
    case CalendarUnit::day: return 24h;
    case CalendarUnit::week: return 7 * 24h;
    case CalendarUnit::month: return 31 * 24h;
    case CalendarUnit::year: return 366 * 24h;
  }
  return spec.span;
}

/// Limits, states and reservations of one subject.
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
  [[nodiscard]] const Reservations& reservations() const { return reservations_; }
  [[nodiscard]] const Turn& turn() const { return reservations_.turn; }

  /// What a call would be answered; takes nothing, and knows nothing of holds that have ended.
  [[nodiscard]] Verdict verdict(const Request& request, Instant now) const {
    return decide(*limits_, cells(), turn(), request, now);
  }
  [[nodiscard]] Verdict verdict(Units cost, Instant now) const { return verdict(Request{.cost = cost}, now); }
  [[nodiscard]] Decision peek(const Request& request, Instant now) const { return verdict(request, now).decision; }
  [[nodiscard]] Decision peek(Units cost, Instant now) const { return verdict(cost, now).decision; }

  /// A whole call: collect, decide, and if granted charge.
  Decision check(const Request& request, Instant now) {
    collect(now);
    const Verdict verdict = this->verdict(request, now);
    if (verdict.decision.outcome == Outcome::granted) commit(verdict, now);
    return verdict.decision;
  }
  Decision check(Units cost, Instant now) { return check(Request{.cost = cost}, now); }
  Decision check(std::int64_t cost, Instant now) { return check(Units(cost), now); }

  /// Carries out a granted verdict. A lease without an id gets one that nobody has.
  void commit(Verdict verdict, Instant now) {
    const std::string id = fresh_id();
    if (verdict.id.empty() && limits_->have_leases()) verdict.id = id;
    if (verdict.turn == Span{} && !has_reserved_) return apply(*limits_, cells(), verdict);
    perform({.kind = Operation::Kind::charge,
             .at = now,
             .units = verdict.decision.granted,
             .span = verdict.turn,
             .id = verdict.id});
  }

  /// Does an operation. Returns what Account::perform does.
  bool perform(const Operation& operation) {
    has_reserved_ |= operation.kind == Operation::Kind::reserve || operation.span > Span{};
    return Account(*limits_, cells(), reservations_).perform(operation);
  }

  void collect(Instant now) {
    if (reservations_.any_hold_ended(now)) perform({.kind = Operation::Kind::collect, .at = now});
  }

  Decision reserve(std::string_view id, std::int64_t estimate, Span ttl, Instant now) {
    collect(now);
    const Verdict verdict =
        decide_reservation(*limits_, cells(), reservations_, {.cost = Units(estimate), .id = id}, now);
    const std::string fresh = fresh_id();
    if (verdict.decision.outcome == Outcome::granted) {
      perform({.kind = Operation::Kind::reserve,
               .at = now,
               .units = verdict.decision.granted,
               .span = ttl,
               .id = id.empty() ? fresh : id});
    }
    return verdict.decision;
  }

  /// Whether there was such a hold. `status` says what is left then.
  bool settle(std::string_view id, std::int64_t actual, Instant now) {
    return perform({.kind = Operation::Kind::settle, .at = now, .units = Units(actual), .id = id});
  }
  [[nodiscard]] Decision status(Instant now) const { return status_at_turn(*limits_, cells(), turn(), now).decision; }

  /// Units that came back: the most of one limit.
  Units refund(std::int64_t units, Instant now) {
    collect(now);
    const Instant at = turn().or_later(now);
    const auto before = refundable(*limits_, cells(), at);
    perform({.kind = Operation::Kind::refund, .at = now, .units = Units(units)});
    const auto after = refundable(*limits_, cells(), at);
    Units most;
    for (std::size_t i = 0; i < limits_->size(); ++i) most = std::max(most, before[i] - after[i]);
    return most;
  }

  bool release(std::string_view id, Instant now) {
    collect(now);
    const bool found = has_lease(*limits_, cells(), id, now);
    if (found) perform({.kind = Operation::Kind::release, .at = now, .id = id});
    return found;
  }

  [[nodiscard]] Units used(std::size_t i, Instant now) const {
    return (*limits_)[i].visit(
        [&](const auto& algorithm) { return algorithm.used(state_in(cells_[i], algorithm), now); });
  }
  [[nodiscard]] Instant idle_at(std::size_t i) const {
    return (*limits_)[i].visit(
        [&](const auto& algorithm) { return algorithm.idle_at(state_in(cells_[i], algorithm)); });
  }
  /// When nothing is left that matters.
  [[nodiscard]] Instant idle_at() const {
    return std::max(ratelimit::idle_at(*limits_, cells()), reservations_.idle_at());
  }

  /// As if so many units were just used under limit `i` alone.
  void use(std::size_t i, Units used, Instant now) {
    (*limits_)[i].visit(
        [&](const auto& algorithm) { state_in(cells_[i], algorithm) = algorithm.with_used(used, now); });
  }

  [[nodiscard]] bool is_ahead(Instant now) const {
    return turn().is_ahead(now) || any_is_ahead(*limits_, cells(), turn().or_later(now));
  }
  void clamp(Instant now) {
    reservations_.turn.clamp(now);
    ratelimit::clamp(*limits_, cells(), turn().or_later(now));
  }

  /// Goes on under other limits, which must be valid.
  void change(const std::vector<LimitSpec>& specs, Instant now) {
    auto limits = std::make_unique<Limits>(Limits::make(specs).value());
    std::array<Cell, kMaxLimits> made;
    const auto next = std::span(made).first(limits->size());
    construct_idle(*limits, next);
    CarriedStates(*limits_, cells(), *limits, turn().or_later(now)).move_into(next);
    destroy(*limits_, cells());
    limits_ = std::move(limits);
    cells_ = made;  // Cells are moved by their bytes: whoever holds them says what is in them.
  }

 private:
  [[nodiscard]] std::string fresh_id() { return "made-" + std::to_string(++ids_made_); }

  std::unique_ptr<Limits> limits_;
  std::array<Cell, kMaxLimits> cells_;
  Reservations reservations_;
  bool has_reserved_ = false;  ///< from then on whatever changes the subject is an operation
  std::uint64_t ids_made_ = 0;
};

}  // namespace ratelimit::tests

#endif  // RATELIMIT_TESTS_CORE_SUBJECT_H
