// SPDX-License-Identifier: MIT
#include "keyspace/module.h"

#include <chrono>
#include <string>

namespace ratelimit {
namespace {

Module* the_module = nullptr;

}  // namespace

Module& module() { return *the_module; }

std::string Module::take_zone_warning(std::string_view key) {
  const std::string zone = limits.take_missing_zone();
  return zone.empty() ? std::string() : missing_zones.note(zone, key, std::chrono::steady_clock::now());
}

// Never destroyed: the server does not unload a module that has a data type.
void create_module(FindZone find_zone, BackgroundSweep::Step step) { the_module = new Module(find_zone, step); }

}  // namespace ratelimit
