// SPDX-License-Identifier: MIT
// Holds: deciding a reservation, and looking for holds and leases by their ids. Depends on requests and reservations.
#ifndef RATELIMIT_HOLDS_H
#define RATELIMIT_HOLDS_H

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string_view>

#include "ratelimit/algorithms/lease_set.h"
#include "ratelimit/any_algorithm.h"
#include "ratelimit/costs.h"
#include "ratelimit/decision.h"
#include "ratelimit/limits.h"
#include "ratelimit/operation.h"
#include "ratelimit/request.h"
#include "ratelimit/reservations.h"
#include "ratelimit/states.h"
#include "ratelimit/turn.h"
#include "ratelimit/units.h"
#include "ratelimit/verdict.h"

namespace ratelimit {

/// The most that a limit is charged for an estimate. All of it if the limits only count requests.
[[nodiscard]] inline Units most_charged(const Limits& limits, const Costs& costs) {
  Units most;
  bool is_any_counted = false;
  for (std::size_t i = 0; i < limits.size(); ++i) {
    most = std::max(most, std::min(costs[i], limits[i].size()));
    is_any_counted |= !limits[i].is_per_request();
  }
  return is_any_counted ? most : costs.most();
}

/// Whether a limit has a lease with that id that has not ended.
template <class Cells>
[[nodiscard]] bool has_lease(const Limits& limits, const Cells& cells, std::string_view id, Instant now) {
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const bool found = limits[i].visit([&]<class A>(const A& algorithm) {
      if constexpr (HasLeases<A>) return A::has_lease(state_in(cells[i], algorithm), id, now);
      return false;
    });
    if (found) return true;
  }
  return false;
}

/// The hold with that id, settled or not, that has not ended. `reservations` may be null.
[[nodiscard]] inline std::optional<LeaseSet::Holder> find_hold(const Reservations* reservations, std::string_view id,
                                                               Instant now) {
  return reservations == nullptr || id.empty() ? std::nullopt : reservations->live_hold(id, now);
}

namespace detail {

/// The units of a lease that has not ended.
template <class A>
[[nodiscard]] Units lease_units(const A& algorithm, const typename A::State& state, std::string_view id, Instant at) {
  return algorithm.has_lease(state, id, at) ? state.leases()->find(id)->units : kNoUnits;
}

/// What limit `i` of the call is asked if its hold is to have `more` units there. If that is none, only how it stands.
template <class Cells>
[[nodiscard]] Ask ask_for_more(const Limit& limit, const Cells& cells, std::size_t i, Units more,
                               const Request& request, Instant at) {
  if (more == kNoUnits) return {kNoUnits, request.id, true};
  limit.visit([&]<class A>(const A& algorithm) {
    if constexpr (HasLeases<A>) more += lease_units(algorithm, state_in(cells[i], algorithm), request.id, at);
  });
  return {more, request.id};
}

/// A hold that lacks nothing under limit `i` is renewed, and so is its lease: nobody is idle before that ends.
template <class Cells>
void note_renewal(const Limit& limit, const Cells& cells, std::size_t i, std::string_view id, Instant at,
                  Decision& decision) {
  limit.visit([&]<class A>(const A& algorithm) {
    if constexpr (HasLeases<A>) {
      if (!A::has_lease(state_in(cells[i], algorithm), id, at)) return;
      decision.reset = std::max(decision.reset, algorithm.lease());
    }
  });
}

/// Decides what a hold lacks under each limit, as of `at`. A limit where it lacks nothing grants, and says how it stands
/// after the hold was renewed; if the call is denied, the lease of the hold counts there as left.
template <class Cells>
[[nodiscard]] Verdict decide_more(const Limits& limits, const Cells& cells, const Charges& more, const Request& request,
                                  Instant at) {
  const auto decide_while = [&](bool is_granted) {
    return decide_each(
        limits, cells, at,
        [&](std::size_t i) {
          const bool is_renewed = is_granted && more[i] == kNoUnits;
          return is_renewed ? Ask{kNoUnits, {}, true} : ask_for_more(limits[i], cells, i, more[i], request, at);
        },
        [&](std::size_t i, Decision& decision) {
          if (more[i] > kNoUnits) return;
          decision.wait = Span{};  // it waits only for the limits where it lacks something
          if (is_granted) note_renewal(limits[i], cells, i, request.id, at, decision);
        });
  };
  Verdict verdict = decide_while(true);
  if (verdict.decision.outcome != Outcome::granted && limits.have_leases()) verdict = decide_while(false);
  return verdict;
}

/// What a hold that is there lacks under each limit of the call. `charged(i)` is what it has charged limit i.
template <class Charged>
[[nodiscard]] Charges lacking(const Limits& limits, const Costs& costs, Charged charged) {
  Charges more{};
  for (std::size_t i = 0; i < limits.size(); ++i) more[i] = limits[i].lacking(costs[i], charged(i));
  return more;
}

/// Decides the reservation with the id of a hold that is there, which lacks `more` of an estimate of `most` units.
template <class Cells>
[[nodiscard]] Verdict decide_on_hold(const Limits& limits, const Cells& cells, const Turn& turn,
                                     const LeaseSet::Holder& hold, const Charges& more, Units most,
                                     const Request& request, Instant now) {
  const Instant at = turn.or_later(now);
  const bool lacks_nothing = more == Charges{};
  Verdict verdict = decide_more(limits, cells, more, request, at);
  if (verdict.decision.outcome == Outcome::granted && at > now && !lacks_nothing) {
    verdict = held_back(limits, cells, at, Span{}, request.id);
  }
  verdict.id = request.id;
  if (at > now) move_back(verdict, at - now);
  Decision& decision = verdict.decision;
  if (lacks_nothing) decision.wait = Span{};
  const Units granted = lacks_nothing ? hold.units : std::max(most, hold.units);
  decision.granted = decision.outcome == Outcome::granted ? granted : kNoUnits;
  return verdict;
}

}  // namespace detail

/// What each limit is asked for by the reservation of an estimate: what a hold that is there lacks, with the lease that
/// it has; else the estimate, cut to the size of the limit. `charged(i)` is what the hold has charged limit i.
template <class Cells, class Charged>
[[nodiscard]] Charges asked_by_reservation(const Limits& limits, const Cells& cells, const Turn& turn,
                                           const Reservations* reservations, const Request& request, Instant now,
                                           Charged charged) {
  const Costs costs = request.costs(limits);
  Charges asked{};
  if (!find_hold(reservations, request.id, now)) {
    for (std::size_t i = 0; i < limits.size(); ++i) asked[i] = costs.cut(limits)[i];
    return asked;
  }
  const Charges more = detail::lacking(limits, costs, charged);
  for (std::size_t i = 0; i < limits.size(); ++i) {
    asked[i] = detail::ask_for_more(limits[i], cells, i, more[i], request, turn.or_later(now)).cost;
  }
  return asked;
}

/// Decides the reservation of an estimate under the id of `request`. `charged(i)` is what a hold that is there has
/// charged limit i. A hold that has at least as much already is only renewed: that is always granted; otherwise the
/// difference is decided like a call. If there are kMaxHolders holds, a new one is denied until the first ends. Under a
/// closed limit none of them is granted. Pure; O(limits * log n).
template <class Cells, class Charged>
[[nodiscard]] Verdict decide_reservation(const Limits& limits, const Cells& cells, const Reservations& reservations,
                                         const Request& request, Instant now, Charged charged) {
  const Costs costs = request.costs(limits);
  const Units most = most_charged(limits, costs);
  const bool is_closed = limits.is_any_closed();
  if (const auto hold = find_hold(&reservations, request.id, now); hold && !is_closed) {
    const Charges more = detail::lacking(limits, costs, charged);
    return detail::decide_on_hold(limits, cells, reservations.turn, *hold, more, most, request, now);
  }
  const Instant at = reservations.turn.or_later(now);
  Verdict verdict;
  if (reservations.holds.count_after(now) >= kMaxHolders && !is_closed) {
    const Instant until = std::max(at, reservations.holds.end_leaving(kMaxHolders - 1, now));
    verdict = detail::held_back(limits, cells, at, until - at, request.id);
    if (at > now) detail::move_back(verdict, at - now);
    verdict.decision.granted = kNoUnits;
    return verdict;
  }
  Request estimate = request;
  estimate.mode = Mode::estimate;
  verdict = decide(limits, cells, reservations.turn, estimate, now);
  if (verdict.decision.outcome == Outcome::granted) verdict.decision.granted = most;
  return verdict;
}

}  // namespace ratelimit

#endif  // RATELIMIT_HOLDS_H
