// SPDX-License-Identifier: MIT
// Whether effects are propagated: whether there is a replica or an append-only file, or one is about to be.
//
// Writing an effect costs the server a third of a whole check, also if nobody reads it. So effects are written only while
// somebody may read them. "Nobody reads" is believed only after a look at the server; "somebody reads" at once, when the
// server says that it forked or changed its role. Nobody can begin to read in any other way:
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

  /// Something happened after which somebody may read effects. Switches on, and looks at the server again after a while.
  void switch_on(server::Context context);

 private:
  static void look(RedisModuleCtx* handle, void* data);

  bool is_on_ = true;
  bool look_is_due_ = false;
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_KEYSPACE_PROPAGATION_SWITCH_H
