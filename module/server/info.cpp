// SPDX-License-Identifier: MIT
#include "server/info.h"

#include "server/door.h"

namespace ratelimit::server {

InfoSection::InfoSection(RedisModuleInfoCtx* handle) : handle_(handle) { RedisModule_InfoAddSection(handle, nullptr); }
void InfoSection::add(const char* field, std::uint64_t number) const {
  RedisModule_InfoAddFieldULongLong(handle_, field, number);
}

bool register_info(Context context, void (*write)(RedisModuleInfoCtx*, int for_crash_report)) {
  return RedisModule_RegisterInfoFunc(context.handle(), write) == REDISMODULE_OK;
}

}  // namespace ratelimit::server
