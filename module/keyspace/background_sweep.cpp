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
  auto& self = *static_cast<BackgroundSweep*>(data);
  const server::Context context(handle);
  self.is_waiting_ = false;
  const auto begin = std::chrono::steady_clock::now();
  self.take_step(context);
  self.longest_step_ = std::max<std::chrono::nanoseconds>(self.longest_step_, std::chrono::steady_clock::now() - begin);
  self.wait_for_next(context);
}

void BackgroundSweep::take_step(server::Context context) {
  auto entry = steps_.lower_bound(current_);
  if (entry == steps_.end()) entry = steps_.begin();
  const auto& [database, name] = current_ = entry->first;
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
  if (found->is_end_of_table) current_.second.push_back('\0');  // the least name behind this one
}

}  // namespace ratelimit
