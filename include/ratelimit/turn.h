// SPDX-License-Identifier: MIT
// The turn of a call that waits (MAXWAIT): no other call on the subject is granted before it. Depends on units only.
#ifndef RATELIMIT_TURN_H
#define RATELIMIT_TURN_H

#include <algorithm>

#include "ratelimit/units.h"

namespace ratelimit {

/// The last turn that was given to a call on the subject. The call is charged as of its turn, so the states are as of
/// `at`. Default: no call waits.
struct Turn {
  Instant at{};
  Span wait{};  ///< from the call to its turn, so that `at` is never further ahead of the clock

  /// The instant as of which a call at `now` is decided: that of the turn, if it is still to come. If the clock was set
  /// back, the turn counts as `wait` after `now`.
  [[nodiscard]] constexpr Instant or_later(Instant now) const {
    return at <= now ? now : std::max(now, std::min(at, now + wait));
  }

  /// Whether the clock was set back since.
  [[nodiscard]] constexpr bool is_ahead(Instant now) const { return at > now + wait; }
  /// Moves such a turn to `wait` after `now`.
  constexpr void clamp(Instant now) {
    if (is_ahead(now)) at = now + wait;
  }

  friend constexpr bool operator==(const Turn&, const Turn&) = default;
};

}  // namespace ratelimit

#endif  // RATELIMIT_TURN_H
