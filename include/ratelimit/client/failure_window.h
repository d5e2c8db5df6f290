// SPDX-License-Identifier: MIT
// How many of the calls of the last moments failed. Time is divided into slots, and the oldest slot is forgotten when a new
// one begins, so that the memory is bounded. Pure; depends on the clock's types.
#ifndef RATELIMIT_CLIENT_FAILURE_WINDOW_H
#define RATELIMIT_CLIENT_FAILURE_WINDOW_H

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "ratelimit/client/clock.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

/// Time must not go back by more than a slot: a call that is counted late counts to the newest slot.
class FailureWindow {
 public:
  /// Remembers calls for `length`, and for up to an eighth of it longer.
  explicit FailureWindow(Span length) : slot_length_(std::max<Span>(length / kSlots, kMinSpan)) {}

  void count(bool has_failed, Time now) {
    Slot& slot = slot_at(now);
    ++slot.calls;
    if (!has_failed) return;
    if (slot.failures++ == 0) slot.first_failure = now;
  }

  struct Sum {
    std::uint64_t calls = 0;
    std::uint64_t failures = 0;
    Time first_failure{};  ///< of those; if there is none, it means nothing
  };
  [[nodiscard]] Sum sum(Time now) const {
    Sum sum;
    const std::int64_t newest = number_of(now);
    for (const Slot& slot : slots_) {
      if (slot.number + kSlots < newest) continue;
      if (slot.failures > 0 && (sum.failures == 0 || slot.first_failure < sum.first_failure)) {
        sum.first_failure = slot.first_failure;
      }
      sum.calls += slot.calls;
      sum.failures += slot.failures;
    }
    return sum;
  }

  void forget_all() { slots_ = {}; }

 private:
  static constexpr std::int64_t kSlots = 8;

  struct Slot {
    std::int64_t number = -kSlots - 1;  ///< of the slot since the clock's epoch
    std::uint64_t calls = 0;
    std::uint64_t failures = 0;
    Time first_failure{};
  };

  [[nodiscard]] std::int64_t number_of(Time time) const { return time.time_since_epoch() / slot_length_; }

  Slot& slot_at(Time now) {
    const std::int64_t number = number_of(now);
    // One slot more than the window has: the newest is not over yet.
    Slot& slot = slots_[static_cast<std::size_t>(number % (kSlots + 1))];
    if (slot.number < number) slot = {.number = number, .calls = 0, .failures = 0, .first_failure = {}};
    return slot;
  }

  Span slot_length_;
  std::array<Slot, kSlots + 1> slots_{};
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_FAILURE_WINDOW_H
