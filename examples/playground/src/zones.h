// SPDX-License-Identifier: MIT
// Time zones, as the browser knows them.
#ifndef RATELIMIT_PLAYGROUND_ZONES_H
#define RATELIMIT_PLAYGROUND_ZONES_H

#include <string_view>

#include "ratelimit/algorithms/zone.h"

namespace ratelimit::playground {

/// The rules of a time zone; null if the browser knows none of that name. A zone that was found is never destroyed.
[[nodiscard]] const Zone* find_zone(std::string_view name);

}  // namespace ratelimit::playground

#endif  // RATELIMIT_PLAYGROUND_ZONES_H
