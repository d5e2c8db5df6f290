// SPDX-License-Identifier: MIT
// Frees what large subjects leave behind, a step at a time, so that no call waits for it.
//
// To free 65,536 holds takes ten milliseconds and more, and as much again for the leases of each limit. The server
// frees large keys in a thread of its own, but only whole keys, and only if it is asked to. So whoever forgets or
// replaces a subject offers it here first. What is small is left alone: to free it at once is quicker.
#ifndef RATELIMIT_MODULE_KEYSPACE_BACKGROUND_RELEASE_H
#define RATELIMIT_MODULE_KEYSPACE_BACKGROUND_RELEASE_H

#include <vector>

#include "server/api.h"
#include "storage/subject.h"
#include "storage/value.h"

namespace ratelimit {

class BackgroundRelease {
 public:
  /// Takes over what a subject has, which is to be forgotten, if that is much. The subject is as good as idle then.
  void take_from(server::Context context, const Subject& subject);

 private:
  static void tick(RedisModuleCtx* handle, void* data);
  void wait_for_next(server::Context context);
  void take_step();

  std::vector<Value::Pointer> left_;
  bool is_waiting_ = false;  ///< for the timer of the next step
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_KEYSPACE_BACKGROUND_RELEASE_H
