// SPDX-License-Identifier: MIT
// The states of a subject when its limits change: what was used stays used. Depends on limits and their states.
#ifndef RATELIMIT_CARRIED_STATES_H
#define RATELIMIT_CARRIED_STATES_H

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include "ratelimit/limit.h"
#include "ratelimit/limits.h"
#include "ratelimit/states.h"
#include "ratelimit/units.h"

namespace ratelimit {

/// The states of a subject under new limits, which inherit what was used under the old ones.
///
/// A new limit inherits from the old limit with the same label, else with the same algorithm, else from the first that
/// no other limit inherits from. If a state means the same under both limits, it is kept as it is. Else the units that
/// count at `now` count under the new limit, up to its size. The old cells are only read, until `move_into` is called.
class CarriedStates {
 public:
  CarriedStates(const Limits& old_limits, std::span<Cell> old_cells, const Limits& limits, Instant now)
      : limits_(limits) {
    construct_idle(limits_, made_);
    std::array<std::optional<std::size_t>, kMaxLimits> from = predecessors(old_limits, limits_);
    for (std::size_t i = 0; i < limits_.size(); ++i) {
      if (from[i]) carry(old_limits[*from[i]], old_cells[*from[i]], i, now);
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

 private:
  using Predecessors = std::array<std::optional<std::size_t>, kMaxLimits>;

  /// For each new limit, the old one that it inherits from.
  [[nodiscard]] static Predecessors predecessors(const Limits& old_limits, const Limits& limits) {
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
    claim([&](std::size_t i, std::size_t j) { return limits[i].spec().algorithm == old_limits[j].spec().algorithm; });
    claim([](std::size_t, std::size_t) { return true; });
    return from;
  }

  void carry(const Limit& old_limit, Cell& old_cell, std::size_t i, Instant now) {
    old_limit.visit([&]<class Old>(const Old& old_algorithm) {
      limits_[i].visit([&]<class New>(const New& algorithm) {
        if constexpr (std::is_same_v<Old, New>) {
          if (algorithm.keeps_state_of(old_algorithm)) {
            kept_[i] = &old_cell;
            return;
          }
        }
        const Units used = old_algorithm.used(state_in(std::as_const(old_cell), old_algorithm), now);
        state_in(made_[i], algorithm) = algorithm.with_used(std::min(used, algorithm.size()), now);
      });
    });
  }

  const Limits& limits_;
  std::array<Cell*, kMaxLimits> kept_{};
  std::array<Cell, kMaxLimits> made_;
};

}  // namespace ratelimit

#endif  // RATELIMIT_CARRIED_STATES_H
