// SPDX-License-Identifier: MIT
#include "server/acl.h"

#include <cerrno>

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

/// Whether no user is behind a call. Asking for the name of the user would end the server then, and there is no other
/// question. So this calls a command as the user, with too many arguments: it is not carried out, and the first thing
/// that the server misses is a user.
bool has_no_user(Context context) {
  errno = 0;
  RedisModuleCallReply* const reply = RedisModule_Call(context.handle(), "TIME", "Cc", "");
  const bool is_missing = reply == nullptr && errno == ENOTSUP;
  if (reply != nullptr) RedisModule_FreeCallReply(reply);
  return is_missing;
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

User::User(Context context) : is_nobody_(has_no_user(context)) {
  if (is_nobody_) return;
  RedisModuleString* const name = RedisModule_GetCurrentUserName(context.handle());
  handle_ = RedisModule_GetModuleUserFromUserName(name);
  RedisModule_FreeString(context.handle(), name);
}
User::~User() {
  if (handle_ != nullptr) RedisModule_FreeModuleUser(handle_);
}

bool User::may_read(Text key) const {
  if (is_nobody_) return true;
  return handle_ != nullptr &&
         RedisModule_ACLCheckKeyPermissions(handle_, key.handle(), REDISMODULE_CMD_KEY_ACCESS) == REDISMODULE_OK;
}

}  // namespace ratelimit::server
