// SPDX-License-Identifier: MIT
// The state of one limit, converted to the state of another. Depends on limits and their states.
#ifndef RATELIMIT_CONVERTED_STATE_H
#define RATELIMIT_CONVERTED_STATE_H

#include <algorithm>
#include <concepts>
#include <type_traits>
#include <utility>

#include "ratelimit/limit.h"
#include "ratelimit/states.h"
#include "ratelimit/units.h"

namespace ratelimit {

/// Whether `New` has begins of windows, times of entries or fractions of units in common with `Old`.
template <class Old, class New>
concept SameFamily = requires(const New& algorithm, const Old& other, const typename Old::State& state, Instant now) {
  { algorithm.adopted(state, other, now) } -> std::same_as<typename New::State>;
};

/// Whether a state of `from` is one of `to` as it is, although the limits may differ. Only states that are large are
/// asked: it saves a copy.
[[nodiscard]] inline bool means_the_same(const Limit& from, const Limit& to) {
  if (from == to) return true;
  return from.visit([&]<class Old>(const Old& old_algorithm) {
    return to.visit([&]<class New>(const New& algorithm) {
      if constexpr (std::is_same_v<Old, New> && requires { algorithm.keeps_state_of(old_algorithm); }) {
        return algorithm.keeps_state_of(old_algorithm);
      }
      return false;
    });
  });
}

/// Makes `made`, an idle state of `to`, the state in which as much is used at `now` as in `state`, a state of `from`.
/// It may exceed the size of `to` if both are of one family.
inline void convert(const Limit& from, const Cell& state, const Limit& to, Cell& made, Instant now) {
  from.visit([&]<class Old>(const Old& old_algorithm) {
    to.visit([&]<class New>(const New& algorithm) {
      const auto& old_state = state_in(state, old_algorithm);
      if constexpr (SameFamily<Old, New>) {
        state_in(made, algorithm) = algorithm.adopted(old_state, old_algorithm, now);
      } else {
        const Units used = std::min(old_algorithm.used(old_state, now), algorithm.size());
        state_in(made, algorithm) = algorithm.with_used(used, now);
      }
    });
  });
}

}  // namespace ratelimit

#endif  // RATELIMIT_CONVERTED_STATE_H
