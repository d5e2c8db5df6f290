// SPDX-License-Identifier: MIT
// When the tables of subjects are swept, a step at a time.
//
// A step forgets idle subjects, brings changed limits to subjects that nobody asked for, gives memory back, and removes a
// key that nobody needs (keyspace/sweep_step.h). This file knows only which keys have tables and when the next step is due:
// whoever makes, loads or renames a table notes the name of its key here. A name that leads to no table is dropped.
#ifndef RATELIMIT_MODULE_KEYSPACE_BACKGROUND_SWEEP_H
#define RATELIMIT_MODULE_KEYSPACE_BACKGROUND_SWEEP_H

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "server/api.h"

namespace ratelimit {

class BackgroundSweep {
 public:
  /// Subjects that one step looks at: some ten microseconds of work, a hundred at most, also while limits are changed.
  static constexpr std::size_t kSubjectsAStep = 1000;

  /// What one step found in the table of a key.
  struct Found {
    std::size_t subjects;
    bool has_pending_changes;
    bool is_end_of_table;  ///< the next step begins at the front again
  };
  /// Takes one step through the table of the key with that name, in the selected database. None if there is no table.
  using Step = std::optional<Found> (*)(server::Context context, const std::string& name);

  explicit BackgroundSweep(Step step) : step_(step) {}

  /// There is a table in this key.
  void note(server::Context context, const server::KeyName& key);

  /// Two databases have traded their places.
  void note_swap(int first, int second);

  /// Keys with tables.
  [[nodiscard]] std::size_t size() const { return steps_.size(); }
  /// Those of them whose limits have changed for some subjects that were not seen since, as of the last walk.
  [[nodiscard]] std::size_t keys_with_pending_changes() const { return pending_.size(); }
  [[nodiscard]] std::chrono::nanoseconds longest_step() const { return longest_step_; }

 private:
  using Name = std::pair<int, std::string>;  ///< number of the database, name of the key

  static void tick(RedisModuleCtx* handle, void* data);
  void wait_for_next(server::Context context);
  void take_step(server::Context context);

  Step step_;
  std::map<Name, std::size_t> steps_;  ///< how many steps a walk through each table takes
  std::size_t steps_of_all_ = 0;
  std::set<Name> pending_;
  std::chrono::nanoseconds longest_step_{};
  Name current_;
  bool is_waiting_ = false;
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_KEYSPACE_BACKGROUND_SWEEP_H
