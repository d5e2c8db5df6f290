// The turn of a call that waits: no other call is granted before it. Depends on units only.
#ifndef RATELIMIT_TURN_H
#define RATELIMIT_TURN_H

#include <algorithm>

#include "ratelimit/units.h"

namespace ratelimit {

/// The turn of the call that was granted last among those that wait: the states are as of `at`, and no other call is
/// granted before. Default: nobody waits.
struct Turn {
  Instant at{};
  Span wait{};  ///< from the call to its turn: no turn is further ahead of now

  /// The instant as of which a call at `now` is decided. A turn that is further ahead than it can be is of a clock that
  /// was ahead.
  [[nodiscard]] constexpr Instant or_later(Instant now) const {
    return at <= now ? now : std::max(now, std::min(at, now + wait));
  }

  [[nodiscard]] constexpr bool is_ahead(Instant now) const { return at > now + wait; }
  /// Brings a turn that is ahead to where it counts from now on.
  constexpr void clamp(Instant now) {
    if (is_ahead(now)) at = now + wait;
  }

  friend constexpr bool operator==(const Turn&, const Turn&) = default;
};

}  // namespace ratelimit

#endif  // RATELIMIT_TURN_H
