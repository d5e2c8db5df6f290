// SPDX-License-Identifier: MIT
// What a subject remembers beyond its states: the turn of a call that waits, a block, and the holds of calls whose cost
// is not known yet, or was settled. Depends on operations, units, turns, blocks and the lease set.
#ifndef RATELIMIT_RESERVATIONS_H
#define RATELIMIT_RESERVATIONS_H

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "ratelimit/algorithms/lease_set.h"
#include "ratelimit/block.h"
#include "ratelimit/operation.h"
#include "ratelimit/turn.h"
#include "ratelimit/units.h"

namespace ratelimit {

/// A hold, as the lease set keeps it: its units are the most that an account was charged, and once it is settled, what
/// the call did cost.
struct Hold {
  static constexpr std::uint32_t kSettled = 1U << 8U;
  static constexpr std::uint32_t kUneven = 1U << 9U;
  static constexpr std::uint32_t kNamed = 0xFFU;

  [[nodiscard]] static AccountSet named(const LeaseSet::Holder& hold) {
    return static_cast<AccountSet>(hold.tag & kNamed);
  }
  [[nodiscard]] static bool is_settled(const LeaseSet::Holder& hold) { return (hold.tag & kSettled) != 0; }
  /// Whether not all accounts were charged the same: then `Reservations::uneven` says what each was charged.
  [[nodiscard]] static bool is_uneven(const LeaseSet::Holder& hold) { return (hold.tag & kUneven) != 0; }
};

/// What a hold has charged each account. An account that was opened later has what the hold has.
using Charges = std::array<Units, kMaxLimits>;

/// Default: no call waits, nothing is blocked, and there are no holds.
///
/// When a hold gives units back, it must not give back what was charged after it: those units are others'. So
/// `charged` counts all units that the subject is charged, and the mark of a hold is what `charged` was right after
/// its own charge.
struct Reservations {
  Turn turn;
  Block block;
  LeaseSet holds;  ///< by their ids, with the units that each was charged
  /// By the ids of the holds that are uneven.
  std::map<std::string, Charges, std::less<>> uneven;
  /// Units charged since there are holds: `count_charged` adds to it. Wraps around: only differences have a meaning.
  std::uint64_t charged = 0;
  Instant as_of{};  ///< the last operation, since there are holds

  [[nodiscard]] bool empty() const { return holds.empty() && turn == Turn{} && block == Block{}; }

  /// The hold with that id, settled or not, that has not ended. O(log n).
  [[nodiscard]] std::optional<LeaseSet::Holder> live_hold(std::string_view id, Instant now) const {
    const std::optional<LeaseSet::Holder> hold = holds.find(id);
    return hold && hold->end > now ? hold : std::nullopt;
  }

  /// What a hold has charged the account in that place.
  [[nodiscard]] Units charged_by(std::string_view id, const LeaseSet::Holder& hold, std::size_t place) const {
    if (!Hold::is_uneven(hold)) return hold.units;
    const auto charges = uneven.find(id);
    return charges != uneven.end() ? charges->second[place] : hold.units;
  }

  /// The accounts have other places: `from[i]` is where the one was that is now in place i.
  void move_charges(const std::array<std::optional<std::size_t>, kMaxLimits>& from) {
    for (auto& [id, charges] : uneven) {
      const Charges before = charges;
      charges.fill(holds.find(id)->units);
      for (std::size_t i = 0; i < from.size(); ++i) {
        if (from[i]) charges[i] = before[*from[i]];
      }
    }
  }

  /// Forgets what the accounts were charged by a hold that ends.
  void forget_charges(std::string_view id, const LeaseSet::Holder& hold) {
    if (Hold::is_uneven(hold)) uneven.erase(uneven.find(id));
  }

  /// Units charged after a hold.
  [[nodiscard]] Units charged_after(const LeaseSet::Holder& hold) const {
    return Units(static_cast<std::int64_t>(std::min(charged - hold.mark, kMostNewer)));
  }

  /// Counts units that are charged. Large counts could wrap the difference to the mark of an old hold around: it stops at
  /// kMostNewer, which is more than any account counts. Quick, unless many holds are as old.
  void count_charged(Units units) {
    charged += static_cast<std::uint64_t>(units.count());
    if (units <= kMax32BitUnits) [[likely]]
      return;
    holds.change_low_marks([&](std::uint64_t& mark) {
      if (charged - mark <= kMostNewer) return false;
      mark = charged - kMostNewer;
      return true;
    });
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

  /// The instant from which on no call waits, nothing is blocked and no hold lasts.
  [[nodiscard]] Instant idle_at() const { return std::max({turn.at, block.end, holds.last_end()}); }

  /// Resets what only holds need, if there are no holds.
  void compact() {
    if (!holds.empty()) return;
    charged = 0;
    as_of = {};
  }

  /// Whether a hold has ended whose units were not given back yet.
  [[nodiscard]] bool any_hold_ended(Instant now) const { return !holds.empty() && holds.first().end <= now; }

  [[nodiscard]] std::size_t heap_bytes() const { return holds.heap_bytes() + uneven.size() * kUnevenBytes; }
  [[nodiscard]] std::size_t heap_pieces() const { return holds.heap_pieces() + 2 * uneven.size(); }

 private:
  static constexpr std::uint64_t kMostNewer = std::uint64_t{1} << 62U;

  // A node of a tree, and about what an id takes that is too long for the string object itself.
  static constexpr std::size_t kUnevenBytes = 4 * sizeof(void*) + sizeof(std::string) + sizeof(Charges) + 32;
};

}  // namespace ratelimit

#endif  // RATELIMIT_RESERVATIONS_H
