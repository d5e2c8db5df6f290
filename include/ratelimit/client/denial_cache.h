// Denials that still hold: who was told to wait is denied here until the wait is over, without asking anybody.
//
// A denial is remembered for exactly the call that was denied: another cost may be granted. It holds from when it was
// asked for, not from when the answer came, so that it never outlives the server's own wait. At most so many are
// remembered; the one that ends first goes first, and forgetting one costs a round trip, nothing else. Pure; std only.
#ifndef RATELIMIT_CLIENT_DENIAL_CACHE_H
#define RATELIMIT_CLIENT_DENIAL_CACHE_H

#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "ratelimit/client/clock.h"

namespace ratelimit::client {

/// `Answer` is what the caller was told.
template <class Answer>
class Denials {
 public:
  struct Denial {
    Time holds_until;  ///< no later than the server's own
    Time wait_until;   ///< what the caller is told: no earlier
    Time reset_at;
    Answer answer;
  };

  /// Of 0, nothing is remembered.
  explicit Denials(std::size_t most) : most_(most) {}

  /// The denial of this very call that still holds at `now`; null if there is none. Valid until the next call here.
  [[nodiscard]] const Denial* find(std::string_view call, Time now) {
    const auto found = denials_.find(call);
    if (found == denials_.end()) return nullptr;
    if (now < found->second.holds_until) return &found->second;
    forget(found);
    return nullptr;
  }

  void remember(std::string call, Denial denial, Time now) {
    if (denial.holds_until <= now || most_ == 0) return;
    if (const auto old = denials_.find(call); old != denials_.end()) forget(old);
    while (!by_end_.empty() && (by_end_.begin()->first <= now || denials_.size() >= most_)) {
      forget(denials_.find(*by_end_.begin()->second));
    }
    const auto [added, is_new] = denials_.emplace(std::move(call), std::move(denial));
    if (is_new) by_end_.emplace(added->second.holds_until, &added->first);
  }

  /// Forgets all calls whose names begin so: units came back.
  void forget_all(std::string_view prefix) {
    auto next = denials_.lower_bound(prefix);
    while (next != denials_.end() && next->first.starts_with(prefix)) forget(next++);
  }

  [[nodiscard]] std::size_t size() const { return denials_.size(); }

 private:
  using Map = std::map<std::string, Denial, std::less<>>;

  void forget(typename Map::iterator denial) {
    by_end_.erase({denial->second.holds_until, &denial->first});
    denials_.erase(denial);
  }

  std::size_t most_;
  Map denials_;
  std::set<std::pair<Time, const std::string*>> by_end_;
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_DENIAL_CACHE_H
