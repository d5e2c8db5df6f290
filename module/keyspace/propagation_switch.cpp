#include "keyspace/propagation_switch.h"

#include <chrono>

#include "keyspace/module.h"

namespace ratelimit {
namespace {

// Long enough to cost nothing, short enough that the snapshots of every minute do not matter.
constexpr std::chrono::milliseconds kTimeToTheNextLook{1000};

void note_event(RedisModuleCtx* context) { module().followers.expect_one(server::Context(context)); }

}  // namespace

void Followers::expect_one(server::Context context) {
  may_exist_ = true;
  if (look_is_due_) return;
  look_is_due_ = true;
  context.call_after(kTimeToTheNextLook, look, this);
}

void Followers::look(RedisModuleCtx* handle, void* data) {
  auto& followers = *static_cast<Followers*>(data);
  const server::Context context(handle);
  followers.look_is_due_ = false;
  followers.may_exist_ = context.may_have_followers();
  if (followers.may_exist_) followers.expect_one(context);
}

bool watch_for_followers(server::Context context) {
  if (!server::listen_to_forks(context, note_event) || !server::listen_to_role_changes(context, note_event)) {
    return false;
  }
  module().followers.expect_one(context);
  return true;
}

}  // namespace ratelimit
