// SPDX-License-Identifier: MIT
// Holds: deciding a reservation, and looking for holds and leases by their ids. Depends on requests and reservations.
#ifndef RATELIMIT_HOLDS_H
#define RATELIMIT_HOLDS_H

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

#include "ratelimit/algorithms/lease_set.h"
#include "ratelimit/any_algorithm.h"
#include "ratelimit/costs.h"
#include "ratelimit/decision.h"
#include "ratelimit/limits.h"
#include "ratelimit/request.h"
#include "ratelimit/reservations.h"
#include "ratelimit/states.h"
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

/// What limit `i` of the call is asked if its hold is to have `more` units.
template <class Cells>
[[nodiscard]] Ask ask_for_more(const Limit& limit, const Cells& cells, std::size_t i, Units more,
                               const Request& request, Instant at) {
  limit.visit([&]<class A>(const A& algorithm) {
    if constexpr (HasLeases<A>) {
      if (more > kNoUnits) more += lease_units(algorithm, state_in(cells[i], algorithm), request.id, at);
    }
  });
  return {more, request.id, more == kNoUnits};  // for nothing: only how it stands
}

}  // namespace detail

/// Decides the reservation of an estimate under the id of `request`. `charged(i)` is what a hold that is there has
/// charged limit i. A hold that has at least as much already is only renewed: that is always granted; otherwise the
/// difference is decided like a call. If there are kMaxHolders holds, a new one is denied until the first ends. Under a
/// closed limit none of them is granted. Pure; O(limits * log n).
template <class Cells, class Charged>
[[nodiscard]] Verdict decide_reservation(const Limits& limits, const Cells& cells, const Reservations& reservations,
                                         const Request& request, Instant now, Charged charged) {
  const Costs costs = request.costs(limits);
  Units most = most_charged(limits, costs);
  const Instant at = reservations.turn.or_later(now);
  Verdict verdict;
  const bool is_closed = limits.is_any_closed();
  if (const auto hold = find_hold(&reservations, request.id, now); hold && !is_closed) {
    std::array<Units, kMaxLimits> more{};
    for (std::size_t i = 0; i < limits.size(); ++i) more[i] = limits[i].lacking(costs[i], charged(i));
    if (more == std::array<Units, kMaxLimits>{}) {
      verdict = status_at_turn(limits, cells, reservations.turn, now);
      verdict.decision.granted = hold->units;
      verdict.decision.wait = Span{};
      verdict.id = request.id;
      return verdict;
    }
    most = std::max(most, hold->units);
    verdict = decide_each(
        limits, cells, at,
        [&](std::size_t i) { return detail::ask_for_more(limits[i], cells, i, more[i], request, at); },
        [&](std::size_t i, Decision& decision) {
          if (more[i] == kNoUnits) decision.wait = Span{};
        });
    if (verdict.decision.outcome == Outcome::granted && at > now) {
      verdict = detail::held_back(limits, cells, at, Span{}, request.id);
    }
    verdict.id = request.id;
  } else if (reservations.holds.count_after(now) >= kMaxHolders && !is_closed) {
    const Instant until = std::max(at, reservations.holds.end_leaving(kMaxHolders - 1, now));
    verdict = detail::held_back(limits, cells, at, until - at, request.id);
  } else {
    Request estimate = request;
    estimate.mode = Mode::estimate;
    verdict = decide(limits, cells, reservations.turn, estimate, now);
    if (verdict.decision.outcome == Outcome::granted) verdict.decision.granted = most;
    return verdict;
  }
  if (at > now) detail::move_back(verdict, at - now);
  verdict.decision.granted = verdict.decision.outcome == Outcome::granted ? most : kNoUnits;
  return verdict;
}

}  // namespace ratelimit

#endif  // RATELIMIT_HOLDS_H
