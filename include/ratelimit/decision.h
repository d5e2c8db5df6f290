// What a call asks of a limit, and what the limit answers: the decision, and the change that a grant makes to the state.
#ifndef RATELIMIT_DECISION_H
#define RATELIMIT_DECISION_H

#include <cstdint>
#include <string_view>

#include "ratelimit/units.h"

namespace ratelimit {

/// What a call asks of one limit. A cost of 0 takes nothing: it asks how the limit stands.
struct Ask {
  Units cost{1};
  std::string_view id{};  ///< of the lease to take or to renew; of interest to CONCURRENT only
  bool force = false;     ///< to be charged also beyond what is left: into debt
};

enum class Outcome : std::uint8_t {
  granted,  ///< the call got its units
  denied,   ///< not now; `Decision::wait` says when
  never,    ///< the call asks for more than the limit ever holds
};

/// The answer to one call. All spans are rounded up to a whole nanosecond, `remaining` is rounded down.
struct Decision {
  Outcome outcome = Outcome::never;
  Units granted;    ///< units that the call got: its cost, or none
  Units size;       ///< the size of the limit that decided
  Units remaining;  ///< whole units that could be taken right after this call
  Span wait{};      ///< denied: until the same call would be granted, if nothing else happens; granted: how long to
                    ///< hold the call; or, if it led into debt, how long the debt lasts
  Span reset{};     ///< until the state is as if never used, if nothing else happens
};

/// A decision with what a grant does to the state. `change` has a meaning only if the call is granted; then
/// `Algorithm::apply(state, change)` is the next state, here, on a replica and at the replay of a log alike.
template <class Change>
struct Step {
  Decision decision;
  Change change;
};

}  // namespace ratelimit

#endif  // RATELIMIT_DECISION_H
