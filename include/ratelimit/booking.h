// SPDX-License-Identifier: MIT
// How operations change a subject: what is charged and given back is booked on all its accounts, each by its own rule.
// Depends on operations, on limits and their states, and on reservations.
#ifndef RATELIMIT_BOOKING_H
#define RATELIMIT_BOOKING_H

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ratelimit/algorithms/lease_set.h"
#include "ratelimit/any_algorithm.h"
#include "ratelimit/block.h"
#include "ratelimit/decision.h"
#include "ratelimit/limits.h"
#include "ratelimit/operation.h"
#include "ratelimit/reservations.h"
#include "ratelimit/states.h"
#include "ratelimit/units.h"

namespace ratelimit {

/// The accounts and reservations of one subject, all borrowed.
class Booking {
 public:
  /// `last_grants` is empty while the subject is asked under one list of limits.
  Booking(const Limits& limits, std::span<Cell> cells, Reservations& reservations, std::span<Instant> last_grants = {})
      : limits_(limits), cells_(cells), reservations_(reservations), last_grants_(last_grants) {}

  /// Carries an operation out. Returns whether there was a hold or a lease with its id; only reserve, settle and
  /// release look for one. O(limits * log n); first gives back the units of some holds that have ended.
  bool perform(const Operation& operation) {
    collect(operation.at);
    const bool found = dispatch(operation);
    reservations_.as_of = operation.at;
    reservations_.compact();
    return found;
  }

  /// Charges each account by force so many units, which were used elsewhere. Of an account that counts requests they
  /// are requests. Holds that have ended give their units back first. O(limits * log n).
  void add_used(const std::array<Units, kMaxLimits>& used, Instant now) {
    collect(now);
    const Instant at = reservations_.turn.or_later(now);
    Charges charges = same_for_all(*std::max_element(used.begin(), used.end()));
    for (std::size_t i = 0; i < limits_.size(); ++i) {
      charges[i] = used[i];
      if (used[i] > kNoUnits) charge_one(i, used[i], {}, at, Time::now);
    }
    reservations_.count_charged(charges);
    reservations_.as_of = now;
    reservations_.compact();
  }

 private:
  bool dispatch(const Operation& operation) {
    switch (operation.kind) {
      case Operation::Kind::collect: return false;
      case Operation::Kind::charge: return charge(operation), false;
      case Operation::Kind::refund: return refund(operation), false;
      case Operation::Kind::reserve: return reserve(operation);
      case Operation::Kind::settle: return settle(operation);
      case Operation::Kind::release: return release(operation.id, operation.at);
      case Operation::Kind::block: reservations_.block = Block::from(operation.at, operation.span); return false;
    }
    return false;
  }

  /// Each hold that has ended gives its units back.
  void collect(Instant now) {
    const Instant last = std::min(reservations_.as_of, now);
    std::size_t left = reservations_.any_hold_ended(now) ? reservations_.collected_at_once() : 0;
    for (; left > 0 && reservations_.any_hold_ended(now); --left) {
      const std::string id(reservations_.holds.first_id());
      end_hold(id, reservations_.holds.first(), last);
    }
    if (reservations_.turn.at <= now) reservations_.turn = {};
    if (reservations_.block.end <= now) reservations_.block = {};
  }

  /// A hold gives its units back as of its end. If it was left over by an earlier operation, that of the instant `last`,
  /// it does so as of that operation.
  void end_hold(std::string_view id, const LeaseSet::Holder& hold, Instant last) {
    if (!Hold::is_settled(hold)) give_back_hold(hold, {}, std::max(hold.end, last));
    reservations_.end_hold(id);
  }

  // ---- Charging

  /// Whether units are charged as of now, or as of a turn that lies ahead.
  enum class Time : bool { now, ahead };

  void charge(const Operation& operation) {
    const Instant at = operation.at + operation.span;
    const Time time = operation.span == Span{} ? Time::now : Time::ahead;
    if (time == Time::ahead) forget_leases_ended(operation.at);
    const Charges costs = costs_of(operation);
    charge_all(costs, operation, at, time);
    reservations_.count_charged(costs);
    if (time == Time::ahead) reservations_.turn = {at, operation.span};
  }

  /// What the call costs each account.
  [[nodiscard]] static Charges costs_of(const Operation& operation) {
    return operation.each ? *operation.each : same_for_all(operation.units);
  }

  /// If there is such a hold, it is charged what it lacks and lasts longer, and so does the lease of its call if that
  /// has not ended. A hold of that id that has ended, and was left over because too many had, ends first.
  bool reserve(const Operation& operation) {
    const std::optional<LeaseSet::Holder> any = reservations_.holds.find(operation.id);
    if (any && any->end <= operation.at) end_hold(operation.id, *any, std::min(reservations_.as_of, operation.at));
    const std::optional<LeaseSet::Holder> hold = reservations_.live_hold(operation.id, operation.at);
    if (hold && Hold::is_settled(*hold)) return true;
    const Charges charges = charges_of(operation);
    if (hold) {
      extend(operation, *hold, charges);
    } else {
      charge_all(charges, operation, operation.at, Time::now);
      reservations_.count_charged(charges);
      reservations_.add_hold(operation.id, operation.at + operation.span, operation.named, charges);
    }
    return hold.has_value();
  }

  void extend(const Operation& operation, const LeaseSet::Holder& hold, const Charges& charges) {
    const Instant at = reservations_.turn.or_later(operation.at);
    Charges costs{};
    if (lacks_some(operation, hold, charges)) {
      Charges more{};
      for (std::size_t i = 0; i < more.size(); ++i) {
        more[i] = std::max(charges[i] - reservations_.charged_by(hold, i), kNoUnits);
      }
      costs = costs_of_more(hold, more);
      charge_some(
          costs, {}, at, [](const Limit& limit, std::size_t) { return !limit.has_leases(); }, Time::now);
      reservations_.grow_hold(operation.id, operation.named, more);
    }
    LeaseSet::Holder longer = *reservations_.holds.find(operation.id);
    longer.end = operation.at + operation.span;
    reservations_.holds.put(operation.id, longer);
    note_grant(operation);
    extend_leases(operation, costs, at);
  }

  /// What the accounts are charged for `more` units of a hold. A limit that counts requests was charged when the hold
  /// was taken, unless the hold was of nothing.
  [[nodiscard]] Charges costs_of_more(const LeaseSet::Holder& hold, Charges more) const {
    for (std::size_t i = 0; i < limits_.size(); ++i) {
      if (limits_[i].is_per_request() && reservations_.charged_by(hold, i) > kNoUnits) more[i] = kNoUnits;
    }
    return more;
  }

  /// Whether an estimate is larger than what a hold has charged some limit of the call.
  [[nodiscard]] bool lacks_some(const Operation& operation, const LeaseSet::Holder& hold,
                                const Charges& charges) const {
    for (std::size_t i = 0; i < limits_.size(); ++i) {
      if (contains(operation.named, i) && limits_[i].lacking(charges[i], reservations_.charged_by(hold, i)) > kNoUnits)
        return true;
    }
    return false;
  }

  /// What each account is charged for an estimate: the limits that the call names no more than their size, and the
  /// others no more than the most that one of these is charged. A limit that counts requests is charged one of them, also
  /// if all others are charged nothing.
  [[nodiscard]] Charges charges_of(const Operation& operation) const {
    Charges charges = costs_of(operation);
    const auto is_cut = [&](std::size_t i) { return contains(operation.named, i) && !limits_[i].is_per_request(); };
    std::optional<Units> most;
    for (std::size_t i = 0; i < limits_.size(); ++i) {
      if (!is_cut(i)) continue;
      charges[i] = std::min(charges[i], limits_[i].size());
      most = std::max(most, std::optional(charges[i]));
    }
    if (!most) return charges;
    for (std::size_t i = 0; i < charges.size(); ++i) {
      const bool is_of_requests = i < limits_.size() && limits_[i].is_per_request();
      charges[i] = std::min(charges[i], is_of_requests ? std::max(*most, kMinUnits) : *most);
    }
    return charges;
  }

  /// Charges all accounts. Leases are booked on accounts with leases only, and nothing else is booked there.
  void charge_all(const Charges& costs, const Operation& operation, Instant at, Time time) {
    charge_some(
        costs, operation.id, at,
        [&](const Limit& limit, std::size_t i) { return !limit.has_leases() || contains(operation.named, i); }, time);
    if (limits_.have_leases()) book_leases(costs, operation, at);
    note_grant(operation);
  }

  /// Charges each account for which `which` is true, whatever is left.
  template <class Which>
  void charge_some(const Charges& costs, std::string_view id, Instant at, Which which, Time time) {
    for (std::size_t i = 0; i < limits_.size(); ++i) {
      const Units cost = limits_[i].cost_of(costs[i]);
      if (cost > kNoUnits && which(limits_[i], i)) charge_one(i, cost, id, at, time);
    }
  }

  /// Charges an account, whatever is left: into debt. A set of leases that is full is not charged.
  void charge_one(std::size_t i, Units cost, std::string_view id, Instant at, Time time) {
    limits_[i].visit([&](const auto& algorithm) {
      auto& state = state_in(cells_[i], algorithm);
      const auto step = algorithm.decide(state, Ask{cost, id, true}, at);
      if (step.decision.outcome != Outcome::granted) {
        if constexpr (requires { algorithm.absorb(state, cost, at); }) algorithm.absorb(state, cost, at);
        return;
      }
      if constexpr (requires { algorithm.apply_ahead(state, step.change, id); }) {
        if (time == Time::ahead) return algorithm.apply_ahead(state, step.change, id);
      }
      algorithm.apply(state, step.change, id);
    });
  }

  /// Books the lease of a call on the accounts with leases that it does not name. It ends when it ends under a limit
  /// that the call names.
  void book_leases(const Charges& costs, const Operation& operation, Instant at) {
    const Instant end = lease_end(operation);
    if (end <= at) return;
    for_each_with_leases([&](const auto& algorithm, auto& state, std::size_t i) {
      const Units cost = limits_[i].cost_of(costs[i]);
      if (contains(operation.named, i) || cost == kNoUnits) return;
      algorithm.forget_ended(state, operation.at);
      put_lease(algorithm, state, operation.id, cost, at, end);
    });
  }

  /// When the lease of a call ends, under those of its limits that have leases.
  [[nodiscard]] Instant lease_end(const Operation& operation) {
    Instant end{};
    for_each_with_leases([&](const auto&, const auto& state, std::size_t i) {
      if (!contains(operation.named, i) || state.leases() == nullptr) return;
      const auto lease = state.leases()->find(operation.id);
      if (lease) end = std::max(end, lease->end);
    });
    return end;
  }

  /// Books a lease that ends at `end`, if there is room.
  template <class A>
  static void put_lease(const A& algorithm, typename A::State& state, std::string_view id, Units cost, Instant at,
                        Instant end) {
    const auto step = algorithm.decide(state, Ask{cost, id, true}, at);
    if (step.decision.outcome == Outcome::granted) A::put(state, id, step.change.cost, at, end);
  }

  void note_grant(const Operation& operation) {
    for (std::size_t i = 0; i < last_grants_.size(); ++i) {
      if (contains(operation.named, i)) last_grants_[i] = operation.at;
    }
  }

  // ---- Leases

  /// Calls `visit(algorithm, state, place)` for each account that has leases.
  template <class Visit>
  void for_each_with_leases(Visit visit) {
    for (std::size_t i = 0; i < limits_.size(); ++i) {
      limits_[i].visit([&]<class A>(const A& algorithm) {
        if constexpr (HasLeases<A>) visit(algorithm, state_in(cells_[i], algorithm), i);
      });
    }
  }

  void forget_leases_ended(Instant now) {
    for_each_with_leases(
        [now](const auto& algorithm, auto& state, std::size_t) { algorithm.forget_ended(state, now); });
  }

  /// Renews the leases of a hold, with `more` units. If a lease has ended, the `more` units are a new one. `at` is the
  /// turn of a call that waits, if there is one: a lease that ends before that turn counts as ended.
  void extend_leases(const Operation& operation, const Charges& more, Instant at) {
    for (const bool of_named : {true, false}) {
      const Instant end = of_named ? Instant{} : lease_end(operation);
      if (!of_named && end <= at) return;  // the call has no lease
      for_each_with_leases([&](const auto& algorithm, auto& state, std::size_t i) {
        if (contains(operation.named, i) != of_named) return;
        const Units cost = limits_[i].cost_of(more[i]);
        const Instant own_end = of_named ? at + algorithm.lease() : end;
        if (algorithm.has_lease(state, operation.id, at))
          return algorithm.extend(state, operation.id, cost, at, own_end);
        if (cost > kNoUnits) put_lease(algorithm, state, operation.id, cost, at, own_end);
      });
    }
  }

  bool release(std::string_view id, Instant at) {
    bool found = false;
    for_each_with_leases(
        [&](const auto& algorithm, auto& state, std::size_t) { found |= algorithm.release(state, id, at); });
    return found;
  }

  // ---- Giving back

  /// Limits that count requests were charged when the hold was taken, and are not charged again. The lease of the call
  /// ends. The id stays, settled, until its time is over.
  bool settle(const Operation& operation) {
    const std::optional<LeaseSet::Holder> hold = reservations_.live_hold(operation.id, operation.at);
    if (hold && Hold::is_settled(*hold)) return true;
    release(operation.id, operation.at);
    const Instant at = reservations_.turn.or_later(operation.at);
    const Charges costs = costs_of(operation);
    if (!hold) {
      charge_some(costs, {}, at, counts_units, Time::now);
      reservations_.count_charged(costs);
      return false;
    }
    Charges missing{};
    Charges given_back{};
    for (std::size_t i = 0; i < costs.size(); ++i) {
      const Units charged = reservations_.charged_by(*hold, i);
      missing[i] = std::max(costs[i] - charged, kNoUnits);
      given_back[i] = std::max(charged - costs[i], kNoUnits);
    }
    charge_some(missing, {}, at, counts_units, Time::now);
    give_back_hold(*hold, costs, operation.at);
    reservations_.settle_hold(operation.id, operation.units, given_back, missing);
    return true;
  }

  void refund(const Operation& operation) {
    for (std::size_t i = 0; i < limits_.size(); ++i) give_back(i, operation.units, kNoUnits, operation.at);
    reservations_.forget_newest_charged(operation.units);
  }

  /// Gives back what a hold has charged each account beyond its cost.
  void give_back_hold(const LeaseSet::Holder& hold, const Charges& costs, Instant now) {
    for (std::size_t i = 0; i < limits_.size(); ++i) {
      give_back(i, reservations_.charged_by(hold, i) - costs[i], reservations_.charged_after(hold, i), now);
    }
  }

  /// A limit that counts requests gives nothing back: the request was made.
  void give_back(std::size_t i, Units units, Units newer, Instant now) {
    if (units <= kNoUnits || limits_[i].is_per_request()) return;
    const Instant at = reservations_.turn.or_later(now);
    limits_[i].visit(
        [&](const auto& algorithm) { algorithm.give_back(state_in(cells_[i], algorithm), units, newer, at); });
  }

  static bool counts_units(const Limit& limit, std::size_t) { return !limit.has_leases() && !limit.is_per_request(); }

  const Limits& limits_;
  std::span<Cell> cells_;
  Reservations& reservations_;
  std::span<Instant> last_grants_;
};

/// For each account, the units that a refund can give back at most. None where units are requests, or are held.
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

#endif  // RATELIMIT_BOOKING_H
