// SPDX-License-Identifier: MIT
// When the tables of subjects are swept, a step at a time.
//
// A step forgets idle subjects, brings changed limits to subjects that nobody asked for, gives memory back, and removes a
// key that nobody needs (keyspace/sweep_step.h). This file knows only which keys have tables and when the next step is due:
// whoever makes, loads or renames a table notes the name of its key here. A name that leads to no table is dropped.
//
// A walk goes through all tables. Where limits have changed, more is to be done: as long as changes are pending, there
// is a step each millisecond, and every second step is one through a table where they are.
#ifndef RATELIMIT_MODULE_KEYSPACE_BACKGROUND_SWEEP_H
#define RATELIMIT_MODULE_KEYSPACE_BACKGROUND_SWEEP_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "server/api.h"

namespace ratelimit {

class BackgroundSweep {
 public:
  /// Subjects that one step looks at: some ten microseconds of work.
  static constexpr std::size_t kSubjectsAStep = 1000;
  /// What one step may do beside that where limits have changed, in the measure of HashTable::work_of: some ten
  /// microseconds as well.
  static constexpr std::size_t kWorkAStep = 4000;

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

  /// The limits of a table in this key have changed, and not all of its subjects have seen it.
  void note_change(server::Context context, const server::KeyName& key);

  /// Two databases have traded their places.
  void note_swap(int first, int second);

  /// Keys with tables.
  [[nodiscard]] std::size_t size() const { return steps_.size(); }
  /// Those of them whose limits have changed for some subjects that were not seen since.
  [[nodiscard]] std::size_t keys_with_pending_changes() const { return pending_.size(); }
  [[nodiscard]] std::chrono::nanoseconds longest_step() const { return longest_step_; }

 private:
  using Name = std::pair<int, std::string>;  ///< number of the database, name of the key

  static void tick(RedisModuleCtx* handle, void* data);
  void wait_for_next(server::Context context);
  void take_step(server::Context context);
  [[nodiscard]] Name& next_place();

  Step step_;
  std::map<Name, std::size_t> steps_;  ///< how many steps a walk through each table takes
  std::size_t steps_of_all_ = 0;
  std::set<Name> pending_;
  std::chrono::nanoseconds longest_step_{};
  Name current_;                       ///< where the walk through all tables is
  Name current_pending_;               ///< where the walk through those with pending changes is
  bool was_pending_ = false;           ///< whether the last step was one of that walk
  std::optional<std::uint64_t> next_;  ///< the timer of the next step
  bool is_next_soon_ = false;
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_KEYSPACE_BACKGROUND_SWEEP_H
