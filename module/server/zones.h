// SPDX-License-Identifier: MIT
// The time zones of the system, by their IANA names.
//
// Their rules come from the zoneinfo folder, through Abseil (docs/adr/0008-time-zones-by-abseil.md). The zone that the
// server itself runs in does not matter. To be called by the server's main thread only.
#ifndef RATELIMIT_MODULE_SERVER_ZONES_H
#define RATELIMIT_MODULE_SERVER_ZONES_H

#include <string_view>

#include "ratelimit/algorithms/zone.h"

namespace ratelimit {

/// A FindZone (ratelimit/algorithms/zone.h) for the pool of limits. `name` is spelled as IANA spells it; it may be any bytes,
/// since it comes from clients and payloads. The zone is the same object each time, for as long as the process lives. Null
/// if the system has no such zone, and for UTC. O(log zones) for a zone that was found before; else it reads a file.
[[nodiscard]] const Zone* find_zone(std::string_view name);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_SERVER_ZONES_H
