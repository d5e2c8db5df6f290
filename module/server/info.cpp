// SPDX-License-Identifier: MIT
#include "server/info.h"

#include <string>

#include "server/door.h"

namespace ratelimit::server {

InfoSection::InfoSection(RedisModuleInfoCtx* handle) : handle_(handle) { RedisModule_InfoAddSection(handle, nullptr); }
void InfoSection::add(const char* field, std::uint64_t number) const {
  RedisModule_InfoAddFieldULongLong(handle_, field, number);
}

void InfoSection::add(const char* field, std::string_view text) const {
  RedisModule_InfoAddFieldCString(handle_, field, std::string(text).c_str());
}
void InfoSection::add(const char* field, std::initializer_list<Part> parts) const {
  RedisModule_InfoBeginDictField(handle_, field);
  for (const Part& part : parts) RedisModule_InfoAddFieldULongLong(handle_, part.name, part.number);
  RedisModule_InfoEndDictField(handle_);
}

bool register_info(Context context, void (*write)(RedisModuleInfoCtx*, int for_crash_report)) {
  return RedisModule_RegisterInfoFunc(context.handle(), write) == REDISMODULE_OK;
}

}  // namespace ratelimit::server
