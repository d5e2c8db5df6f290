// SPDX-License-Identifier: MIT
#include "server/acl.h"

#include "server/door.h"

namespace ratelimit::server {
namespace {

/// A function of the modules interface that Redis 7.0 lacks, and its header too; null if the server lacks it.
template <class Function>
Function* newer_function(const char* name) {
  Function* function = nullptr;
  static_cast<void>(RedisModule_GetApi(name, reinterpret_cast<void*>(&function)));
  return function;
}

}  // namespace

bool add_acl_category(Context context, const char* name) {
  auto* const add = newer_function<int(RedisModuleCtx*, const char*)>("RedisModule_AddACLCategory");
  return add != nullptr && add(context.handle(), name) == REDISMODULE_OK;
}

bool set_acl_categories(RedisModuleCommand* command, const char* categories) {
  auto* const set = newer_function<int(RedisModuleCommand*, const char*)>("RedisModule_SetCommandACLCategories");
  const bool has_any = *categories != '\0';
  return set == nullptr || !has_any || set(command, categories) == REDISMODULE_OK;
}

}  // namespace ratelimit::server
