// SPDX-License-Identifier: MIT
// What a call asks of a limit, and what the limit answers: the decision, and the change that a grant makes to the
// state. Depends on units only.
#ifndef RATELIMIT_DECISION_H
#define RATELIMIT_DECISION_H

#include <cstdint>
#include <string_view>

#include "ratelimit/units.h"

namespace ratelimit {

/// What a call asks of one limit. A call that costs 0 takes nothing: it asks how much is left.
struct Ask {
  Units cost{1};
  std::string_view id{};  ///< of the lease that the call takes or renews; only CONCURRENT looks at it
  bool force = false;     ///< the call is charged even beyond what is left: the limit goes into debt
};

enum class Outcome : std::uint8_t {
  granted,  ///< the call gets its units
  denied,   ///< the call gets nothing now; `Decision::wait` says when it would
  never,    ///< the call asks for more than the limit ever holds, or the limit is closed
};

/// The answer to one call. All spans are rounded up to a whole nanosecond, `remaining` is rounded down.
struct Decision {
  Outcome outcome = Outcome::never;
  Units granted;    ///< units that the call gets: its cost, or none
  Units size;       ///< the size of the limit that decided
  Units remaining;  ///< whole units that could be taken right after this call
  Span wait{};      ///< denied: until the same call would be granted, if nothing else happens; granted: how long the
                    ///< caller must wait before it goes on; or how long a debt lasts, if there is one
  Span reset{};     ///< until the state is as if never used, if nothing else happens
};

/// A decision, and the change that a grant makes to the state. `change` has a meaning only if the call is granted.
/// Then the algorithm's `apply(state, change)` makes the same next state here, on a replica, and when a file is
/// replayed.
template <class Change>
struct Step {
  Decision decision;
  Change change;
};

}  // namespace ratelimit

#endif  // RATELIMIT_DECISION_H
