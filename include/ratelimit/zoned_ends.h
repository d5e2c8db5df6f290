// SPDX-License-Identifier: MIT
// When the windows end that are open at an instant, of those limits that name a time zone.
//
// A machine that lacks the zone cannot know. So who changes the limits of many subjects at once says it, once for all
// of them. Depends on limits and their states.
#ifndef RATELIMIT_ZONED_ENDS_H
#define RATELIMIT_ZONED_ENDS_H

#include <cstddef>
#include <span>
#include <type_traits>
#include <vector>

#include "ratelimit/algorithms/quota.h"
#include "ratelimit/limits.h"
#include "ratelimit/states.h"
#include "ratelimit/units.h"

namespace ratelimit {

/// One instant for each limit that names a zone, in their order.
using ZonedEnds = std::vector<Instant>;

/// Calls `visit(i, algorithm)` for the limits that name a zone.
template <class Visit>
void for_each_zoned(const Limits& limits, Visit visit) {
  if (!limits.have_zones()) return;
  for (std::size_t i = 0; i < limits.size(); ++i) {
    if (limits[i].spec().zone.empty()) continue;
    limits[i].visit([&]<class A>(const A& algorithm) {
      if constexpr (std::is_same_v<A, Quota>) visit(i, algorithm);
    });
  }
}

[[nodiscard]] inline ZonedEnds zoned_ends(const Limits& limits, Instant at) {
  ZonedEnds ends;
  for_each_zoned(limits, [&](std::size_t, const Quota& quota) { ends.push_back(quota.with_used(kMinUnits, at).end); });
  return ends;
}

/// Whether there are none, or one for each limit that names a zone.
[[nodiscard]] inline bool are_ends_of(const Limits& limits, const ZonedEnds& ends) {
  std::size_t zoned = 0;
  for_each_zoned(limits, [&zoned](std::size_t, const Quota&) { ++zoned; });
  return ends.empty() || ends.size() == zoned;
}

/// Corrects the states of limits whose zone this machine lacks, after the subject went over to these limits at `at`:
/// windows that were opened then end when `ends` says. There may be no `ends`; else they are those of `limits`.
inline void tell_ends(const Limits& limits, std::span<Cell> cells, Instant at, const ZonedEnds& ends) {
  if (ends.empty()) return;
  std::size_t next = 0;
  for_each_zoned(limits, [&](std::size_t i, const Quota& quota) {
    const Instant end = ends[next++];
    auto& state = state_in(cells[i], quota);
    const bool is_new = state.end == quota.with_used(kMinUnits, at).end;
    if (limits[i].spec().lacks_rules && is_new) state.end = end;
  });
}

}  // namespace ratelimit

#endif  // RATELIMIT_ZONED_ENDS_H
