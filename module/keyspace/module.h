// SPDX-License-Identifier: MIT
// What the module keeps for as long as it is loaded.
//
// The server calls commands and methods of data types without any pointer of ours, so there must be one variable that
// outlives the calls. It is set once, when the module is loaded. Only those functions read it that the server calls; they
// pass the module on.
#ifndef RATELIMIT_MODULE_KEYSPACE_MODULE_H
#define RATELIMIT_MODULE_KEYSPACE_MODULE_H

#include <chrono>

#include "keyspace/background_release.h"
#include "keyspace/background_sweep.h"
#include "keyspace/census.h"
#include "keyspace/counters.h"
#include "keyspace/effect_writer.h"
#include "keyspace/missing_zones.h"
#include "keyspace/premature_expiries.h"
#include "keyspace/propagation_switch.h"
#include "keyspace/settings.h"
#include "ratelimit/algorithms/token_bucket.h"
#include "server/api.h"
#include "server/clock.h"
#include "server/zones.h"
#include "storage/limits_pool.h"

namespace ratelimit {

struct Module {
  Module(FindZone find_zone, BackgroundSweep::Step step) : limits(find_zone), background_sweep(step) {}

  Settings settings;
  Counters counters;
  Census census;
  std::chrono::steady_clock::time_point loaded_at = std::chrono::steady_clock::now();
  TokenBucket::State events_sent;  ///< bounds the events about keys without a subject table that subscribers are sent
  Clock clock;
  LimitsPool limits;
  MissingZones missing_zones;
  PrematureExpiries premature_expiries;
  PropagationSwitch propagation_switch;
  EffectWriter effect_writer;
  BackgroundSweep background_sweep;
  BackgroundRelease background_release;
  server::DataType data_type = nullptr;
  bool has_debug_commands = false;

  /// What the log should say of a zone that `limits` was asked for since this was called last, for that key, and that
  /// this machine lacks: nothing if there is none, or if it was said not long ago.
  [[nodiscard]] std::string take_zone_warning(std::string_view key);
};

/// The module, once it is loaded.
[[nodiscard]] Module& module();

/// Makes the module, which finds time zones and sweeps tables in these ways. Called once, when the server's memory can be
/// used.
void create_module(FindZone find_zone, BackgroundSweep::Step step);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_KEYSPACE_MODULE_H
