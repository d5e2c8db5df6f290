#include "keyspace/propagation_switch.h"

#include <chrono>

#include "keyspace/module.h"

namespace ratelimit {
namespace {

// Long enough to cost nothing, short enough that the snapshots of every minute do not matter.
constexpr std::chrono::milliseconds kTimeToTheNextLook{1000};

void note_event(RedisModuleCtx* context) { module().propagation_switch.expect_one(server::Context(context)); }

}  // namespace

void PropagationSwitch::expect_one(server::Context context) {
  is_on_ = true;
  if (look_is_due_) return;
  look_is_due_ = true;
  context.call_after(kTimeToTheNextLook, look, this);
}

void PropagationSwitch::look(RedisModuleCtx* handle, void* data) {
  auto& propagation_switch = *static_cast<PropagationSwitch*>(data);
  const server::Context context(handle);
  propagation_switch.look_is_due_ = false;
  propagation_switch.is_on_ = context.may_need_propagation();
  if (propagation_switch.is_on_) propagation_switch.expect_one(context);
}

bool watch_for_readers_of_effects(server::Context context) {
  if (!server::listen_to_forks(context, note_event) || !server::listen_to_role_changes(context, note_event)) {
    return false;
  }
  module().propagation_switch.expect_one(context);
  return true;
}

}  // namespace ratelimit
