// SPDX-License-Identifier: MIT
#include "server/events.h"

#include <cstdint>
#include <string_view>

#include "server/door.h"

namespace ratelimit::server {
namespace {

// The server hands a listener nothing of ours, so each kind of event has a variable for its one listener.
void (*fork_listener)(RedisModuleCtx*) = nullptr;
void (*role_listener)(RedisModuleCtx*) = nullptr;
void (*flush_listener)() = nullptr;
void (*swap_listener)(int, int) = nullptr;

void on_fork(RedisModuleCtx* context, RedisModuleEvent, std::uint64_t subevent, void*) {
  if (subevent == REDISMODULE_SUBEVENT_FORK_CHILD_BORN) fork_listener(context);
}
void on_role_change(RedisModuleCtx* context, RedisModuleEvent, std::uint64_t, void*) { role_listener(context); }
void on_flush(RedisModuleCtx*, RedisModuleEvent, std::uint64_t, void*) { flush_listener(); }
void on_swap(RedisModuleCtx*, RedisModuleEvent, std::uint64_t, void* data) {
  const auto& swap = *static_cast<const RedisModuleSwapDbInfo*>(data);
  swap_listener(swap.dbnum_first, swap.dbnum_second);
}

}  // namespace

bool listen_to_forks(Context context, void (*listener)(RedisModuleCtx*)) {
  fork_listener = listener;
  return RedisModule_SubscribeToServerEvent(context.handle(), RedisModuleEvent_ForkChild, on_fork) == REDISMODULE_OK;
}

bool listen_to_role_changes(Context context, void (*listener)(RedisModuleCtx*)) {
  role_listener = listener;
  return RedisModule_SubscribeToServerEvent(context.handle(), RedisModuleEvent_ReplicationRoleChanged,
                                            on_role_change) == REDISMODULE_OK;
}

bool listen_to_flushes(Context context, void (*listener)()) {
  flush_listener = listener;
  return RedisModule_SubscribeToServerEvent(context.handle(), RedisModuleEvent_FlushDB, on_flush) == REDISMODULE_OK;
}

bool listen_to_swaps(Context context, void (*listener)(int, int)) {
  swap_listener = listener;
  return RedisModule_SubscribeToServerEvent(context.handle(), RedisModuleEvent_SwapDB, on_swap) == REDISMODULE_OK;
}

bool listen_to_expiries(Context context, KeyListener listener) {
  return RedisModule_SubscribeToKeyspaceEvents(context.handle(), REDISMODULE_NOTIFY_EXPIRED, listener) ==
         REDISMODULE_OK;
}

namespace {

KeyListener name_listener = nullptr;

int on_generic_event(RedisModuleCtx* context, int type, const char* event, RedisModuleString* key) {
  for (const std::string_view name : {"rename_to", "move_to", "copy_to"}) {
    if (event == name) return name_listener(context, type, event, key);
  }
  return REDISMODULE_OK;
}

}  // namespace

bool listen_to_new_names(Context context, KeyListener listener) {
  name_listener = listener;
  return RedisModule_SubscribeToKeyspaceEvents(context.handle(), REDISMODULE_NOTIFY_GENERIC, on_generic_event) ==
         REDISMODULE_OK;
}

}  // namespace ratelimit::server
