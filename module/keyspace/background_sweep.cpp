#include "keyspace/background_sweep.h"

#include <algorithm>

#include "keyspace/module.h"
#include "keyspace/open_key.h"

namespace ratelimit {
namespace {

// Some ten microseconds of work, a hundred at most: also while limits are changed.
constexpr std::size_t kSubjectsAStep = 1000;

// All tables are walked through in this time, if they are not so large that it would take more than a step a millisecond.
constexpr std::chrono::milliseconds kWalk{1000};
constexpr std::chrono::milliseconds kShortestPause{1};

}  // namespace

void BackgroundSweep::note(server::Context context, const server::KeyName& key) {
  if (steps_.emplace(Name(key.database, key.name), 1).second) ++steps_of_all_;
  wait_for_next(context);
}

void BackgroundSweep::note_swap(int first, int second) {
  const auto swapped = [first, second](Name name) {
    name.first = name.first == first ? second : name.first == second ? first : name.first;
    return name;
  };
  std::map<Name, std::size_t> steps;
  for (const auto& [name, count] : steps_) steps.emplace(swapped(name), count);
  steps_ = std::move(steps);
  std::set<Name> pending;
  for (const Name& name : pending_) pending.insert(swapped(name));
  pending_ = std::move(pending);
}

void BackgroundSweep::wait_for_next(server::Context context) {
  if (is_waiting_ || steps_.empty()) return;
  is_waiting_ = true;
  const auto pause = kWalk / static_cast<std::chrono::milliseconds::rep>(steps_of_all_);
  context.call_after(std::max(pause, kShortestPause), tick, this);
}

void BackgroundSweep::tick(RedisModuleCtx* handle, void* data) {
  auto& background_sweep = *static_cast<BackgroundSweep*>(data);
  const server::Context context(handle);
  background_sweep.is_waiting_ = false;
  const auto begin = std::chrono::steady_clock::now();
  background_sweep.take_step(context);
  background_sweep.longest_step_ =
      std::max<std::chrono::nanoseconds>(background_sweep.longest_step_, std::chrono::steady_clock::now() - begin);
  background_sweep.wait_for_next(context);
}

void BackgroundSweep::take_step(server::Context context) {
  auto entry = steps_.lower_bound(current_);
  if (entry == steps_.end()) entry = steps_.begin();
  const auto& [database, name] = current_ = entry->first;
  context.select_database(database);
  const server::OwnText text(context, name);
  OpenKey key(context, text.text(), server::Key::Access::quiet_write);
  SubjectTable* const subject_table = key.subject_table();
  if (subject_table == nullptr) {
    steps_of_all_ -= entry->second;
    pending_.erase(entry->first);
    steps_.erase(entry);
    return;
  }
  const Instant now = module().clock.now();
  const bool may_change = context.may_change_keys();
  const HashRange range = subject_table->hash_table().range_from(subject_table->next_to_sweep, kSubjectsAStep);
  key.sweep(range, may_change, now);
  if (subject_table->hash_table().has_pending_changes()) {
    pending_.insert(entry->first);
  } else {
    pending_.erase(entry->first);
  }
  const std::size_t steps = 1 + subject_table->hash_table().size() / kSubjectsAStep;
  steps_of_all_ += steps - std::exchange(entry->second, steps);
  const bool is_last = range.last == SubjectHash::largest();
  subject_table->next_to_sweep = is_last ? SubjectHash::smallest() : range.last.next();
  if (!is_last) return;
  if (may_change) key.remove_if_idle(now);
  current_.second.push_back('\0');  // the least name behind this one
}

}  // namespace ratelimit
