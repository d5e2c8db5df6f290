// SPDX-License-Identifier: MIT
// A time zone, as far as the calendar must know it: how far its clock is from UTC, and when its days begin.
//
// The rules of the world's zones change several times a year. They come from the system, which the core does not know:
// the shell implements this interface. Everywhere in the core a null `const Zone*` is UTC. Depends on units only.
#ifndef RATELIMIT_ALGORITHMS_ZONE_H
#define RATELIMIT_ALGORITHMS_ZONE_H

#include <chrono>
#include <string_view>

#include "ratelimit/units.h"

namespace ratelimit {

/// Equal zones are the same object: they are compared by their addresses.
class Zone {
 public:
  Zone() = default;
  Zone(const Zone&) = delete;
  Zone& operator=(const Zone&) = delete;
  virtual ~Zone() = default;

  /// By how much the local clock is ahead of UTC at `instant`.
  [[nodiscard]] virtual Span offset_at(Instant instant) const = 0;

  /// The first instant of a civil day: midnight; the first of two midnights; or the end of the gap that midnight lies
  /// in. An earlier day never begins later.
  [[nodiscard]] virtual Instant begin_of(std::chrono::local_days day) const = 0;
};

/// Finds a zone by its name; null if it is unknown. A zone that was found is never destroyed.
using FindZone = const Zone* (*)(std::string_view name);

}  // namespace ratelimit

#endif  // RATELIMIT_ALGORITHMS_ZONE_H
