// SPDX-License-Identifier: MIT
// Denials that still hold: a call that was told to wait is denied again until the wait is over, without asking the server.
// Thread-safe; time is an argument. Depends on answers.
//
// A denial is remembered for exactly the call that was denied: a call of another cost may be granted. It holds from when
// the server was asked, not from when the answer came, so that it never outlives the server's own wait. When it has ended,
// one call asks the server again, and the others stay denied until that call is answered, or for as long as an answer may
// take: a flood of many threads would else ask all at once. The number of denials is bounded: the one that ends first is
// forgotten first, which costs a round trip and nothing else.
#ifndef RATELIMIT_CLIENT_DENIAL_CACHE_H
#define RATELIMIT_CLIENT_DENIAL_CACHE_H

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "ratelimit/client/answer.h"
#include "ratelimit/client/clock.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

class DenialCache {
 public:
  /// Remembers at most `max` denials, each for no longer than `longest`. If `max` is 0, it remembers none. An answer of the
  /// server takes at most `renewal`.
  DenialCache(std::size_t max, Span longest, Span renewal) : max_(max), longest_(longest), renewal_(renewal) {}

  [[nodiscard]] bool is_off() const { return max_ == 0; }

  /// The answer to a call whose denial still holds at `now`, with what is left of the wait. None if there is no such
  /// denial, or if it has just ended and this is the call that asks again. `call` is the name of the call.
  [[nodiscard]] std::optional<Answer> find(std::string_view call, Time now) {
    const std::lock_guard lock(mutex_);
    const auto found = denials_.find(call);
    if (found == denials_.end()) return std::nullopt;
    Denial& denial = found->second;
    const bool is_over = now >= denial.holds_until;
    if (is_over && now >= denial.holds_until + renewal_) {
      erase(found);
      return std::nullopt;
    }
    if (is_over && !std::exchange(denial.is_being_renewed, true)) return std::nullopt;
    Answer answer = denial.answer;
    if (answer.outcome == Outcome::denied) {
      answer.wait = std::max(left(denial.wait_until, now), std::chrono::milliseconds{1});
    }
    answer.reset = left(denial.reset_at, now);
    answer.source = Source::remembered;
    return answer;
  }

  /// Remembers the answer to a call, if the call was denied. A call that is never granted is denied for `longest`.
  void remember(std::string call, const Answer& answer, Time asked_at, Time answered_at) {
    if (answer.source == Source::error || answer.outcome == Outcome::granted || is_off()) return;
    const bool is_never = answer.outcome == Outcome::never;
    const Span holds = is_never ? longest_ : std::min<Span>(answer.wait, longest_);
    add(std::move(call),
        {.holds_until = asked_at + holds,
         .wait_until = answered_at + answer.wait,
         .reset_at = answered_at + answer.reset,
         .answer = answer,
         .is_being_renewed = false},
        answered_at);
  }

  /// Forgets the denial of a call that was not denied again.
  void forget(std::string_view call) {
    const std::lock_guard lock(mutex_);
    if (const auto found = denials_.find(call); found != denials_.end()) erase(found);
  }

  /// Forgets all calls whose names begin with `prefix`: units came back to a subject.
  void forget_all(std::string_view prefix) {
    const std::lock_guard lock(mutex_);
    auto next = denials_.lower_bound(prefix);
    while (next != denials_.end() && next->first.starts_with(prefix)) erase(next++);
  }

  [[nodiscard]] std::size_t size() const { return size_.load(std::memory_order_relaxed); }

 private:
  struct Denial {
    Time holds_until;  ///< no later than the server's own
    Time wait_until;   ///< as the caller is told: no earlier than the server's own
    Time reset_at;
    Answer answer;
    bool is_being_renewed = false;  ///< it has ended, and one call asks the server again
  };
  using Map = std::map<std::string, Denial, std::less<>>;

  /// Rounded up.
  static std::chrono::milliseconds left(Time until, Time now) {
    return std::chrono::ceil<std::chrono::milliseconds>(std::max<Span>(until - now, Span{}));
  }

  void add(std::string call, Denial denial, Time now) {
    if (denial.holds_until <= now) return;
    const std::lock_guard lock(mutex_);
    if (const auto old = denials_.find(call); old != denials_.end()) erase(old);
    while (!by_end_.empty() && (by_end_.begin()->first + renewal_ <= now || denials_.size() >= max_)) {
      erase(denials_.find(*by_end_.begin()->second));
    }
    const auto [added, is_new] = denials_.emplace(std::move(call), std::move(denial));
    if (is_new) by_end_.emplace(added->second.holds_until, &added->first);
    size_.store(denials_.size(), std::memory_order_relaxed);
  }

  /// Needs the lock.
  void erase(Map::iterator denial) {
    by_end_.erase({denial->second.holds_until, &denial->first});
    denials_.erase(denial);
    size_.store(denials_.size(), std::memory_order_relaxed);
  }

  const std::size_t max_;
  const Span longest_;
  const Span renewal_;
  std::atomic<std::size_t> size_{0};
  std::mutex mutex_;  ///< guards what follows
  Map denials_;       ///< by the name of the call
  std::set<std::pair<Time, const std::string*>> by_end_;
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_DENIAL_CACHE_H
