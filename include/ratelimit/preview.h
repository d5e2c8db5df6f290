// SPDX-License-Identifier: MIT
// A subject as a call that writes would find it, for a call that only reads: the subject itself stays as it is.
//
// States that may change are copied. All others are borrowed, and so are the holds: a subject may have 65,536 leases
// and as many holds, and a copy of them would take some ten milliseconds. Depends on booking.
#ifndef RATELIMIT_PREVIEW_H
#define RATELIMIT_PREVIEW_H

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "ratelimit/any_algorithm.h"
#include "ratelimit/booking.h"
#include "ratelimit/limits.h"
#include "ratelimit/operation.h"
#include "ratelimit/reservations.h"
#include "ratelimit/states.h"
#include "ratelimit/units.h"

namespace ratelimit {

class Preview {
 public:
  /// `reservations` may be null. All is borrowed, and must not change while there is a preview of it.
  Preview(const Limits& limits, std::span<const Cell> cells, Reservations* reservations)
      : limits_(limits), reservations_(reservations) {
    std::copy(cells.begin(), cells.end(), cells_.begin());
  }
  Preview(const Preview&) = delete;
  Preview& operator=(const Preview&) = delete;
  ~Preview() {
    for (std::size_t i = 0; i < limits_.size(); ++i) {
      if (!contains(copied_, i)) continue;
      limits_[i].visit([&](const auto& algorithm) { std::destroy_at(&state_in(cells_[i], algorithm)); });
    }
  }

  /// Some holds that have ended give their units back: those that the next operation would collect. To be called once,
  /// for a subject with reservations. A log is copied, O(n); apart from that O(limits * log n).
  void collect(Instant now) {
    for (std::size_t i = 0; i < limits_.size(); ++i) {
      if (!limits_[i].is_per_request() && !limits_[i].has_leases()) copy(i);
    }
    Reservations collected = reservations_->only_collected_next(now);
    const bool are_all = collected.holds.size() == reservations_->holds.size();
    Booking(limits_, cells(), collected).perform({.kind = Operation::Kind::collect, .at = now});
    if (are_all) reservations_ = &own_.emplace(std::move(collected));
  }

  /// Brings what is of a clock that ran ahead to now: the turn, and the states of these accounts. A block says by itself
  /// how long it lasts. A log or a set of leases that is ahead is copied. If the turn is, so are all holds: some ten
  /// milliseconds for the most of them, once the clock was set back.
  void clamp(Instant now, AccountSet of) {
    if (reservations_ != nullptr && reservations_->turn.is_ahead(now)) {
      if (!own_) reservations_ = &own_.emplace(*reservations_);
      own_->turn.clamp(now);
    }
    const Instant at = reservations_ != nullptr ? reservations_->turn.or_later(now) : now;
    for (std::size_t i = 0; i < limits_.size(); ++i) {
      const auto one = static_cast<AccountSet>(of & account_set(i));
      if (!any_is_ahead(limits_, cells_, at, one)) continue;
      copy(i);
      ratelimit::clamp(limits_, cells(), at, one);
    }
  }

  [[nodiscard]] std::span<Cell> cells() { return std::span(cells_).first(limits_.size()); }
  /// The holds that have not ended are among them. Some that have given their units back may be, too.
  [[nodiscard]] Reservations* reservations() const { return reservations_; }

 private:
  void copy(std::size_t i) {
    if (contains(copied_, i)) return;
    limits_[i].visit([&]<class A>(const A& algorithm) {
      cells_[i].emplace(typename A::State(state_in(std::as_const(cells_[i]), algorithm)));
    });
    copied_ |= account_set(i);
  }

  const Limits& limits_;
  Reservations* reservations_;
  std::optional<Reservations> own_;  ///< in place of those that are borrowed
  AccountSet copied_ = 0;
  std::array<Cell, kMaxLimits> cells_;  ///< copies of states, or the bytes of those that are borrowed
};

}  // namespace ratelimit

#endif  // RATELIMIT_PREVIEW_H
