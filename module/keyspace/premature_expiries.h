// SPDX-License-Identifier: MIT
// States of keys that the server ended too early, because its wall clock was stepped forward.
//
// The server ends keys by its wall clock, the module decides by a clock that cannot be stepped. After a step forward
// the server ends, at once, keys whose states still count. Such a state is kept aside, in its encoded form, until the
// key is asked for again or the state is idle. Without steps of the clock nothing is ever kept.
#ifndef RATELIMIT_MODULE_KEYSPACE_PREMATURE_EXPIRIES_H
#define RATELIMIT_MODULE_KEYSPACE_PREMATURE_EXPIRIES_H

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "ratelimit/units.h"
#include "server/api.h"

namespace ratelimit {

class PrematureExpiries {
 public:
  /// The server takes a value out of its keyspace, for a reason that it does not tell yet: it may be expiry.
  void note_removed(const server::KeyName& key, std::string encoded, Instant idle_at);

  /// The reason was expiry. Forgets states that have become idle meanwhile.
  void note_expired(const server::KeyName& key, Instant now);

  /// What the key held, if it was ended too early and still counts.
  [[nodiscard]] std::optional<std::string> find(const server::KeyName& key, Instant now) const;
  void forget(const server::KeyName& key) { states_.erase(key_of(key)); }
  void clear() { *this = PrematureExpiries(); }

  [[nodiscard]] std::size_t size() const { return states_.size(); }

  /// Whether nothing is kept, which is so as long as the clock is not stepped.
  [[nodiscard]] bool empty() const { return states_.empty() && !removed_last_; }

 private:
  // A step of the clock may end millions of keys. So many of them are remembered, some megabytes.
  static constexpr std::size_t kMostStates = 65'536;

  /// The number of the database and the name.
  using Key = std::string;
  struct State {
    std::string encoded;
    Instant idle_at;
  };

  [[nodiscard]] static Key key_of(const server::KeyName& name);
  void forget_idle(Instant now);

  std::unordered_map<Key, State> states_;
  std::deque<Key> oldest_first_;
  std::optional<std::pair<Key, State>> removed_last_;
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_KEYSPACE_PREMATURE_EXPIRIES_H
