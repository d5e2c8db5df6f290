// SPDX-License-Identifier: MIT
#include "server/text.h"

#include <cstddef>

#include "server/door.h"

namespace ratelimit::server {

std::string_view Text::view() const {
  std::size_t size = 0;
  const char* bytes = RedisModule_StringPtrLen(handle_, &size);
  return {bytes, size};
}

KeyName name_of(RedisModuleKeyOptCtx* context) {
  std::size_t size = 0;
  const char* bytes = RedisModule_StringPtrLen(RedisModule_GetKeyNameFromOptCtx(context), &size);
  return {RedisModule_GetDbIdFromOptCtx(context), {bytes, size}};
}

KeyName name_of(RedisModuleIO* io) {
  std::size_t size = 0;
  const char* bytes = RedisModule_StringPtrLen(RedisModule_GetKeyNameFromIO(io), &size);
  return {RedisModule_GetDbIdFromIO(io), {bytes, size}};
}

}  // namespace ratelimit::server
