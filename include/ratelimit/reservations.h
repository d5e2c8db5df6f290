// SPDX-License-Identifier: MIT
// What a subject remembers beyond its states: the turn of a call that waits, and the holds of calls whose cost is not
// known yet. Depends on units, turns and the lease set.
#ifndef RATELIMIT_RESERVATIONS_H
#define RATELIMIT_RESERVATIONS_H

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "ratelimit/algorithms/lease_set.h"
#include "ratelimit/turn.h"
#include "ratelimit/units.h"

namespace ratelimit {

/// Default: no call waits, and there are no holds.
///
/// When a hold gives units back, it must not give back what was charged after it: those units are others'. So
/// `charged` counts all units that the subject is charged, and the mark of a hold is what `charged` was right after
/// its own charge.
struct Reservations {
  Turn turn;
  LeaseSet holds;             ///< by their ids, with the units that each was charged
  std::uint64_t charged = 0;  ///< units charged since there are holds. Wraps around: only differences have a meaning
  Instant as_of{};            ///< the last operation, since there are holds

  [[nodiscard]] bool empty() const { return holds.empty() && turn == Turn{}; }

  /// Units charged after a hold.
  [[nodiscard]] Units charged_after(const LeaseSet::Holder& hold) const {
    constexpr std::uint64_t kMost = std::uint64_t{1} << 62U;
    return Units(static_cast<std::int64_t>(std::min(charged - hold.mark, kMost)));
  }

  /// The hold `gone` has given `units` back. They were charged after each older hold: lowers what counts as charged
  /// after those, but not below what was charged after `gone`. Quick if no hold is older, as when holds end in the
  /// order in which they were taken.
  void forget_charged(const LeaseSet::Holder& gone, Units units) {
    const std::uint64_t since = charged - gone.mark;
    const auto less = static_cast<std::uint64_t>(units.count());
    holds.change_low_marks([&](std::uint64_t& mark) {
      const std::uint64_t newer = charged - mark;
      if (newer <= since) return false;
      mark = charged - std::max(since, newer > less ? newer - less : 0);
      return true;
    });
  }

  /// The last `units` that were charged were given back: lowers what counts as charged after each hold.
  void forget_newest_charged(Units units) {
    const auto less = static_cast<std::uint64_t>(units.count());
    holds.change_low_marks([&](std::uint64_t& mark) {
      const std::uint64_t newer = charged - mark;
      mark = charged - (newer > less ? newer - less : 0);
      return true;
    });
  }

  /// The instant from which on no call waits and no hold lasts.
  [[nodiscard]] Instant idle_at() const { return std::max(turn.at, holds.last_end()); }

  /// Resets what only holds need, if there are no holds.
  void compact() {
    if (!holds.empty()) return;
    charged = 0;
    as_of = {};
  }

  /// Whether a hold has ended whose units were not given back yet.
  [[nodiscard]] bool any_hold_ended(Instant now) const { return !holds.empty() && holds.first().end <= now; }

  [[nodiscard]] std::size_t heap_bytes() const { return holds.heap_bytes(); }
  [[nodiscard]] std::size_t heap_pieces() const { return holds.heap_pieces(); }
};

}  // namespace ratelimit

#endif  // RATELIMIT_RESERVATIONS_H
