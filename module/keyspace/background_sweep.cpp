// SPDX-License-Identifier: MIT
#include "keyspace/background_sweep.h"

#include <algorithm>

namespace ratelimit {
namespace {

// All tables are walked through in this time, if they are not so large that it would take more than a step a millisecond.
constexpr std::chrono::milliseconds kWalk{1000};
constexpr std::chrono::milliseconds kShortestPause{1};

}  // namespace

void BackgroundSweep::note(server::Context context, const server::KeyName& key) {
  if (steps_.emplace(Name(key.database, key.name), 1).second) ++steps_of_all_;
  wait_for_next(context);
}

void BackgroundSweep::note_change(server::Context context, const server::KeyName& key) {
  note(context, key);
  pending_.emplace(key.database, key.name);
  if (is_next_soon_ || !next_) return;
  context.cancel_call(*next_);
  next_.reset();
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
  if (next_ || steps_.empty()) return;
  const auto pause = kWalk / static_cast<std::chrono::milliseconds::rep>(steps_of_all_);
  is_next_soon_ = !pending_.empty() || pause <= kShortestPause;
  next_ = context.call_after(is_next_soon_ ? kShortestPause : pause, tick, this);
}

void BackgroundSweep::tick(RedisModuleCtx* handle, void* data) {
  auto& self = *static_cast<BackgroundSweep*>(data);
  const server::Context context(handle);
  self.next_.reset();
  const auto begin = std::chrono::steady_clock::now();
  self.take_step(context);
  self.longest_step_ = std::max<std::chrono::nanoseconds>(self.longest_step_, std::chrono::steady_clock::now() - begin);
  self.wait_for_next(context);
}

/// Where the next step is, in one of the two walks. The name stays at its table until the walk is through it.
BackgroundSweep::Name& BackgroundSweep::next_place() {
  was_pending_ = !was_pending_ && !pending_.empty();
  if (was_pending_) {
    const auto next = pending_.lower_bound(current_pending_);
    return current_pending_ = next != pending_.end() ? *next : *pending_.begin();
  }
  const auto next = steps_.lower_bound(current_);
  return current_ = next != steps_.end() ? next->first : steps_.begin()->first;
}

void BackgroundSweep::take_step(server::Context context) {
  Name& place = next_place();
  const auto entry = steps_.find(place);
  if (entry == steps_.end()) {  // its key was renamed
    pending_.erase(place);
    return;
  }
  const auto& [database, name] = entry->first;
  context.select_database(database);
  const std::optional<Found> found = step_(context, name);
  if (!found) {
    steps_of_all_ -= entry->second;
    pending_.erase(entry->first);
    steps_.erase(entry);
    return;
  }
  if (found->has_pending_changes) {
    pending_.insert(entry->first);
  } else {
    pending_.erase(entry->first);
  }
  const std::size_t steps = 1 + found->subjects / kSubjectsAStep;
  steps_of_all_ += steps - std::exchange(entry->second, steps);
  if (found->is_end_of_table) place.second.push_back('\0');  // the least name behind this one
}

}  // namespace ratelimit
