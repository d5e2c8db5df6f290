// SPDX-License-Identifier: MIT
#include "storage/subject.h"

#include <cstddef>

namespace ratelimit {
namespace {

/// Adds up what `measure` says of each state that owns memory.
template <class Measure>
std::size_t sum_over_states(const Limits& limits, std::span<const Cell> cells, Measure measure) {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < limits.size(); ++i) {
    limits[i].visit([&](const auto& algorithm) {
      const auto& state = state_in(cells[i], algorithm);
      if constexpr (requires { state.heap_pieces(); }) sum += measure(state);
    });
  }
  return sum;
}

}  // namespace

std::size_t bytes_behind(const Limits& limits, std::span<const Cell> cells, const Reservations* reservations) {
  const std::size_t states = sum_over_states(limits, cells, [](const auto& state) { return state.heap_bytes(); });
  return states + (reservations != nullptr ? reservations->heap_bytes() : 0);
}

std::size_t pieces_behind(const Limits& limits, std::span<const Cell> cells, const Reservations* reservations) {
  const std::size_t states = sum_over_states(limits, cells, [](const auto& state) { return state.heap_pieces(); });
  return states + (reservations != nullptr ? reservations->heap_pieces() : 0);
}

bool Subject::release_some() const {
  constexpr std::size_t kHoldsAtOnce = 64;
  if (reservations_ != nullptr && !reservations_->holds.empty()) {
    reservations_->holds.forget_ended(Instant::max(), kHoldsAtOnce);
    return true;
  }
  for (std::size_t i = 0; i < limits().size(); ++i) {
    const bool released = limits()[i].visit([&](const auto& algorithm) {
      auto& state = state_in(cells_[i], algorithm);
      if constexpr (requires { state.release_some(); }) return state.release_some();
      return false;
    });
    if (released) return true;
  }
  return false;
}

}  // namespace ratelimit
