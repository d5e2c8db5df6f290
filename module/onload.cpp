// Where the server enters: the loading of the module.
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "command_table.h"
#include "data_type.h"
#include "errors.h"
#include "ratelimit/version.h"
#include "server/api.h"
#include "state.h"

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

bool load(server::Context context, std::span<RedisModuleString* const> words) {
  if (!server::initialise(context, "ratelimit", kVersionNumber)) return false;
  bool debug = false;
  if (!parse_module_arguments(words, debug)) {
    context.log_warning(message({Fault::Kind::unknown_module_argument}).c_str());
    return false;
  }
  create_module();
  module().data_type = register_data_type(context);
  return module().data_type != nullptr && register_commands(context, debug);
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
