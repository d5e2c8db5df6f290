// SPDX-License-Identifier: MIT
// Unix time that cannot step.
//
// The wall clock is read once, when the module is loaded. From then on the time is that reading plus the time of a steady
// clock, which nobody can set and which also runs while the machine sleeps. So a step of the wall clock changes no decision.
// Tests can hold the clock and move it by hand.
#ifndef RATELIMIT_MODULE_SERVER_CLOCK_H
#define RATELIMIT_MODULE_SERVER_CLOCK_H

#include <optional>

#include "ratelimit/units.h"

namespace ratelimit {

class Clock {
 public:
  Clock();

  /// The time; within [kEarliest, kLatest].
  [[nodiscard]] Instant now() const;

  /// Stops the clock at `instant`.
  void hold(Instant instant) { held_ = instant; }
  [[nodiscard]] bool is_held() const { return held_.has_value(); }
  /// Lets the clock run on from the real time.
  void resume() { held_.reset(); }

 private:
  Span offset_;  ///< Unix time less the steady clock's
  std::optional<Instant> held_;
};

/// By how much the server's wall clock, by which it ends keys, is ahead of the clock of decisions: nothing, unless the wall
/// clock was stepped.
[[nodiscard]] Span wall_clock_lead(Instant now);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_SERVER_CLOCK_H
