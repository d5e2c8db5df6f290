// SPDX-License-Identifier: MIT
#include "zones.h"

#include <mutex>

#include "server/zones.h"

namespace ratelimit::service::envoy {

const Zone* system_zone(std::string_view name) {
  static std::mutex mutex;  // what finds zones for the module is for one thread
  const std::lock_guard lock(mutex);
  return find_zone(name);
}

}  // namespace ratelimit::service::envoy
