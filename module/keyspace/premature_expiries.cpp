// SPDX-License-Identifier: MIT
#include "keyspace/premature_expiries.h"

namespace ratelimit {

PrematureExpiries::Key PrematureExpiries::key_of(const server::KeyName& name) {
  return std::to_string(name.database).append(1, ' ').append(name.name);
}

void PrematureExpiries::note_removed(const server::KeyName& key, std::string encoded, Instant idle_at) {
  removed_last_.emplace(key_of(key), State{std::move(encoded), idle_at});
}

void PrematureExpiries::note_expired(const server::KeyName& key, Instant now) {
  forget_idle(now);
  if (!removed_last_ || removed_last_->first != key_of(key)) return;
  if (states_.size() < kMostStates) {
    oldest_first_.push_back(removed_last_->first);
    states_.insert_or_assign(removed_last_->first, std::move(removed_last_->second));
  }
  removed_last_.reset();
}

std::optional<std::string> PrematureExpiries::find(const server::KeyName& key, Instant now) const {
  const auto found = states_.find(key_of(key));
  if (found == states_.end() || found->second.idle_at <= now) return std::nullopt;
  return found->second.encoded;
}

// Two a call are enough to keep up with one that comes in. A name whose state was taken has left the map already.
void PrematureExpiries::forget_idle(Instant now) {
  for (int i = 0; i < 2 && !oldest_first_.empty(); ++i) {
    const auto found = states_.find(oldest_first_.front());
    if (found != states_.end()) {
      if (found->second.idle_at > now) return;
      states_.erase(found);
    }
    oldest_first_.pop_front();
  }
}

}  // namespace ratelimit
