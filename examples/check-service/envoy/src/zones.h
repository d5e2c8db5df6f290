// SPDX-License-Identifier: MIT
// The time zones of the system, for limits of the rules that name one.
#ifndef RATELIMIT_SERVICE_ENVOY_ZONES_H
#define RATELIMIT_SERVICE_ENVOY_ZONES_H

#include <string_view>

#include "ratelimit/algorithms/zone.h"

namespace ratelimit::service::envoy {

/// A zone by its IANA name; null if the system has no such zone. It lives as long as the process. Any thread may call it.
[[nodiscard]] const Zone* system_zone(std::string_view name);

}  // namespace ratelimit::service::envoy

#endif  // RATELIMIT_SERVICE_ENVOY_ZONES_H
