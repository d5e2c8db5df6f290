// SPDX-License-Identifier: MIT
// Holds: deciding a reservation, and looking for holds and leases by their ids. Depends on requests and reservations.
#ifndef RATELIMIT_HOLDS_H
#define RATELIMIT_HOLDS_H

#include <algorithm>
#include <optional>
#include <string_view>

#include "ratelimit/algorithms/lease_set.h"
#include "ratelimit/any_algorithm.h"
#include "ratelimit/decision.h"
#include "ratelimit/limits.h"
#include "ratelimit/request.h"
#include "ratelimit/reservations.h"
#include "ratelimit/states.h"
#include "ratelimit/units.h"
#include "ratelimit/verdict.h"

namespace ratelimit {

/// The estimate, cut to the smallest limit: no call is refused only because it guessed too high.
[[nodiscard]] inline Units clamped_estimate(const Limits& limits, Units estimate) {
  for (std::size_t i = 0; i < limits.size(); ++i) {
    if (!limits[i].is_per_request()) estimate = std::min(estimate, limits[i].size());
  }
  return estimate;
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

/// Whether there is a hold with that id that has not ended. `reservations` may be null.
[[nodiscard]] inline bool has_hold(const Reservations* reservations, std::string_view id, Instant now) {
  const auto hold = reservations != nullptr ? reservations->holds.find(id) : std::nullopt;
  return hold && hold->end > now;
}

/// Whether a settlement changes anything: there is a hold or a lease to end, or something to charge.
template <class Cells>
[[nodiscard]] bool settles(const Limits& limits, const Cells& cells, const Reservations* reservations,
                           const Request& request, Instant now) {
  return request.cost > kNoUnits || has_hold(reservations, request.id, now) ||
         has_lease(limits, cells, request.id, now);
}

/// Decides the reservation of an estimate under the id of `request`. A hold that is there is renewed: that is always
/// granted. If there are kMaxHolders holds, a new one is denied until the first ends. Pure; O(limits * log n).
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

}  // namespace ratelimit

#endif  // RATELIMIT_HOLDS_H
