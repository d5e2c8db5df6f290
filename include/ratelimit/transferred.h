// SPDX-License-Identifier: MIT
// What a subject takes along to a key where it is in use already (RL.TRANSFER): how much is used, and nothing else.
//
// Where it is not in use there, it goes over whole, as it does when stored limits change (carried_states.h). Depends on
// limits, their states and predecessors, and on reservations.
#ifndef RATELIMIT_TRANSFERRED_H
#define RATELIMIT_TRANSFERRED_H

#include <array>
#include <cstddef>

#include "ratelimit/any_algorithm.h"
#include "ratelimit/carried_states.h"
#include "ratelimit/limits.h"
#include "ratelimit/reservations.h"
#include "ratelimit/states.h"
#include "ratelimit/units.h"

namespace ratelimit {

/// For each limit of `to`, what its predecessor in `from` counts as used at `at`; nothing if it has none. A limit with
/// leases gets nothing: units that were used have no holder who could release them. Pure; O(limits * log n).
template <class Cells>
[[nodiscard]] std::array<Units, kMaxLimits> used_by_predecessors(const Limits& from, const Cells& cells, Instant at,
                                                                 const Limits& to) {
  std::array<Units, kMaxLimits> used{};
  const Predecessors predecessors = predecessors_of(from, to);
  for (std::size_t i = 0; i < to.size(); ++i) {
    if (!predecessors[i] || to[i].has_leases()) continue;
    const std::size_t j = *predecessors[i];
    used[i] = from[j].visit([&](const auto& algorithm) { return algorithm.used(state_in(cells[j], algorithm), at); });
  }
  return used;
}

/// Whether a subject has what it can have in one key only: holds, settled ids that are remembered, leases, or a caller
/// who waits for a turn. `reservations` may be null.
template <class Cells>
[[nodiscard]] bool is_tied(const Limits& limits, const Cells& cells, const Reservations* reservations, Instant now) {
  if (reservations != nullptr && (!reservations->holds.empty() || reservations->turn.or_later(now) > now)) return true;
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const bool has_lease = limits[i].visit([&]<class A>(const A& algorithm) {
      if constexpr (HasLeases<A>) return algorithm.used(state_in(cells[i], algorithm), now) > kNoUnits;
      return false;
    });
    if (has_lease) return true;
  }
  return false;
}

}  // namespace ratelimit

#endif  // RATELIMIT_TRANSFERRED_H
