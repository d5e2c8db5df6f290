// SPDX-License-Identifier: MIT
// The clocks of the client. `Time` comes from a clock that nobody can step: deadlines, waits and leases are measured with
// it. `UnixClock` gives Unix time for limits that this process decides by itself. Depends on units.
#ifndef RATELIMIT_CLIENT_CLOCK_H
#define RATELIMIT_CLIENT_CLOCK_H

#include <chrono>

#include "ratelimit/units.h"

namespace ratelimit::client {

using Time = std::chrono::steady_clock::time_point;

/// Unix time as it was when the object was made, carried on by a clock that cannot be stepped. Any thread may ask.
class UnixClock {
 public:
  [[nodiscard]] Instant now() const { return unix_at_start_ + (std::chrono::steady_clock::now() - started_); }

 private:
  Instant unix_at_start_ = std::chrono::time_point_cast<Span>(std::chrono::system_clock::now());
  Time started_ = std::chrono::steady_clock::now();
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_CLOCK_H
