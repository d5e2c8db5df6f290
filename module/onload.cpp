// SPDX-License-Identifier: MIT
// Where the server enters: the loading of the module.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "commands/command_table.h"
#include "commands/errors.h"
#include "keyspace/data_type.h"
#include "keyspace/module.h"
#include "keyspace/server_events.h"
#include "keyspace/sweep_step.h"
#include "ratelimit/version.h"
#include "server/api.h"
#include "server/zones.h"

namespace ratelimit {
namespace {

/// Whether the words behind the module's path are understood; `debug` is set if DEBUG is among them.
bool parse_module_arguments(std::span<RedisModuleString* const> words, bool& debug) {
  for (RedisModuleString* word : words) {
    const std::string_view text = server::Text(word).view();
    if (text != "DEBUG" && text != "debug") return false;
    debug = true;
  }
  return true;
}

/// What INFO shows of the module as a whole.
void write_info(RedisModuleInfoCtx* info, int) {
  const server::InfoSection section(info);
  section.add("different_limits", module().limits.size());
  section.add("states_kept_after_premature_expiry", module().premature_expiries.size());
  section.add("dense_keys", module().background_sweep.size());
  section.add("keys_with_pending_changes", module().background_sweep.keys_with_pending_changes());
  section.add("longest_sweep_step_us",
              static_cast<std::uint64_t>(module().background_sweep.longest_step() / std::chrono::microseconds{1}));
  section.add("effects_are_written", module().propagation_switch.is_on() ? 1 : 0);
}

bool load(server::Context context, std::span<RedisModuleString* const> words) {
  if (!server::initialise(context, "ratelimit", kVersionNumber)) return false;
  bool debug = false;
  if (!parse_module_arguments(words, debug)) {
    context.log_warning(message({Fault::Kind::unknown_module_argument}).c_str());
    return false;
  }
  create_module(find_zone, sweep_step);
  module().data_type = register_data_type(context);
  return module().data_type != nullptr && listen_to_server_events(context) &&
         server::register_info(context, write_info) && register_commands(context, debug);
}

}  // namespace
}  // namespace ratelimit

extern "C" __attribute__((visibility("default"))) int RedisModule_OnLoad(RedisModuleCtx* context,
                                                                         RedisModuleString** words,
                                                                         int count) noexcept {
  constexpr int kOk = 0;
  constexpr int kError = 1;
  const std::span<RedisModuleString* const> arguments{words, static_cast<std::size_t>(count)};
  return ratelimit::load(ratelimit::server::Context(context), arguments) ? kOk : kError;
}
