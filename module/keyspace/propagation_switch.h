// Whether anybody follows the changes of this server: a replica, an append-only file, or one that is about to.
//
// Writing an effect down costs the server a third of a whole check, also if nobody reads it. So effects are written only
// if somebody may follow. That nobody does is believed only after a look at the server; that somebody does, at once,
// when the server says that it forked or changed its role: nobody can begin to follow otherwise.
//
//   - A replica begins with a snapshot, which a fork takes: what was decided before is in the snapshot. Before there is
//     a replica there is no backlog, and a new backlog has a new name that no replica can ask for a part of.
//   - An append-only file that is switched on begins with a snapshot likewise.
//   - A server that becomes a replica or a primary changes its role.
//
// In a cluster slots may move by ways of their own, so there effects are always written. docs/adr/0007 has the details.
#ifndef RATELIMIT_MODULE_KEYSPACE_PROPAGATION_SWITCH_H
#define RATELIMIT_MODULE_KEYSPACE_PROPAGATION_SWITCH_H

#include "server/api.h"

namespace ratelimit {

class PropagationSwitch {
 public:
  /// Whether effects must be written.
  [[nodiscard]] bool is_on() const { return is_on_; }

  /// Something happened after which there may be a follower: looks again after a while.
  void expect_one(server::Context context);

 private:
  static void look(RedisModuleCtx* handle, void* data);

  bool is_on_ = true;
  bool look_is_due_ = false;
};

/// Registers for what the server tells. False if it refuses.
[[nodiscard]] bool watch_for_readers_of_effects(server::Context context);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_KEYSPACE_PROPAGATION_SWITCH_H
