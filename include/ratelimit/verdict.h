// SPDX-License-Identifier: MIT
// How a list of limits decides one call: all of them are charged, or none is. Depends on limits and their states.
#ifndef RATELIMIT_VERDICT_H
#define RATELIMIT_VERDICT_H

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <utility>

#include "ratelimit/decision.h"
#include "ratelimit/limits.h"
#include "ratelimit/states.h"
#include "ratelimit/units.h"

namespace ratelimit {

/// The answer of a list of limits to one call.
struct Verdict {
  /// The decision of the binding limit. If the call is not granted, that is the limit with the longest wait; if it is,
  /// the one with the fewest units remaining. The wait of a granted call is the longest of all limits.
  Decision decision;
  std::size_t binding = 0;
  Span idle_in{};           ///< granted: time until all states are idle
  bool is_blocked = false;  ///< denied: no limit binds but a block
  Span turn{};            ///< granted: time until the turn of the call, if it waits; it was decided as of that instant
  std::string_view id{};  ///< of the lease that a granted call takes; borrowed
  std::array<Cell, kMaxLimits> changes;
  std::array<Units, kMaxLimits> remaining;  ///< what remains of each limit, if there are several
};

/// Whether the limit that decided `a` binds rather than the one that decided `b`.
[[nodiscard]] inline bool binds_before(const Decision& a, const Decision& b) {
  if (a.outcome != b.outcome) return a.outcome > b.outcome;
  return a.outcome == Outcome::granted ? a.remaining < b.remaining : a.wait > b.wait;
}
static_assert(Outcome::granted < Outcome::denied && Outcome::denied < Outcome::never);

/// The decision of each limit stays as it is.
inline constexpr auto kAsDecided = [](std::size_t, Decision&) {};

/// Decides a call under all limits: all are charged, or none is. `cells[i]` is the state of limit i, `ask_of(i)` is what
/// it is asked, and `review(i, decision)` may change what it decided. Pure; O(limits * log n).
template <class Cells, class AskOf, class Review = decltype(kAsDecided)>
[[nodiscard]] Verdict decide_each(const Limits& limits, const Cells& cells, Instant now, AskOf ask_of,
                                  Review review = kAsDecided) {
  Verdict verdict;
  const auto decide_one = [&](std::size_t i, Decision& decision) {
    limits[i].visit([&](const auto& algorithm) {
      const auto step = algorithm.decide(state_in(std::as_const(cells[i]), algorithm), ask_of(i), now);
      verdict.changes[i].emplace(step.change);
      decision = step.decision;
    });
    review(i, decision);
  };
  if (limits.size() == 0) [[unlikely]]
    return verdict;
  // Most lists have one limit.
  decide_one(0, verdict.decision);
  verdict.idle_in = std::max(Span{}, verdict.decision.reset);
  if (limits.size() == 1) [[likely]]
    return verdict;
  verdict.remaining[0] = verdict.decision.remaining;
  Span longest_wait = std::max(Span{}, verdict.decision.wait);
  for (std::size_t i = 1; i < limits.size(); ++i) {
    Decision decision;
    decide_one(i, decision);
    verdict.remaining[i] = decision.remaining;
    verdict.idle_in = std::max(verdict.idle_in, decision.reset);
    longest_wait = std::max(longest_wait, decision.wait);
    if (binds_before(decision, verdict.decision)) {
      verdict.decision = decision;
      verdict.binding = i;
    }
  }
  if (verdict.decision.outcome == Outcome::granted) verdict.decision.wait = longest_wait;
  return verdict;
}

/// Decides a call that asks the same of all limits.
template <class Cells>
[[nodiscard, gnu::always_inline]] inline Verdict decide(const Limits& limits, const Cells& cells, const Ask& ask,
                                                        Instant now) {
  Verdict verdict = decide_each(limits, cells, now, [&](std::size_t i) {
    return Ask{limits[i].cost_of(ask.cost), ask.id, ask.force};
  });
  verdict.decision.granted = verdict.decision.outcome == Outcome::granted ? ask.cost : kNoUnits;
  verdict.id = ask.id;
  return verdict;
}

/// Whether the changes of a verdict can be applied to these states. Asked when the verdict comes from another server.
[[nodiscard]] inline bool accepts(const Limits& limits, std::span<const Cell> cells, const Verdict& verdict) {
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const bool accepted = limits[i].visit([&]<class A>(const A& algorithm) {
      return algorithm.accepts(state_in(cells[i], algorithm), verdict.changes[i].as<typename A::Change>(), verdict.id);
    });
    if (!accepted) return false;
  }
  return true;
}

/// Applies the changes of a granted verdict.
inline void apply(const Limits& limits, std::span<Cell> cells, const Verdict& verdict) {
  for (std::size_t i = 0; i < limits.size(); ++i) {
    limits[i].visit([&]<class A>(const A& algorithm) {
      algorithm.apply(state_in(cells[i], algorithm), verdict.changes[i].as<typename A::Change>(), verdict.id);
    });
  }
}

}  // namespace ratelimit

#endif  // RATELIMIT_VERDICT_H
