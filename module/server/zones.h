// The time zones of the system, by their IANA names.
//
// Their rules come from the zoneinfo folder, through Abseil (docs/adr/0008-time-zones-by-abseil.md); nothing here
// depends on the zone that the server itself runs in. To be called by the server's main thread only.
#ifndef RATELIMIT_MODULE_SERVER_ZONES_H
#define RATELIMIT_MODULE_SERVER_ZONES_H

#include <string_view>

#include "ratelimit/algorithms/zone.h"

namespace ratelimit {

/// Whether that is a name of UTC itself. It needs no zone, and is found on systems without any.
[[nodiscard]] bool is_utc(std::string_view name);

/// The zone of that name, spelled as IANA does; the same object each time, for as long as the process lives. Null if
/// the system has none, or if it is UTC. The name may be anything. O(log zones) if it was found before, else it reads
/// a file.
[[nodiscard]] const Zone* find_zone(std::string_view name);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_SERVER_ZONES_H
