// SPDX-License-Identifier: MIT
// Where the server enters: the loading of the module.
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "commands/command_table.h"
#include "commands/module_info.h"
#include "commands/module_settings.h"
#include "keyspace/data_type.h"
#include "keyspace/module.h"
#include "keyspace/server_events.h"
#include "keyspace/sweep_step.h"
#include "ratelimit/grammar/error_text.h"
#include "ratelimit/grammar/fault.h"
#include "ratelimit/version.h"
#include "server/api.h"
#include "server/zones.h"

namespace ratelimit {
namespace {

constexpr const char* kName = "ratelimit";

/// Reads the words behind the module's path. False, with the reason in the log, if they are not understood.
bool parse_module_arguments(server::Context context, std::span<RedisModuleString* const> arguments,
                            LoadRequest& request) {
  std::vector<std::string_view> words{kName};
  for (RedisModuleString* argument : arguments) words.push_back(server::Text(argument).view());
  const std::optional<Fault> fault = parse_module_words(words, request);
  if (fault) {
    const std::string text = message(*fault);
    context.log_warning(("not loaded: " + text.substr(text.find(' ') + 1)).c_str());  // without the code of an error
  }
  return !fault;
}

void log_load(server::Context context, bool debug) {
  const std::string text = std::string(kName) + ' ' + kVersion + " is loaded: " + text_of(module().settings) +
                           ", DEBUG " + (debug ? "yes" : "no");
  context.log_notice(text.c_str());
}

bool load(server::Context context, std::span<RedisModuleString* const> words) {
  LoadRequest request;
  if (!server::initialise(context, kName, kVersionNumber) || !parse_module_arguments(context, words, request)) {
    return false;
  }
  create_module(find_zone, sweep_step);
  module().settings = request.settings;
  module().has_debug_commands = request.debug;
  if (!register_settings(context, module().settings)) return false;
  module().data_type = register_data_type(context);
  const bool is_loaded = module().data_type != nullptr && listen_to_server_events(context) &&
                         server::register_info(context, commands::write_info) &&
                         register_commands(context, request.debug);
  if (is_loaded) log_load(context, request.debug);
  return is_loaded;
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
