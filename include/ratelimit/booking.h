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
    for (int i = 0; i < kCollectedAtOnce && reservations_.any_hold_ended(now); ++i) {
      end_hold(reservations_.holds.first_id(), reservations_.holds.first(), last);
    }
    if (reservations_.turn.at <= now) reservations_.turn = {};
    if (reservations_.block.end <= now) reservations_.block = {};
  }

  /// A hold gives its units back as of its end. If it was left over by an earlier operation, that of the instant `last`,
  /// it does so as of that operation.
  void end_hold(std::string_view id, const LeaseSet::Holder& hold, Instant last) {
    if (!Hold::is_settled(hold)) give_back_hold(id, hold, kNoUnits, std::max(hold.end, last));
    reservations_.forget_charges(id, hold);
    reservations_.holds.erase(id);
    if (!Hold::is_settled(hold)) reservations_.forget_charged(hold, hold.units);
  }

  // ---- Charging

  /// Whether units are charged as of now, or as of a turn that lies ahead.
  enum class Time : bool { now, ahead };

  void charge(const Operation& operation) {
    const Instant at = operation.at + operation.span;
    const Time time = operation.span == Span{} ? Time::now : Time::ahead;
    if (time == Time::ahead) forget_leases_ended(operation.at);
    Charges costs;
    costs.fill(operation.units);
    charge_all(costs, operation, at, time);
    count_charged(operation.units);
    if (time == Time::ahead) reservations_.turn = {at, operation.span};
  }

  /// If there is such a hold, it is charged what it lacks and lasts longer, and so does the lease of its call if that
  /// has not ended. A hold of that id that has ended, and was left over because too many had, ends first.
  bool reserve(const Operation& operation) {
    const std::optional<LeaseSet::Holder> any = reservations_.holds.find(operation.id);
    if (any && any->end <= operation.at) end_hold(operation.id, *any, std::min(reservations_.as_of, operation.at));
    const std::optional<LeaseSet::Holder> hold = reservations_.live_hold(operation.id, operation.at);
    if (hold && Hold::is_settled(*hold)) return true;
    const Charges charges = charges_of(operation.units, operation.named);
    LeaseSet::Holder holder{.end = operation.at + operation.span,
                            .units = *std::max_element(charges.begin(), charges.end())};
    if (hold) {
      extend(operation, *hold, charges, holder);
    } else {
      charge_all(charges, operation, operation.at, Time::now);
      count_charged(holder.units);
      holder.mark = reservations_.charged;
      holder.tag = operation.named;
      remember(operation.id, holder, charges);
    }
    reservations_.holds.put(operation.id, holder);
    return hold.has_value();
  }

  void extend(const Operation& operation, const LeaseSet::Holder& hold, Charges charges, LeaseSet::Holder& holder) {
    const Units most = std::max(holder.units, hold.units);
    holder = {.end = holder.end, .units = hold.units, .mark = hold.mark, .tag = hold.tag};
    const Instant at = reservations_.turn.or_later(operation.at);
    Charges missing{};
    if (lacks_some(operation, hold, charges)) {
      holder.units = most;
      for (std::size_t i = 0; i < limits_.size(); ++i) {
        const Units held = reservations_.charged_by(operation.id, hold, i);
        if (!contains(operation.named, i)) charges[i] = holder.units;
        charges[i] = std::max(charges[i], held);
        if (!limits_[i].is_per_request()) missing[i] = charges[i] - held;
      }
      // An account that is opened later has what the hold has.
      std::fill(charges.begin() + static_cast<std::ptrdiff_t>(limits_.size()), charges.end(), holder.units);
      charge_some(
          missing, {}, at, [](const Limit& limit, std::size_t) { return !limit.has_leases(); }, Time::now);
      // The mark moves along: what was charged after the hold is still as much as before.
      count_charged(holder.units - hold.units);
      holder.mark += static_cast<std::uint64_t>((holder.units - hold.units).count());
      reservations_.forget_charges(operation.id, hold);
      holder.tag = operation.named;
      remember(operation.id, holder, charges);
    }
    note_grant(operation);
    extend_leases(operation, missing, at);
  }

  /// Whether an estimate is larger than what a hold has charged some limit of the call.
  [[nodiscard]] bool lacks_some(const Operation& operation, const LeaseSet::Holder& hold,
                                const Charges& charges) const {
    for (std::size_t i = 0; i < limits_.size(); ++i) {
      if (!contains(operation.named, i) || limits_[i].is_per_request()) continue;
      if (charges[i] > reservations_.charged_by(operation.id, hold, i)) return true;
    }
    return false;
  }

  /// What each account is charged for an estimate: the limits that the call names no more than their size, and the
  /// others as much as the most that one of these is charged.
  [[nodiscard]] Charges charges_of(Units estimate, AccountSet named) const {
    const auto cut = [&](std::size_t i) { return std::min(estimate, limits_[i].size()); };
    const auto is_cut = [&](std::size_t i) { return contains(named, i) && !limits_[i].is_per_request(); };
    Units most;
    for (std::size_t i = 0; i < limits_.size(); ++i) {
      if (is_cut(i)) most = std::max(most, cut(i));
    }
    Charges charges;
    charges.fill(most > kNoUnits ? most : estimate);
    for (std::size_t i = 0; i < limits_.size(); ++i) {
      if (is_cut(i)) charges[i] = cut(i);
    }
    return charges;
  }

  /// Keeps the charges of a hold if they differ.
  void remember(std::string_view id, LeaseSet::Holder& holder, const Charges& charges) {
    const bool is_even =
        std::all_of(charges.begin(), charges.end(), [&holder](Units units) { return units == holder.units; });
    holder.tag = is_even ? holder.tag & ~Hold::kUneven : holder.tag | Hold::kUneven;
    if (!is_even) reservations_.uneven.insert_or_assign(std::string(id), charges);
  }

  /// Charges all accounts. Leases are booked on accounts with leases only, and nothing else is booked there.
  void charge_all(const Charges& costs, const Operation& operation, Instant at, Time time) {
    charge_some(
        costs, operation.id, at,
        [&](const Limit& limit, std::size_t i) { return !limit.has_leases() || contains(operation.named, i); }, time);
    if (limits_.have_leases()) book_leases(costs, operation, at);
    note_grant(operation);
  }

  /// Charges each account for which `which` is true, whatever is left: into debt. A set of leases that is full is not
  /// charged.
  template <class Which>
  void charge_some(const Charges& costs, std::string_view id, Instant at, Which which, Time time) {
    for (std::size_t i = 0; i < limits_.size(); ++i) {
      const Limit& limit = limits_[i];
      const Units cost = limit.cost_of(costs[i]);
      if (cost == kNoUnits || !which(limit, i)) continue;
      limit.visit([&](const auto& algorithm) {
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

  void count_charged(Units units) { reservations_.count_charged(units); }

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
    if (!hold) {
      Charges costs;
      costs.fill(operation.units);
      charge_some(costs, {}, at, counts_units, Time::now);
      count_charged(operation.units);
      return false;
    }
    Charges missing{};
    for (std::size_t i = 0; i < limits_.size(); ++i) {
      missing[i] = std::max(operation.units - reservations_.charged_by(operation.id, *hold, i), kNoUnits);
    }
    charge_some(missing, {}, at, counts_units, Time::now);
    give_back_hold(operation.id, *hold, operation.units, operation.at);
    remember_settled(operation, *hold);
    return true;
  }

  void remember_settled(const Operation& operation, const LeaseSet::Holder& hold) {
    reservations_.forget_charges(operation.id, hold);
    reservations_.holds.erase(operation.id);
    if (operation.units > hold.units) {
      count_charged(operation.units - hold.units);
    } else {
      reservations_.forget_charged(hold, hold.units - operation.units);
    }
    reservations_.holds.put(
        operation.id,
        {.end = hold.end, .units = operation.units, .mark = hold.mark, .tag = Hold::named(hold) | Hold::kSettled});
  }

  void refund(const Operation& operation) {
    for (std::size_t i = 0; i < limits_.size(); ++i) give_back(i, operation.units, kNoUnits, operation.at);
    reservations_.forget_newest_charged(operation.units);
  }

  /// Gives back what a hold has charged beyond `cost`.
  void give_back_hold(std::string_view id, const LeaseSet::Holder& hold, Units cost, Instant now) {
    const Units newer = reservations_.charged_after(hold);
    for (std::size_t i = 0; i < limits_.size(); ++i) {
      give_back(i, reservations_.charged_by(id, hold, i) - cost, newer, now);
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
