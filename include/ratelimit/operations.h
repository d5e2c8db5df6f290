// What can be done to a subject: the modes of a check, and the operations that change what was charged.
//
// A request is decided by a pure function. Whatever changes a subject that has promised something is an operation: small,
// with its instant in it, and total, so that the same operation on the same subject makes the same bytes here, on a replica
// and at the replay of a log. docs/operations.md has the meaning of each. Depends on limits and reservations.
#ifndef RATELIMIT_OPERATIONS_H
#define RATELIMIT_OPERATIONS_H

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

#include "ratelimit/limits.h"
#include "ratelimit/reservations.h"
#include "ratelimit/units.h"

namespace ratelimit {

/// What becomes of a call that does not fit as a whole, and now.
enum class Mode : std::uint8_t {
  whole,     ///< it is denied
  partial,   ///< it gets what is there
  force,     ///< it is charged all the same: into debt
  may_wait,  ///< it takes from the future, if that is not too far
};

struct Request {
  Units cost{1};
  Mode mode = Mode::whole;
  Span longest_wait{};    ///< of a call that may wait
  std::string_view id{};  ///< of a lease
};

/// How the limits stand at `at`: a call that takes nothing. Its wait is how long a debt lasts.
template <class Cells>
[[nodiscard]] Verdict status(const Limits& limits, const Cells& cells, Instant at, std::string_view id = {}) {
  return decide(limits, cells, Ask{kNoUnits, id, true}, at);
}

namespace detail {

/// What a call may take that takes part of its cost: at least one unit, or there is nothing.
template <class Cells>
[[nodiscard]] Units part_of(const Limits& limits, const Cells& cells, const Request& request, Instant at) {
  Units part = request.cost;
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const Units left = limits[i].visit([&](const auto& algorithm) {
      const Ask nothing{kNoUnits, request.id, true};
      return algorithm.decide(state_in(cells[i], algorithm), nothing, at).decision.remaining;
    });
    if (!limits[i].is_per_request() || left == kNoUnits) part = std::min(part, left);
  }
  return part;
}

/// A denial that is not due to what is left: the limits as they stand, and a wait.
template <class Cells>
[[nodiscard]] Verdict held_back(const Limits& limits, const Cells& cells, Instant at, Span wait, std::string_view id) {
  Verdict verdict = status(limits, cells, at, id);
  verdict.decision.outcome = Outcome::denied;
  verdict.decision.wait = wait;
  return verdict;
}

/// How long one limit lets a call wait, if nothing else did: until it is granted, and then in its queue.
template <class A>
[[nodiscard]] Span wait_under(const A& algorithm, const typename A::State& state, const Ask& ask, Instant at) {
  const Decision first = algorithm.decide(state, ask, at).decision;
  if (first.outcome == Outcome::granted || first.wait > kLatest - at) return first.wait;
  const Decision then = algorithm.decide(state, ask, at + first.wait).decision;
  return first.wait + (then.outcome == Outcome::granted ? then.wait : Span{});
}

/// A denial of a call whose turn is too late: by the limit that lets it wait for the longest.
template <class Cells>
[[nodiscard]] Verdict too_late(const Limits& limits, const Cells& cells, const Ask& ask, Instant at, Span wait) {
  Verdict verdict;
  Span longest{-1};
  for (std::size_t i = 0; i < limits.size(); ++i) {
    limits[i].visit([&](const auto& algorithm) {
      const auto& state = state_in(std::as_const(cells[i]), algorithm);
      const Span own = wait_under(algorithm, state, Ask{limits[i].cost_of(ask.cost), ask.id}, at);
      if (own <= longest) return;
      longest = own;
      verdict.decision = algorithm.decide(state, Ask{kNoUnits, ask.id, true}, at).decision;
      verdict.binding = i;
    });
  }
  verdict.decision.outcome = Outcome::denied;
  verdict.decision.wait = wait;
  return verdict;
}

/// A call that may wait, as of `at`, which is `ahead` of the call: it gets its turn when it would be granted, if that is
/// soon enough.
template <class Cells>
[[nodiscard]] Verdict decide_turn(const Limits& limits, const Cells& cells, const Request& request, Instant at,
                                  Span ahead) {
  const Ask ask{request.cost, request.id};
  const Verdict first = decide(limits, cells, ask, at);
  const bool fits_now = first.decision.outcome == Outcome::granted;
  const Span turn = fits_now ? Span{} : first.decision.wait;
  if (first.decision.outcome == Outcome::never || turn > kLatest - at) return first;
  Verdict then = fits_now ? first : decide(limits, cells, ask, at + turn);
  if (then.decision.outcome != Outcome::granted) return first;
  // A queue makes a call wait after it has been granted, too.
  const Span wait = turn + then.decision.wait;
  if (wait + ahead > request.longest_wait) return too_late(limits, cells, ask, at, wait - request.longest_wait);
  then.turn = turn;
  then.decision.wait = wait;
  then.decision.reset += turn;
  then.idle_in += turn;
  return then;
}

template <class Cells>
[[nodiscard]] Verdict decide_as_of(const Limits& limits, const Cells& cells, const Request& request, Instant at,
                                   Span ahead) {
  if (request.mode == Mode::may_wait) return decide_turn(limits, cells, request, at, ahead);
  const Verdict verdict = decide(limits, cells, Ask{request.cost, request.id, request.mode == Mode::force}, at);
  const bool is_granted = verdict.decision.outcome == Outcome::granted;
  // Nobody overtakes a call that waits for its turn.
  if (is_granted && ahead > Span{} && request.mode != Mode::force) {
    return held_back(limits, cells, at, Span{}, request.id);
  }
  if (is_granted || request.mode != Mode::partial) return verdict;
  const Units part = part_of(limits, cells, request, at);
  if (part > kNoUnits && ahead > Span{}) return held_back(limits, cells, at, Span{}, request.id);
  return decide(limits, cells, Ask{std::max(part, kMinUnits), request.id}, at);
}

/// What a verdict says to somebody who is `ahead` before the instant that it is as of.
inline void move_back(Verdict& verdict, Span ahead) {
  Decision& decision = verdict.decision;
  decision.reset += ahead;
  if (decision.outcome != Outcome::never) decision.wait += ahead;
  if (decision.outcome != Outcome::granted) {
    decision.remaining = kNoUnits;
  } else {
    verdict.turn += ahead;
    verdict.idle_in += ahead;
  }
}

}  // namespace detail

/// Decides a request, as of the turn of who waits, if somebody does. Pure; O(limits * log n).
template <class Cells>
[[nodiscard]] Verdict decide(const Limits& limits, const Cells& cells, const Turn& turn, const Request& request,
                             Instant now) {
  // Nearly all calls, on their shortest way.
  if (request.mode == Mode::whole && turn.at <= now) return decide(limits, cells, Ask{request.cost, request.id}, now);
  const Instant at = turn.or_later(now);
  Verdict verdict = detail::decide_as_of(limits, cells, request, at, at - now);
  if (at > now) detail::move_back(verdict, at - now);
  return verdict;
}

/// Something that is done to a subject. Total: whatever the numbers are, it does something that is valid.
struct Operation {
  enum class Kind : std::uint8_t {
    collect = 1,  ///< gives back what holds took that have ended
    charge = 2,   ///< charges `units`, as of `span` after `at`; takes the lease `id`
    refund = 3,   ///< gives `units` back
    reserve = 4,  ///< charges `units`, and holds them as `id` for `span`; or prolongs the hold
    settle = 5,   ///< ends the hold `id`, whose call cost `units`
    release = 6,  ///< ends the lease `id`
  };

  Kind kind = Kind::collect;
  Instant at{};
  Units units{};
  Span span{};
  std::string_view id{};
};

/// Limits, states and reservations of one subject, to be operated on.
class Account {
 public:
  Account(const Limits& limits, std::span<Cell> cells, Reservations& reservations)
      : limits_(limits), cells_(cells), reservations_(reservations) {}

  /// Does it. Returns whether there was a hold or a lease with that id, which only reserve, settle and release ask.
  /// O(limits * log n), and gives back at most kCollectedAtOnce holds that have ended.
  bool perform(const Operation& operation) {
    collect(operation.at);
    const bool found = dispatch(operation);
    reservations_.as_of = operation.at;
    reservations_.compact();
    return found;
  }

 private:
  // What is left then counts on until the next operation. Some microseconds; two milliseconds at most, when as many holds
  // as there may be end in another order than they were taken.
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

  /// Each hold that has ended gives back as of its end, unless it was left over and something has happened since.
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

  /// A hold that is there already lasts anew, and so does the lease of its call, if that has not ended.
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
        if constexpr (std::is_same_v<A, Concurrent>) visit(algorithm, state_in(cells_[i], algorithm), limits_[i]);
      });
    }
  }

  void forget_leases_ended(Instant now) {
    for_each_with_leases(
        [now](const Concurrent&, Concurrent::State& state, const Limit&) { Concurrent::forget_ended(state, now); });
  }

  /// As of the turn of who waits: a lease that ends before counts for them no more.
  void renew_leases(Units units, std::string_view id, Instant at) {
    for_each_with_leases([&](const Concurrent& algorithm, Concurrent::State& state, const Limit& limit) {
      if (!Concurrent::has_lease(state, id, at)) return;
      const auto step = algorithm.decide(state, Ask{limit.cost_of(units), id, true}, at);
      if (step.decision.outcome == Outcome::granted) algorithm.apply_ahead(state, step.change, id);
    });
  }

  /// The request has been counted when its hold was taken, if there was one; the lease of the call, if it had one, ends.
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
    for_each_with_leases([&](const Concurrent&, Concurrent::State& state, const Limit&) {
      found |= Concurrent::release(state, id, at);
    });
    return found;
  }

  [[nodiscard]] std::optional<LeaseSet::Holder> live_hold(std::string_view id, Instant now) const {
    const std::optional<LeaseSet::Holder> hold = reservations_.holds.find(id);
    return hold && hold->end > now ? hold : std::nullopt;
  }

  static bool all(const Limit&) { return true; }

  /// Whether what is charged is charged as of now, or as of a turn.
  enum class Time : bool { now, ahead };

  template <class Which = bool (*)(const Limit&)>
  void charge_units(Units units, std::string_view id, Instant at, Which which = all, Time time = Time::now) {
    charge_some(units, id, at, which, time);
    reservations_.charged += static_cast<std::uint64_t>(units.count());
  }

  /// Charges limits whatever is left. Only what there is no room for, in a log or among leases that are full, is not
  /// charged.
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

  /// A limit that counts requests gives nothing back: the request has been made.
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

/// An estimate that every limit can hold: no first call is refused for its guess alone.
[[nodiscard]] inline Units clamped_estimate(const Limits& limits, Units estimate) {
  for (std::size_t i = 0; i < limits.size(); ++i) {
    if (!limits[i].is_per_request()) estimate = std::min(estimate, limits[i].size());
  }
  return estimate;
}

/// How the limits stand at `now`, or as of the turn of who waits.
template <class Cells>
[[nodiscard]] Verdict status_at_turn(const Limits& limits, const Cells& cells, const Turn& turn, Instant now) {
  const Instant at = turn.or_later(now);
  Verdict verdict = status(limits, cells, at);
  if (at > now) detail::move_back(verdict, at - now);
  return verdict;
}

/// Decides a request of somebody who was never seen.
[[nodiscard]] inline Verdict decide_idle(const Limits& limits, const Request& request, Instant now) {
  std::array<Cell, kMaxLimits> idle;
  construct_idle(limits, idle);  // an idle state owns nothing, so that nothing is to be destroyed
  return decide(limits, idle, Turn{}, request, now);
}

/// Whether one of the limits has a lease of that id which has not ended.
template <class Cells>
[[nodiscard]] bool has_lease(const Limits& limits, const Cells& cells, std::string_view id, Instant now) {
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const bool found = limits[i].visit([&]<class A>(const A& algorithm) {
      if constexpr (std::is_same_v<A, Concurrent>) return A::has_lease(state_in(cells[i], algorithm), id, now);
      return false;
    });
    if (found) return true;
  }
  return false;
}

/// Whether there is a hold of that id which has not ended. `reservations` may be null.
[[nodiscard]] inline bool has_hold(const Reservations* reservations, std::string_view id, Instant now) {
  const auto hold = reservations != nullptr ? reservations->holds.find(id) : std::nullopt;
  return hold && hold->end > now;
}

/// Whether a settlement changes anything: there is a hold, a lease, or something to charge.
template <class Cells>
[[nodiscard]] bool settles(const Limits& limits, const Cells& cells, const Reservations* reservations,
                           const Request& request, Instant now) {
  return request.cost > kNoUnits || has_hold(reservations, request.id, now) ||
         has_lease(limits, cells, request.id, now);
}

/// Whether a request can never be granted, however much is left.
[[nodiscard]] inline bool is_never(const Limits& limits, const Request& request) {
  if (request.mode == Mode::partial || request.mode == Mode::force) return false;
  for (std::size_t i = 0; i < limits.size(); ++i) {
    if (limits[i].cost_of(request.cost) > limits[i].size()) return true;
  }
  return false;
}

/// What a call is told whose limits are on trial: that it is granted all that it asked for, and at once.
inline void grant_on_trial(Verdict& verdict, Units cost) {
  verdict.decision.outcome = Outcome::granted;
  verdict.decision.granted = cost;
  verdict.decision.wait = Span{};
}

/// Decides the reservation of an estimate under the id of `request`. Pure; O(limits * log n).
template <class Cells>
[[nodiscard]] Verdict decide_reservation(const Limits& limits, const Cells& cells, const Reservations& reservations,
                                         const Request& request, Instant now) {
  const std::optional<LeaseSet::Holder> hold = reservations.holds.find(request.id);
  if (!request.id.empty() && hold && hold->end > now) {
    Verdict verdict = status_at_turn(limits, cells, reservations.turn, now);
    verdict.decision.granted = hold->units;
    verdict.decision.wait = Span{};
    verdict.id = request.id;
    return verdict;
  }
  if (reservations.holds.count_after(now) >= kMaxHolders) {
    const Instant at = reservations.turn.or_later(now);
    const Instant until = std::max(at, reservations.holds.end_leaving(kMaxHolders - 1, now));
    Verdict verdict = detail::held_back(limits, cells, at, until - at, request.id);
    if (at > now) detail::move_back(verdict, at - now);
    return verdict;
  }
  const Request clamped{.cost = clamped_estimate(limits, request.cost), .mode = Mode::whole, .id = request.id};
  return decide(limits, cells, reservations.turn, clamped, now);
}

/// Units that count under each limit that a refund gives something back to; none under the others.
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

#endif  // RATELIMIT_OPERATIONS_H
