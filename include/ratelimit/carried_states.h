// SPDX-License-Identifier: MIT
// The states of a subject when the limits change that its key stores: what was used stays used. Depends on limits and
// their states.
#ifndef RATELIMIT_CARRIED_STATES_H
#define RATELIMIT_CARRIED_STATES_H

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include "ratelimit/converted_state.h"
#include "ratelimit/limit.h"
#include "ratelimit/limits.h"
#include "ratelimit/states.h"
#include "ratelimit/units.h"

namespace ratelimit {

/// For each limit the place of the one that it inherits from, if there is one.
using Predecessors = std::array<std::optional<std::size_t>, kMaxLimits>;

/// For each limit of a list that takes the place of another list: the old limit with the same label, else with the same
/// algorithm, else the first that no other limit inherits from.
[[nodiscard]] inline Predecessors predecessors_of(const Limits& old_limits, const Limits& limits) {
  Predecessors from;
  std::array<bool, kMaxLimits> taken{};
  const auto claim = [&](auto matches) {
    for (std::size_t i = 0; i < limits.size(); ++i) {
      for (std::size_t j = 0; !from[i] && j < old_limits.size(); ++j) {
        if (taken[j] || !matches(i, j)) continue;
        from[i] = j;
        taken[j] = true;
      }
    }
  };
  claim([&](std::size_t i, std::size_t j) { return limits.label(i) == old_limits.label(j); });
  claim([&](std::size_t i, std::size_t j) { return limits[i].algorithm() == old_limits[j].algorithm(); });
  claim([](std::size_t, std::size_t) { return true; });
  return from;
}

/// The states of a subject under new limits, which inherit what was used under the old ones.
///
/// Each new limit inherits from its predecessor. Units that count beyond a new size go on to count until their time
/// ends; a bucket remembers them as its cut-off. Only another algorithm counts no more than its size. The old cells are
/// only read, until `move_into` is called.
class CarriedStates {
 public:
  CarriedStates(const Limits& old_limits, std::span<Cell> old_cells, const Limits& limits, Instant now)
      : limits_(limits), from_(predecessors_of(old_limits, limits)) {
    construct_idle(limits_, made_);
    for (std::size_t i = 0; i < limits_.size(); ++i) {
      if (from_[i]) carry(old_limits[*from_[i]], old_cells[*from_[i]], i, now);
    }
  }
  CarriedStates(const CarriedStates&) = delete;
  CarriedStates& operator=(const CarriedStates&) = delete;
  ~CarriedStates() { destroy(limits_, made_); }

  [[nodiscard]] const Cell& operator[](std::size_t i) const { return kept_[i] != nullptr ? *kept_[i] : made_[i]; }

  /// Moves the states into `cells`, which must hold states of the new limits. The old states are idle afterwards.
  void move_into(std::span<Cell> cells) {
    for (std::size_t i = 0; i < limits_.size(); ++i) {
      Cell& source = kept_[i] != nullptr ? *kept_[i] : made_[i];
      limits_[i].visit(
          [&](const auto& algorithm) { state_in(cells[i], algorithm) = std::move(state_in(source, algorithm)); });
    }
  }

  /// For each new limit the place of the old one that it inherits from.
  [[nodiscard]] const Predecessors& predecessors() const { return from_; }

 private:
  void carry(const Limit& old_limit, Cell& old_cell, std::size_t i, Instant now) {
    if (means_the_same(old_limit, limits_[i])) {
      kept_[i] = &old_cell;
    } else {
      convert(old_limit, old_cell, limits_[i], made_[i], now);
    }
  }

  const Limits& limits_;
  Predecessors from_;
  std::array<Cell*, kMaxLimits> kept_{};
  std::array<Cell, kMaxLimits> made_;
};

}  // namespace ratelimit

#endif  // RATELIMIT_CARRIED_STATES_H
