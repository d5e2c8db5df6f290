// SPDX-License-Identifier: MIT
#include "keyspace/propagation_switch.h"

#include <chrono>

namespace ratelimit {
namespace {

// Long enough to cost nothing, short enough that the snapshots of every minute do not matter.
constexpr std::chrono::milliseconds kTimeToTheNextLook{1000};

}  // namespace

void PropagationSwitch::switch_on(server::Context context) {
  is_on_ = true;
  if (look_is_due_) return;
  look_is_due_ = true;
  context.call_after(kTimeToTheNextLook, look, this);
}

void PropagationSwitch::look(RedisModuleCtx* handle, void* data) {
  auto& self = *static_cast<PropagationSwitch*>(data);
  const server::Context context(handle);
  self.look_is_due_ = false;
  self.is_on_ = context.may_need_propagation();
  if (self.is_on_) self.switch_on(context);
}

}  // namespace ratelimit
