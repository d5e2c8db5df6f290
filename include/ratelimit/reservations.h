// What a subject has promised beyond its states: the turn of a call that waits, and the holds of calls whose cost is not
// known yet.
//
// Depends on units and the lease set.
#ifndef RATELIMIT_RESERVATIONS_H
#define RATELIMIT_RESERVATIONS_H

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "ratelimit/algorithms/lease_set.h"
#include "ratelimit/turn.h"
#include "ratelimit/units.h"

namespace ratelimit {

/// Everything promised. Default: nothing.
struct Reservations {
  Turn turn;
  /// The holds by their ids: what was charged, and in `mark` what `charged` was right after.
  LeaseSet holds;
  /// Units charged since there are holds. It wraps around: only differences mean something.
  std::uint64_t charged = 0;
  /// When something was done last, since there are holds.
  Instant as_of{};

  [[nodiscard]] bool empty() const { return holds.empty() && turn == Turn{}; }

  /// Units that were charged after those of a hold.
  [[nodiscard]] Units charged_after(const LeaseSet::Holder& hold) const {
    constexpr std::uint64_t kMost = std::uint64_t{1} << 62U;
    return Units(static_cast<std::int64_t>(std::min(charged - hold.mark, kMost)));
  }

  /// A hold that is gone turned out to cost `units` less: to those before it, that much less was charged after them. Quick
  /// if there are none, as when holds end in the order in which they were taken.
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

  /// The newest `units` that were charged came back: to each hold, that much less was charged after it.
  void forget_newest_charged(Units units) {
    const auto less = static_cast<std::uint64_t>(units.count());
    holds.change_low_marks([&](std::uint64_t& mark) {
      const std::uint64_t newer = charged - mark;
      mark = charged - (newer > less ? newer - less : 0);
      return true;
    });
  }

  /// When nothing that is promised matters any more.
  [[nodiscard]] Instant idle_at() const { return std::max(turn.at, holds.last_end()); }

  /// Forgets what only holds need, when there are none.
  void compact() {
    if (!holds.empty()) return;
    charged = 0;
    as_of = {};
  }

  /// Whether a hold has ended and its units are not given back yet.
  [[nodiscard]] bool any_hold_ended(Instant now) const { return !holds.empty() && holds.first().end <= now; }

  [[nodiscard]] std::size_t heap_bytes() const { return holds.heap_bytes(); }
  [[nodiscard]] std::size_t heap_pieces() const { return holds.heap_pieces(); }
};

}  // namespace ratelimit

#endif  // RATELIMIT_RESERVATIONS_H
