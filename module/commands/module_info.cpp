// SPDX-License-Identifier: MIT
#include "commands/module_info.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "commands/command_table.h"
#include "keyspace/module.h"
#include "ratelimit/version.h"
#include "server/api.h"

namespace ratelimit::commands {
namespace {

using server::InfoSection;

std::string in_lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower;
}

void write_process(const InfoSection& section, const Module& module) {
  const auto uptime = std::chrono::steady_clock::now() - module.loaded_at;
  section.add("version", kVersion);
  section.add("uptime_seconds", static_cast<std::uint64_t>(uptime / std::chrono::seconds{1}));
  section.add("debug", module.has_debug_commands ? 1 : 0);
}

std::uint64_t errors_of_all(const Counters& counters) {
  std::uint64_t errors = 0;
  for (const Counters::OfCommand& command : counters.commands) errors += command.errors;
  return errors;
}

void write_calls(const InfoSection& section, const Counters& counters) {
  section.add("checks_granted", counters.checks.granted);
  section.add("checks_denied", counters.checks.denied);
  section.add("checks_would_deny", counters.would_deny);
  section.add("checks_near", counters.near);
  section.add("checks_forced", counters.forced);
  section.add("units_granted", counters.units);
  section.add("units_refunded", counters.units_refunded);
  section.add("refunds", counters.refunds);
  section.add("reservations", counters.reservations);
  section.add("settlements", counters.settlements);
  section.add("errors", errors_of_all(counters));
}

/// The algorithms by their keywords: SLIDING is one, with and without APPROX.
void write_algorithms(const InfoSection& section, const Counters& counters) {
  const auto add = [&](const char* field, std::initializer_list<Algorithm> algorithms) {
    Counters::Outcomes sum;
    for (const Algorithm algorithm : algorithms) {
      sum.granted += counters.algorithms[static_cast<std::size_t>(algorithm)].granted;
      sum.denied += counters.algorithms[static_cast<std::size_t>(algorithm)].denied;
    }
    section.add(field, {{"granted", sum.granted}, {"denied", sum.denied}});
  };
  add("algorithm_tokenbucket", {Algorithm::token_bucket});
  add("algorithm_leakybucket", {Algorithm::leaky_bucket});
  add("algorithm_fixed", {Algorithm::fixed_window});
  add("algorithm_sliding", {Algorithm::sliding_window_log, Algorithm::sliding_window_counter});
  add("algorithm_quota", {Algorithm::quota});
  add("algorithm_concurrent", {Algorithm::concurrent});
}

void write_commands(const InfoSection& section, const Counters& counters) {
  const std::span<const Command> table = command_table();
  for (std::size_t i = 0; i < table.size(); ++i) {
    const Counters::OfCommand& counted = counters.commands[i];
    if (counted.calls == 0) continue;
    const std::string field = "command_" + in_lower_case(table[i].name);
    section.add(field.c_str(), {{"calls", counted.calls}, {"errors", counted.errors}});
  }
}

void write_keyspace(const InfoSection& section, const Module& module) {
  section.add("keys_compact", module.census.keys(StoredValue::Form::compact));
  section.add("keys_single", module.census.keys(StoredValue::Form::value));
  section.add("keys_dense", module.census.keys(StoredValue::Form::table));
  section.add("limiters", module.census.limiters());
  section.add("subjects", module.census.subjects());
  section.add("memory_bytes", server::memory_in_use());
  section.add("different_limits", module.limits.size());
  section.add("states_kept_after_premature_expiry", module.premature_expiries.size());
}

void write_background_work(const InfoSection& section, const Module& module) {
  const BackgroundSweep& sweep = module.background_sweep;
  section.add("keys_with_pending_changes", sweep.keys_with_pending_changes());
  section.add("longest_sweep_step_us", static_cast<std::uint64_t>(sweep.longest_step() / std::chrono::microseconds{1}));
  section.add("effects_are_written", module.propagation_switch.is_on() ? 1 : 0);
}

}  // namespace

void write_info(RedisModuleInfoCtx* info, int /*for_crash_report*/) {
  const InfoSection section(info);
  const Module& module = ratelimit::module();
  write_process(section, module);
  write_calls(section, module.counters);
  write_algorithms(section, module.counters);
  write_commands(section, module.counters);
  write_keyspace(section, module);
  write_background_work(section, module);
}

}  // namespace ratelimit::commands
