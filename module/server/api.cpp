// SPDX-License-Identifier: MIT
#include "server/api.h"

#include "server/door.h"

namespace ratelimit::server {

bool initialise(Context context, const char* module_name, int module_version) {
  if (RedisModule_Init(context.handle(), module_name, module_version, REDISMODULE_APIVER_1) != REDISMODULE_OK) {
    return false;
  }
  // The header asks for functions by name and leaves null what the server does not have. This is the newest that is
  // needed always; a server without it is older than Redis 7.0.
  if (RedisModule_SetCommandInfo == nullptr) {
    context.log_warning("the ratelimit module needs Redis 7.0 or later, or Valkey");
    return false;
  }
  // We signal a key ourselves, when its state changes: a denial that signalled would break WATCH and the caches of
  // clients. Values that load while the old ones are still there are no problem, for they share nothing that moves.
  RedisModule_SetModuleOptions(context.handle(), REDISMODULE_OPTIONS_HANDLE_IO_ERRORS |
                                                     REDISMODULE_OPTION_NO_IMPLICIT_SIGNAL_MODIFIED |
                                                     REDISMODULE_OPTIONS_HANDLE_REPL_ASYNC_LOAD);
  return true;
}

}  // namespace ratelimit::server
