// SPDX-License-Identifier: MIT
// The states of one subject: what each limit of a list remembers about it.
//
// A state is kept in a `Cell` of 16 bytes without a type; only its limit knows the type. So a million subjects share
// one list of limits. Depends on limits.
#ifndef RATELIMIT_STATES_H
#define RATELIMIT_STATES_H

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <utility>

#include "ratelimit/limits.h"
#include "ratelimit/units.h"

namespace ratelimit {

/// 16 bytes that hold one state, or one change, of some algorithm. The owner of the cell constructs and destroys the
/// state in it, by the limit that the cell belongs to.
class Cell {
 public:
  template <class T>
  [[nodiscard]] T& as() {
    check<T>();
    return *std::launder(reinterpret_cast<T*>(bytes_));
  }
  template <class T>
  [[nodiscard]] const T& as() const {
    check<T>();
    return *std::launder(reinterpret_cast<const T*>(bytes_));
  }
  template <class T>
  void emplace(T value) {
    check<T>();
    std::construct_at(reinterpret_cast<T*>(bytes_), std::move(value));
  }

 private:
  template <class T>
  static constexpr void check() {
    static_assert(sizeof(T) <= sizeof(bytes_) && alignof(T) <= alignof(std::uint64_t));
  }

  alignas(std::uint64_t) std::byte bytes_[16];
};

static_assert(sizeof(Cell) == 16);

/// A set of accounts of a subject, by their places in its list.
using AccountSet = std::uint8_t;
inline constexpr AccountSet kAllAccounts = 0xFF;
static_assert(kMaxLimits <= 8);

[[nodiscard]] constexpr bool contains(AccountSet set, std::size_t place) { return (set >> place & 1U) != 0; }
[[nodiscard]] constexpr AccountSet account_set(std::size_t place) { return static_cast<AccountSet>(1U << place); }

/// The state in a cell that belongs to a limit with this algorithm.
template <class A>
[[nodiscard]] const typename A::State& state_in(const Cell& cell, const A&) {
  return cell.as<typename A::State>();
}
template <class A>
[[nodiscard]] typename A::State& state_in(Cell& cell, const A&) {
  return cell.as<typename A::State>();
}

/// Constructs an idle state in each cell; there is one for each limit. The cells must not hold states.
inline void construct_idle(const Limits& limits, std::span<Cell> cells) {
  for (std::size_t i = 0; i < limits.size(); ++i) {
    limits[i].visit([&cell = cells[i]]<class A>(const A&) { cell.emplace(typename A::State{}); });
  }
}

/// Destroys the states in `cells`.
inline void destroy(const Limits& limits, std::span<Cell> cells) {
  for (std::size_t i = 0; i < limits.size(); ++i) {
    limits[i].visit([&cell = cells[i]](const auto& algorithm) { std::destroy_at(&state_in(cell, algorithm)); });
  }
}

/// Whether a state counts more than a limit that was used up just now: it was made by a clock that was ahead of `now`,
/// or under a larger limit. A decision takes such a state as used up at its own instant. Until it is clamped, each
/// later call does so anew, and no wait comes true.
template <class Cells>
[[nodiscard]] bool any_is_ahead(const Limits& limits, const Cells& cells, Instant now, AccountSet of = kAllAccounts) {
  for (std::size_t i = 0; i < limits.size(); ++i) {
    if (!contains(of, i)) continue;
    const bool ahead = limits[i].visit(
        [&](const auto& algorithm) { return algorithm.is_ahead(state_in(std::as_const(cells[i]), algorithm), now); });
    if (ahead) return true;
  }
  return false;
}

/// Makes such states what they count as at `now`.
inline void clamp(const Limits& limits, std::span<Cell> cells, Instant now, AccountSet of = kAllAccounts) {
  for (std::size_t i = 0; i < limits.size(); ++i) {
    if (!contains(of, i)) continue;
    limits[i].visit([&](const auto& algorithm) { algorithm.clamp(state_in(cells[i], algorithm), now); });
  }
}

/// The instant from which on all states are idle.
template <class Cells>
[[nodiscard]] Instant idle_at(const Limits& limits, const Cells& cells) {
  Instant latest{};
  for (std::size_t i = 0; i < limits.size(); ++i) {
    limits[i].visit([&](const auto& algorithm) {
      latest = std::max(latest, algorithm.idle_at(state_in(std::as_const(cells[i]), algorithm)));
    });
  }
  return latest;
}

}  // namespace ratelimit

#endif  // RATELIMIT_STATES_H
