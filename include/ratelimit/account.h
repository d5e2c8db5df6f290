// SPDX-License-Identifier: MIT
// One subject with its states and reservations, and how operations change it. Depends on operations, on limits and
// their states, and on reservations.
#ifndef RATELIMIT_ACCOUNT_H
#define RATELIMIT_ACCOUNT_H

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "ratelimit/algorithms/lease_set.h"
#include "ratelimit/any_algorithm.h"
#include "ratelimit/decision.h"
#include "ratelimit/limits.h"
#include "ratelimit/operation.h"
#include "ratelimit/reservations.h"
#include "ratelimit/states.h"
#include "ratelimit/units.h"

namespace ratelimit {

/// The limits, states and reservations of one subject, all borrowed.
class Account {
 public:
  Account(const Limits& limits, std::span<Cell> cells, Reservations& reservations)
      : limits_(limits), cells_(cells), reservations_(reservations) {}

  /// Carries an operation out. Returns whether there was a hold or a lease with its id; only reserve, settle and
  /// release look for one. O(limits * log n); gives back the units of at most kCollectedAtOnce holds that have ended.
  bool perform(const Operation& operation) {
    collect(operation.at);
    const bool found = dispatch(operation);
    reservations_.as_of = operation.at;
    reservations_.compact();
    return found;
  }

 private:
  // Holds beyond that number still count until the next operation. This takes some microseconds; two milliseconds at
  // most, if there are kMaxHolders holds that end in another order than they were taken.
  static constexpr int kCollectedAtOnce = 64;

  bool dispatch(const Operation& operation) {
    switch (operation.kind) {
      case Operation::Kind::collect: return false;
      case Operation::Kind::charge: return charge_at(operation), false;
      case Operation::Kind::refund: return refund(operation), false;
      case Operation::Kind::reserve: return reserve(operation);
      case Operation::Kind::settle: return settle(operation);
      case Operation::Kind::release: return release(operation.id, operation.at);
    }
    return false;
  }

  /// Each hold that has ended gives its units back as of its end. If it was left over by an earlier operation, it does
  /// so as of that operation.
  void collect(Instant now) {
    const Instant last = std::min(reservations_.as_of, now);
    for (int i = 0; i < kCollectedAtOnce && reservations_.any_hold_ended(now); ++i) {
      const LeaseSet::Holder hold = reservations_.holds.first();
      give_back(hold.units, reservations_.charged_after(hold), std::max(hold.end, last));
      reservations_.holds.forget_ended(hold.end, 1);
      reservations_.forget_charged(hold, hold.units);
    }
    if (reservations_.turn.at <= now) reservations_.turn = {};
  }

  void charge_at(const Operation& operation) {
    const Instant at = operation.at + operation.span;
    if (operation.span == Span{}) return charge_units(operation.units, operation.id, at);
    forget_leases_ended(operation.at);
    charge_units(operation.units, operation.id, at, all, Time::ahead);
    reservations_.turn = {at, operation.span};
  }

  /// If there is such a hold, it is prolonged, and so is the lease of its call if that has not ended.
  bool reserve(const Operation& operation) {
    const std::optional<LeaseSet::Holder> hold = live_hold(operation.id, operation.at);
    LeaseSet::Holder holder{.end = operation.at + operation.span, .units = operation.units};
    if (hold) {
      holder = {.end = holder.end, .units = hold->units, .mark = hold->mark};
      renew_leases(hold->units, operation.id, reservations_.turn.or_later(operation.at));
    } else {
      charge_units(operation.units, operation.id, operation.at);
      holder.mark = reservations_.charged;
    }
    reservations_.holds.put(operation.id, holder);
    return hold.has_value();
  }

  /// Calls `visit(algorithm, state, limit)` for each limit that has leases.
  template <class Visit>
  void for_each_with_leases(Visit visit) {
    for (std::size_t i = 0; i < limits_.size(); ++i) {
      limits_[i].visit([&]<class A>(const A& algorithm) {
        if constexpr (HasLeases<A>) visit(algorithm, state_in(cells_[i], algorithm), limits_[i]);
      });
    }
  }

  void forget_leases_ended(Instant now) {
    for_each_with_leases(
        [now](const auto& algorithm, auto& state, const Limit&) { algorithm.forget_ended(state, now); });
  }

  /// `at` is the turn of a call that waits, if there is one: a lease that ends before that turn is not renewed.
  void renew_leases(Units units, std::string_view id, Instant at) {
    for_each_with_leases([&](const auto& algorithm, auto& state, const Limit& limit) {
      if (!algorithm.has_lease(state, id, at)) return;
      const auto step = algorithm.decide(state, Ask{limit.cost_of(units), id, true}, at);
      if (step.decision.outcome == Outcome::granted) algorithm.apply_ahead(state, step.change, id);
    });
  }

  /// Limits that count requests were charged when the hold was taken, and are not charged again. The lease of the call
  /// ends.
  bool settle(const Operation& operation) {
    const std::optional<LeaseSet::Holder> hold = live_hold(operation.id, operation.at);
    release(operation.id, operation.at);
    const Instant at = reservations_.turn.or_later(operation.at);
    if (!hold) {
      charge_units(operation.units, {}, at, [](const Limit& limit) { return !limit.has_leases(); });
      return false;
    }
    reservations_.holds.erase(operation.id);
    if (operation.units > hold->units) {
      charge_units(operation.units - hold->units, {}, at,
                   [](const Limit& limit) { return !limit.has_leases() && !limit.is_per_request(); });
    } else {
      const Units too_much = hold->units - operation.units;
      give_back(too_much, reservations_.charged_after(*hold), operation.at);
      reservations_.forget_charged(*hold, too_much);
    }
    return true;
  }

  void refund(const Operation& operation) {
    give_back(operation.units, kNoUnits, operation.at);
    reservations_.forget_newest_charged(operation.units);
  }

  bool release(std::string_view id, Instant at) {
    bool found = false;
    for_each_with_leases(
        [&](const auto& algorithm, auto& state, const Limit&) { found |= algorithm.release(state, id, at); });
    return found;
  }

  [[nodiscard]] std::optional<LeaseSet::Holder> live_hold(std::string_view id, Instant now) const {
    const std::optional<LeaseSet::Holder> hold = reservations_.holds.find(id);
    return hold && hold->end > now ? hold : std::nullopt;
  }

  static bool all(const Limit&) { return true; }

  /// Whether units are charged as of now, or as of a turn that lies ahead.
  enum class Time : bool { now, ahead };

  template <class Which = bool (*)(const Limit&)>
  void charge_units(Units units, std::string_view id, Instant at, Which which = all, Time time = Time::now) {
    charge_some(units, id, at, which, time);
    reservations_.charged += static_cast<std::uint64_t>(units.count());
  }

  /// Charges each limit for which `which` is true, whatever is left: into debt. A log or a set of leases that is full
  /// is not charged.
  template <class Which>
  void charge_some(Units units, std::string_view id, Instant at, Which which, Time time) {
    if (units == kNoUnits) return;
    for (std::size_t i = 0; i < limits_.size(); ++i) {
      const Limit& limit = limits_[i];
      if (!which(limit)) continue;
      limit.visit([&](const auto& algorithm) {
        auto& state = state_in(cells_[i], algorithm);
        const auto step = algorithm.decide(state, Ask{limit.cost_of(units), id, true}, at);
        if (step.decision.outcome != Outcome::granted) return;
        if constexpr (requires { algorithm.apply_ahead(state, step.change, id); }) {
          if (time == Time::ahead) return algorithm.apply_ahead(state, step.change, id);
        }
        algorithm.apply(state, step.change, id);
      });
    }
  }

  /// A limit that counts requests gives nothing back: the request was made.
  void give_back(Units units, Units newer, Instant now) {
    const Instant at = reservations_.turn.or_later(now);
    for (std::size_t i = 0; i < limits_.size(); ++i) {
      if (limits_[i].is_per_request()) continue;
      limits_[i].visit(
          [&](const auto& algorithm) { algorithm.give_back(state_in(cells_[i], algorithm), units, newer, at); });
    }
  }

  const Limits& limits_;
  std::span<Cell> cells_;
  Reservations& reservations_;
};

/// For each limit, the units that a refund can give back at most. None where units are requests, or are held.
template <class Cells>
[[nodiscard]] std::array<Units, kMaxLimits> refundable(const Limits& limits, const Cells& cells, Instant at) {
  std::array<Units, kMaxLimits> used{};
  for (std::size_t i = 0; i < limits.size(); ++i) {
    if (limits[i].is_per_request() || limits[i].has_leases()) continue;
    used[i] = limits[i].visit([&](const auto& algorithm) { return algorithm.used(state_in(cells[i], algorithm), at); });
  }
  return used;
}

}  // namespace ratelimit

#endif  // RATELIMIT_ACCOUNT_H
