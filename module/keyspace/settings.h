// SPDX-License-Identifier: MIT
// What operators set: by CONFIG SET ratelimit.*, in redis.conf, or behind the module's path.
#ifndef RATELIMIT_MODULE_KEYSPACE_SETTINGS_H
#define RATELIMIT_MODULE_KEYSPACE_SETTINGS_H

#include <cstdint>

#include "storage/history.h"

namespace ratelimit {

/// Which events are published. Each kind includes those before it.
enum class Notify : std::uint8_t {
  off,
  denied,  ///< calls that were denied
  near,    ///< and calls that were granted near a limit
  all,     ///< and limits that were defined, subjects that were blocked or reset
};

struct Settings {
  std::int64_t near_percent = 80;  ///< a granted call is near a limit if more than so much of it is used then
  Notify notify = Notify::off;
  std::int64_t notify_rate = 100;  ///< events a second, for each limiter
  HistoryBounds history;
  bool has_cl_throttle = true;  ///< whether CL.THROTTLE is registered; set at loading only
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_KEYSPACE_SETTINGS_H
