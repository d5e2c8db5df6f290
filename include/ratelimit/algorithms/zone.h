// What the calendar must know of a time zone: how far its clock is from UTC, and when its days begin.
//
// The rules of the world's zones change several times a year and come from the system, which the core does not see: it
// asks through this interface. Everywhere in the core a null `const Zone*` is UTC. Depends on units only.
#ifndef RATELIMIT_ALGORITHMS_ZONE_H
#define RATELIMIT_ALGORITHMS_ZONE_H

#include <chrono>
#include <string_view>

#include "ratelimit/units.h"

namespace ratelimit {

/// A zone is known by its address: two that are equal are the same object.
class Zone {
 public:
  Zone() = default;
  Zone(const Zone&) = delete;
  Zone& operator=(const Zone&) = delete;
  virtual ~Zone() = default;

  /// By how much the local clock is ahead of UTC at `instant`.
  [[nodiscard]] virtual Span offset_at(Instant instant) const = 0;

  /// The first instant that belongs to a civil day: that of its midnight, of the first of two, or of the end of the gap
  /// if there is none. Never later for an earlier day.
  [[nodiscard]] virtual Instant begin_of(std::chrono::local_days day) const = 0;
};

/// Looks a zone up by its name; null if it is unknown. What is found is never taken back.
using FindZone = const Zone* (*)(std::string_view name);

}  // namespace ratelimit

#endif  // RATELIMIT_ALGORITHMS_ZONE_H
