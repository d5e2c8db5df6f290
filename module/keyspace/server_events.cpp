// SPDX-License-Identifier: MIT
#include "keyspace/server_events.h"

#include "keyspace/module.h"
#include "storage/stored_value.h"

namespace ratelimit {
namespace {

int note_expired(RedisModuleCtx* context, int, const char*, RedisModuleString* key) {
  if (module().premature_expiries.empty()) return 0;
  const server::KeyName name{server::Context(context).database(), server::Text(key).view()};
  module().premature_expiries.note_expired(name, module().clock.now());
  return 0;
}

void note_flush() { module().premature_expiries.clear(); }

void note_swap(int first, int second) {
  module().premature_expiries.clear();
  module().background_sweep.note_swap(first, second);
}

/// A key has been renamed, moved or copied: the background sweep knows tables by the names of their keys.
int note_new_name(RedisModuleCtx* handle, int, const char*, RedisModuleString* name) {
  const server::Context context(handle);
  const server::Text text(name);
  const server::Key key(context, text, server::Key::Access::read);
  const StoredValue stored(key.value(module().data_type), module().limits);
  if (stored.subject_table() != nullptr) module().background_sweep.note(context, {context.database(), text.view()});
  return 0;
}

/// After a fork, or in another role, somebody may read effects.
void note_possible_reader(RedisModuleCtx* context) { module().propagation_switch.switch_on(server::Context(context)); }

}  // namespace

bool listen_to_server_events(server::Context context) {
  if (!server::listen_to_expiries(context, note_expired) || !server::listen_to_flushes(context, note_flush) ||
      !server::listen_to_swaps(context, note_swap) || !server::listen_to_new_names(context, note_new_name) ||
      !server::listen_to_forks(context, note_possible_reader) ||
      !server::listen_to_role_changes(context, note_possible_reader)) {
    return false;
  }
  module().propagation_switch.switch_on(context);
  return true;
}

}  // namespace ratelimit
