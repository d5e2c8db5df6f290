// SPDX-License-Identifier: MIT
// One subject, wherever it is kept: a view of its limits, its states and its reservations.
//
// Views are small and passed by value. They borrow: adding, moving or removing a subject makes all views of the same key
// void.
#ifndef RATELIMIT_MODULE_STORAGE_SUBJECT_H
#define RATELIMIT_MODULE_STORAGE_SUBJECT_H

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include "ratelimit/account.h"
#include "ratelimit/block.h"
#include "ratelimit/booking.h"
#include "ratelimit/limits.h"
#include "ratelimit/operation.h"
#include "ratelimit/reservations.h"
#include "ratelimit/states.h"
#include "ratelimit/turn.h"
#include "ratelimit/units.h"
#include "storage/limits_pool.h"

namespace ratelimit {

/// When all states are idle, all holds have ended, nobody waits, and nothing is blocked. `reservations` may be null.
[[nodiscard]] inline Instant idle_at(const Limits& limits, std::span<const Cell> cells,
                                     const Reservations* reservations) {
  const Instant states = idle_at(limits, cells);
  return reservations != nullptr ? std::max(states, reservations->idle_at()) : states;
}

/// Bytes of the memory that states and reservations own elsewhere, and the number of its pieces. `reservations` may be null.
[[nodiscard]] std::size_t bytes_behind(const Limits& limits, std::span<const Cell> cells,
                                       const Reservations* reservations);
[[nodiscard]] std::size_t pieces_behind(const Limits& limits, std::span<const Cell> cells,
                                        const Reservations* reservations);

class Subject {
 public:
  /// `reservations` is null if the subject is kept where there is no room for any. `last_grants` is null while the
  /// subject is asked under one list of limits; otherwise there is one for each account.
  Subject(const SharedLimits& limits, std::span<Cell> cells, Reservations* reservations, Instant* last_grants = nullptr)
      : limits_(&limits), cells_(cells), reservations_(reservations), last_grants_(last_grants) {}

  [[nodiscard]] const Limits& limits() const { return **limits_; }
  [[nodiscard]] const SharedLimits& shared_limits() const { return *limits_; }
  [[nodiscard]] std::span<Cell> cells() const { return cells_; }
  [[nodiscard]] Reservations* reservations() const { return reservations_; }
  [[nodiscard]] std::span<Instant> last_grants() const {
    return last_grants_ != nullptr ? std::span(last_grants_, cells_.size()) : std::span<Instant>{};
  }
  [[nodiscard]] bool has_several_lists() const { return last_grants_ != nullptr; }
  /// The accounts. None is dropped while a hold lasts, or a settled one is remembered.
  [[nodiscard]] Accounts accounts() const {
    const bool may_drop = reservations_ == nullptr || reservations_->holds.empty();
    return {limits(), cells_, last_grants(), may_drop};
  }
  /// Whether something is remembered as reserved, although it may be over.
  [[nodiscard]] bool is_reserved() const { return reservations_ != nullptr && !reservations_->empty(); }
  /// Whether a hold is remembered, somebody waits, or the subject is blocked.
  [[nodiscard]] bool is_reserved(Instant now) const {
    return reservations_ != nullptr && (!reservations_->holds.empty() || reservations_->idle_at() > now);
  }

  /// The turn of the last caller who waits; the default if nobody does.
  [[nodiscard]] Turn turn() const { return reservations_ != nullptr ? reservations_->turn : Turn{}; }

  /// The block of the subject; the default if there is none.
  [[nodiscard]] Block block() const { return reservations_ != nullptr ? reservations_->block : Block{}; }

  /// Whether a hold has ended and its units are not given back yet.
  [[nodiscard]] bool any_hold_ended(Instant now) const {
    return reservations_ != nullptr && reservations_->any_hold_ended(now);
  }

  /// Whether states of these accounts, the turn or the block come from a clock that was ahead of `now`.
  [[nodiscard]] bool is_ahead(Instant now, AccountSet of = kAllAccounts) const {
    return turn().is_ahead(now) || block().is_ahead(now) || any_is_ahead(limits(), cells_, turn().or_later(now), of);
  }
  /// Corrects what `is_ahead` finds, so that it counts from `now`.
  void clamp(Instant now, AccountSet of = kAllAccounts) const {
    if (reservations_ != nullptr) {
      reservations_->turn.clamp(now);
      reservations_->block.clamp(now);
    }
    ratelimit::clamp(limits(), cells_, turn().or_later(now), of);
  }

  /// Performs an operation. If it reserves, there must be room for reservations. Returns what Booking::perform returns.
  bool perform(const Operation& operation) const {
    Reservations none;
    Reservations& reservations = reservations_ != nullptr ? *reservations_ : none;
    return Booking(limits(), cells_, reservations, last_grants()).perform(operation);
  }

  /// Charges the accounts units that were used elsewhere, as Booking::add_used does.
  void add_used(const std::array<Units, kMaxLimits>& used, Instant now) const {
    Reservations none;
    Booking(limits(), cells_, reservations_ != nullptr ? *reservations_ : none, last_grants()).add_used(used, now);
  }

  /// When all states are idle, all holds have ended, nobody waits, and nothing is blocked.
  [[nodiscard]] Instant idle_at() const { return ratelimit::idle_at(limits(), cells_, reservations_); }

  /// Frees a part of what the subject has outside of its cells: some ten microseconds of work. False once nothing is left
  /// that takes long. For a subject that is only to be destroyed.
  [[nodiscard]] bool release_some() const;

  /// Offers piece `i` of the memory behind the states to `move` (see EventLog::relocate_piece). False, with `i` lowered
  /// by the number of pieces, if there is no such piece.
  template <class Move>
  bool relocate_piece(std::size_t& i, Move move) const {
    for (std::size_t limit = 0; limit < limits().size(); ++limit) {
      const bool moved = limits()[limit].visit([&](const auto& algorithm) {
        auto& state = state_in(cells_[limit], algorithm);
        if constexpr (requires { state.relocate_piece(i, move); }) {
          const std::size_t pieces = state.heap_pieces();
          if (i < pieces) return state.relocate_piece(i, move), true;
          i -= pieces;
        }
        return false;
      });
      if (moved) return true;
    }
    return false;
  }

 private:
  const SharedLimits* limits_;
  std::span<Cell> cells_;
  Reservations* reservations_;
  Instant* last_grants_;
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_STORAGE_SUBJECT_H
