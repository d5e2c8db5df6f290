// SPDX-License-Identifier: MIT
// Puts calls in the order of their times, if each is at most some bound behind a later one.
//
// A server writes a line when a request ends; Apache gives it the time when the request began, nginx lets each worker
// keep its lines for a while. So lines are a little out of order. A call waits here until a call has come whose time is
// later by the bound. A call that comes later than that counts as of the last one that went on: limits never see time go
// back. Memory: the calls of one bound, and at most a million: of a flood, the first goes on earlier. Depends on calls.
#ifndef RATELIMIT_TOOLS_REPLAY_REORDER_H
#define RATELIMIT_TOOLS_REPLAY_REORDER_H

#include <cstddef>
#include <cstdint>
#include <deque>
#include <queue>
#include <tuple>
#include <vector>

#include "ratelimit/units.h"
#include "replay/call.h"

namespace ratelimit::replay {

class Reorder {
 public:
  static constexpr std::size_t kMostWaiting = 1'000'000;  ///< 32 MB

  explicit Reorder(Span bound) : bound_(bound) {}

  /// Takes the next call of the log, and hands on those that need not wait any longer: `next(call)`.
  template <class Next>
  void take(Call call, Next&& next) {
    const bool is_late = call.at < last_;
    if (is_late) call.at = last_;
    const bool is_in_order = in_order_.empty() || in_order_.back().at <= call.at;
    if (is_in_order) {
      in_order_.push_back(call);
    } else {
      out_of_order_.push(call);
    }
    late_ += is_late ? 1 : 0;
    disordered_ += !is_late && !is_in_order ? 1 : 0;
    const Instant newest = in_order_.back().at;
    while (!is_empty() && (newest - first().at >= bound_ || waiting() > kMostWaiting)) hand_on(next);
  }

  /// Hands on all that is left.
  template <class Next>
  void finish(Next&& next) {
    while (!is_empty()) hand_on(next);
  }

  [[nodiscard]] std::uint64_t disordered() const { return disordered_; }  ///< calls that were put in order
  [[nodiscard]] std::uint64_t late() const { return late_; }              ///< calls that came too late for that

 private:
  struct Later {
    bool operator()(const Call& a, const Call& b) const { return std::tie(a.at, a.line) > std::tie(b.at, b.line); }
  };

  [[nodiscard]] std::size_t waiting() const { return in_order_.size() + out_of_order_.size(); }
  [[nodiscard]] bool is_empty() const { return in_order_.empty() && out_of_order_.empty(); }
  [[nodiscard]] bool is_first_out_of_order() const {
    return in_order_.empty() || (!out_of_order_.empty() && Later{}(in_order_.front(), out_of_order_.top()));
  }
  [[nodiscard]] const Call& first() const { return is_first_out_of_order() ? out_of_order_.top() : in_order_.front(); }

  template <class Next>
  void hand_on(Next&& next) {
    const Call call = first();
    is_first_out_of_order() ? out_of_order_.pop() : in_order_.pop_front();
    last_ = call.at;
    next(call);
  }

  Span bound_;
  Instant last_{};
  std::deque<Call> in_order_;  ///< by their times: most calls
  std::priority_queue<Call, std::vector<Call>, Later> out_of_order_;
  std::uint64_t disordered_ = 0;
  std::uint64_t late_ = 0;
};

}  // namespace ratelimit::replay

#endif  // RATELIMIT_TOOLS_REPLAY_REORDER_H
