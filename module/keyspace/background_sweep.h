// Goes through the tables of all dense keys, a step at a time: idle subjects are forgotten, limits that changed are brought
// to subjects that nobody asked for, memory is given back, and a key that nobody needs is removed.
//
// Tables are known by the names of their keys: whoever makes, loads or renames one says so here. A name that leads to no
// table is forgotten. On a replica nothing is forgotten, for the primary says what is; the rest is done there as well.
#ifndef RATELIMIT_MODULE_KEYSPACE_BACKGROUND_SWEEP_H
#define RATELIMIT_MODULE_KEYSPACE_BACKGROUND_SWEEP_H

#include <chrono>
#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "server/api.h"

namespace ratelimit {

class BackgroundSweep {
 public:
  /// There is a table in this key.
  void note(server::Context context, const server::KeyName& key);

  /// Two databases have traded their places.
  void note_swap(int first, int second);

  /// Keys that are looked after.
  [[nodiscard]] std::size_t size() const { return steps_.size(); }
  /// Those of them whose limits have changed for some subjects that were not seen since, as of the last walk.
  [[nodiscard]] std::size_t keys_with_pending_changes() const { return pending_.size(); }
  [[nodiscard]] std::chrono::nanoseconds longest_step() const { return longest_step_; }

 private:
  using Name = std::pair<int, std::string>;  ///< number of the database, name of the key

  static void tick(RedisModuleCtx* handle, void* data);
  void wait_for_next(server::Context context);
  void take_step(server::Context context);

  std::map<Name, std::size_t> steps_;  ///< how many a walk through each table takes
  std::size_t steps_of_all_ = 0;
  std::set<Name> pending_;
  std::chrono::nanoseconds longest_step_{};
  Name current_;
  bool is_waiting_ = false;
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_KEYSPACE_BACKGROUND_SWEEP_H
