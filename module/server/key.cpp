// SPDX-License-Identifier: MIT
#include "server/key.h"

#include <cstddef>

#include "server/door.h"

namespace ratelimit::server {
namespace {

int mode_of(Key::Access access) {
  switch (access) {
    case Key::Access::read: return REDISMODULE_READ;
    case Key::Access::write: return REDISMODULE_READ | REDISMODULE_WRITE;
    case Key::Access::quiet_read: return REDISMODULE_READ | REDISMODULE_OPEN_KEY_NOTOUCH;
    case Key::Access::quiet_write: return REDISMODULE_READ | REDISMODULE_WRITE | REDISMODULE_OPEN_KEY_NOTOUCH;
  }
  return REDISMODULE_READ;
}

}  // namespace

Key::Key(Context context, Text name, Access access)
    : context_(context),
      name_(name),
      handle_(static_cast<RedisModuleKey*>(RedisModule_OpenKey(context.handle(), name.handle(), mode_of(access)))) {}

// A key that is absent has no handle when it was opened to be read.
Key::~Key() {
  if (handle_ != nullptr) RedisModule_CloseKey(handle_);
}

bool Key::is_absent() const { return handle_ == nullptr || RedisModule_KeyType(handle_) == REDISMODULE_KEYTYPE_EMPTY; }

void* Key::value(DataType type) const {
  if (handle_ == nullptr || RedisModule_ModuleTypeGetType(handle_) != type) return nullptr;
  return RedisModule_ModuleTypeGetValue(handle_);
}

std::optional<std::string_view> Key::text() const {
  if (handle_ == nullptr || RedisModule_KeyType(handle_) != REDISMODULE_KEYTYPE_STRING) return std::nullopt;
  std::size_t size = 0;
  const char* bytes = RedisModule_StringDMA(handle_, &size, REDISMODULE_READ);
  return std::string_view(bytes, size);
}

void Key::set(DataType type, void* value) { RedisModule_ModuleTypeSetValue(handle_, type, value); }
void Key::remove() {
  RedisModule_DeleteKey(handle_);
  RedisModule_NotifyKeyspaceEvent(context_.handle(), REDISMODULE_NOTIFY_GENERIC, "del", name_.handle());
}

std::optional<std::chrono::milliseconds> Key::expiry() const {
  const mstime_t unix_time = RedisModule_GetAbsExpire(handle_);
  if (unix_time == REDISMODULE_NO_EXPIRE) return std::nullopt;
  return std::chrono::milliseconds{unix_time};
}

void Key::expire_at(std::chrono::milliseconds unix_time) { RedisModule_SetAbsExpire(handle_, unix_time.count()); }
void Key::persist() { RedisModule_SetAbsExpire(handle_, REDISMODULE_NO_EXPIRE); }
void Key::signal_modified() const { RedisModule_SignalModifiedKey(context_.handle(), name_.handle()); }

}  // namespace ratelimit::server
