// SPDX-License-Identifier: MIT
// A request and its decision: the call as a whole, a part of it, all of it into debt, or later. Depends on verdicts and
// turns.
#ifndef RATELIMIT_REQUEST_H
#define RATELIMIT_REQUEST_H

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "ratelimit/costs.h"
#include "ratelimit/decision.h"
#include "ratelimit/limits.h"
#include "ratelimit/states.h"
#include "ratelimit/turn.h"
#include "ratelimit/units.h"
#include "ratelimit/verdict.h"

namespace ratelimit {

/// What happens to a call if its whole cost is not there right now.
enum class Mode : std::uint8_t {
  whole,     ///< the call is denied
  partial,   ///< the call gets what is left
  force,     ///< the call is charged all the same: into debt
  may_wait,  ///< the call is granted, and waits until its cost is there; denied if that takes too long
  estimate,  ///< as `whole`, but each limit is asked for its size at most (RL.RESERVE)
};

struct Request {
  Units cost{1};      ///< under all limits that `charged` does not name; nothing: only asks whether a call may go on
  Charged charged{};  ///< costs of their own
  Mode mode = Mode::whole;
  Span longest_wait{};    ///< of Mode::may_wait
  std::string_view id{};  ///< of the lease or the hold that the call takes or renews

  /// Whether all limits are asked the same, and for something.
  [[nodiscard]] bool has_one_cost() const { return charged.empty() && cost > kNoUnits; }
  /// Nearly all calls: all of the same cost, or nothing.
  [[nodiscard]] bool is_plain() const { return mode == Mode::whole && has_one_cost(); }
  [[nodiscard]] Costs costs(const Limits& limits) const { return {limits, cost, charged}; }
  /// Whether the call takes a lease if it is granted.
  [[nodiscard]] bool takes_lease(const Limits& limits) const {
    return limits.have_leases() && (has_one_cost() || costs(limits).take_lease(limits));
  }
};

/// What is left at `at`: the answer to a call that takes nothing. Its wait is how long a debt lasts.
template <class Cells>
[[nodiscard]] Verdict status(const Limits& limits, const Cells& cells, Instant at, std::string_view id = {}) {
  return decide(limits, cells, Ask{kNoUnits, id, true}, at);
}

namespace detail {

/// Decides a call that asks each limit for its own cost. A limit that it asks for nothing denies it while it is in debt,
/// and does not make it wait.
template <class Cells>
[[nodiscard]] Verdict decide_costs(const Limits& limits, const Cells& cells, const Costs& costs, const Request& request,
                                   Instant at) {
  const bool force = request.mode == Mode::force;
  Verdict verdict = decide_each(
      limits, cells, at,
      [&](std::size_t i) {
        return Ask{costs[i], request.id, force};
      },
      [&](std::size_t i, Decision& decision) {
        if (costs[i] > kNoUnits || force || decision.outcome != Outcome::granted) return;
        if (decision.wait > Span{}) decision.outcome = Outcome::denied;
      });
  verdict.decision.granted = verdict.decision.outcome == Outcome::granted ? costs.most() : kNoUnits;
  verdict.id = costs.take_lease(limits) ? request.id : std::string_view{};
  return verdict;
}

/// The part of its cost that a call with Mode::partial can get; none if nothing is left.
template <class Cells>
[[nodiscard]] Units part_of(const Limits& limits, const Cells& cells, const Request& request, Instant at) {
  Units part = request.cost;
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const Units left = limits[i].visit([&](const auto& algorithm) {
      const Ask nothing{kNoUnits, request.id, true};
      return algorithm.decide(state_in(cells[i], algorithm), nothing, at).decision.remaining;
    });
    if (!limits[i].is_per_request() || left == kNoUnits) part = std::min(part, left);
  }
  return part;
}

/// A denial for another reason than that too little is left. The rest of the verdict says what is left at `at`.
template <class Cells>
[[nodiscard]] Verdict held_back(const Limits& limits, const Cells& cells, Instant at, Span wait, std::string_view id) {
  Verdict verdict = status(limits, cells, at, id);
  verdict.decision.outcome = Outcome::denied;
  verdict.decision.wait = wait;
  return verdict;
}

/// How long a call would wait under this limit alone: until it is granted, and then in the queue of LEAKYBUCKET.
template <class A>
[[nodiscard]] Span wait_under(const A& algorithm, const typename A::State& state, const Ask& ask, Instant at) {
  const Decision first = algorithm.decide(state, ask, at).decision;
  if (first.outcome == Outcome::granted || first.wait > kLatest - at) return first.wait;
  const Decision then = algorithm.decide(state, ask, at + first.wait).decision;
  return first.wait + (then.outcome == Outcome::granted ? then.wait : Span{});
}

/// The denial of a call whose turn would be too late. The limit under which the call would wait longest binds.
template <class Cells>
[[nodiscard]] Verdict too_late(const Limits& limits, const Cells& cells, const Costs& costs, const Request& request,
                               Instant at, Span wait) {
  Verdict verdict;
  Span longest{-1};
  for (std::size_t i = 0; i < limits.size(); ++i) {
    limits[i].visit([&](const auto& algorithm) {
      const auto& state = state_in(std::as_const(cells[i]), algorithm);
      const Span own = wait_under(algorithm, state, Ask{costs[i], request.id}, at);
      if (own <= longest) return;
      longest = own;
      verdict.decision = algorithm.decide(state, Ask{kNoUnits, request.id, true}, at).decision;
      verdict.binding = i;
    });
  }
  verdict.decision.outcome = Outcome::denied;
  verdict.decision.wait = wait - request.longest_wait;
  return verdict;
}

/// Decides a call with Mode::may_wait as of `at`, which is `ahead` of the call. Its turn is when it would be granted.
template <class Cells>
[[nodiscard]] Verdict decide_turn(const Limits& limits, const Cells& cells, const Costs& costs, const Request& request,
                                  Instant at, Span ahead) {
  const Verdict first = decide_costs(limits, cells, costs, request, at);
  const bool fits_now = first.decision.outcome == Outcome::granted;
  const Span turn = fits_now ? Span{} : first.decision.wait;
  if (first.decision.outcome == Outcome::never || turn > kLatest - at) return first;
  Verdict then = fits_now ? first : decide_costs(limits, cells, costs, request, at + turn);
  if (then.decision.outcome != Outcome::granted) return first;
  // LEAKYBUCKET makes a call wait even after it is granted.
  const Span wait = turn + then.decision.wait;
  if (wait + ahead > request.longest_wait) return too_late(limits, cells, costs, request, at, wait);
  then.turn = turn;
  then.decision.wait = wait;
  then.decision.reset += turn;
  then.idle_in += turn;
  return then;
}

/// `at` is the turn of the last call that waits, if one does, and then `ahead` of the call.
template <class Cells>
[[nodiscard]] Verdict decide_as_of(const Limits& limits, const Cells& cells, const Request& request, Instant at,
                                   Span ahead) {
  const Costs costs = request.mode == Mode::estimate ? request.costs(limits).cut(limits) : request.costs(limits);
  if (request.mode == Mode::may_wait && !costs.are_nothing()) {
    return decide_turn(limits, cells, costs, request, at, ahead);
  }
  const Verdict verdict = decide_costs(limits, cells, costs, request, at);
  const bool is_granted = verdict.decision.outcome == Outcome::granted;
  // No call overtakes one that waits for its turn.
  if (is_granted && ahead > Span{} && request.mode != Mode::force) {
    return held_back(limits, cells, at, Span{}, request.id);
  }
  // Costs that differ cannot be granted in part: the reply has one number for all.
  if (is_granted || request.mode != Mode::partial || !request.has_one_cost()) return verdict;
  const Units part = part_of(limits, cells, request, at);
  if (part > kNoUnits && ahead > Span{}) return held_back(limits, cells, at, Span{}, request.id);
  return decide(limits, cells, Ask{std::max(part, kMinUnits), request.id}, at);
}

/// A verdict was decided as of an instant that is `ahead` of the call. Makes its times count from the call.
inline void move_back(Verdict& verdict, Span ahead) {
  Decision& decision = verdict.decision;
  decision.reset += ahead;
  if (decision.outcome != Outcome::never) decision.wait += ahead;
  if (decision.outcome != Outcome::granted) {
    decision.remaining = kNoUnits;
  } else {
    verdict.turn += ahead;
    verdict.idle_in += ahead;
  }
}

/// As `decide` below, for any request at any turn.
template <class Cells>
[[nodiscard]] Verdict decide_at_turn(const Limits& limits, const Cells& cells, const Turn& turn, const Request& request,
                                     Instant now) {
  const Instant at = turn.or_later(now);
  Verdict verdict = decide_as_of(limits, cells, request, at, at - now);
  if (at > now) move_back(verdict, at - now);
  return verdict;
}

}  // namespace detail

/// Decides a request; if a call waits for its turn, as of that turn. Pure; O(limits * log n).
template <class Cells>
[[nodiscard, gnu::always_inline]] inline Verdict decide(const Limits& limits, const Cells& cells, const Turn& turn,
                                                        const Request& request, Instant now) {
  // Nearly all calls, on their shortest way.
  if (request.is_plain() && turn.at <= now) [[likely]]
    return decide(limits, cells, Ask{request.cost, request.id}, now);
  return detail::decide_at_turn(limits, cells, turn, request, now);
}

/// What is left at `now`, as `status`; if a call waits for its turn, nothing before that turn.
template <class Cells>
[[nodiscard]] Verdict status_at_turn(const Limits& limits, const Cells& cells, const Turn& turn, Instant now) {
  const Instant at = turn.or_later(now);
  Verdict verdict = status(limits, cells, at);
  if (at > now) detail::move_back(verdict, at - now);
  return verdict;
}

/// Decides a request on a subject that was never seen.
[[nodiscard]] inline Verdict decide_idle(const Limits& limits, const Request& request, Instant now) {
  std::array<Cell, kMaxLimits> idle;
  construct_idle(limits, idle);  // an idle state owns nothing, so that nothing is to be destroyed
  return decide(limits, idle, Turn{}, request, now);
}

/// Turns a verdict into one that grants `cost` at once, whatever is left.
inline void grant_at_once(Verdict& verdict, Units cost) {
  verdict.decision.outcome = Outcome::granted;
  verdict.decision.granted = cost;
  verdict.decision.wait = Span{};
}

/// Whether a request can never be granted, however much is left.
[[nodiscard]] inline bool is_never(const Limits& limits, const Request& request) {
  if (limits.is_any_closed()) return request.mode != Mode::force;
  if (request.mode != Mode::whole && request.mode != Mode::may_wait) return false;
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const Units cost =
        request.charged.empty() ? request.cost : cost_for(limits.label(i), request.cost, request.charged);
    if (limits[i].cost_of(cost) > limits[i].size()) return true;
  }
  return false;
}

namespace detail {

/// Whether such a call is granted, and at once, if and only if as much is left as it costs. A queue lets a call wait that
/// it grants, and whoever has a lease may renew it although nothing is left.
[[nodiscard]] inline bool is_answered_by_what_is_left(const Limits& limits, const Turn& turn, const Request& request,
                                                      Instant now) {
  return request.is_plain() && turn.at <= now && !limits.have_leases() && !limits.have_queue();
}

}  // namespace detail

/// The answer to a look (RL.PEEK). Whether it would be granted, and the wait, are those of `decide`. What is left is as
/// it is now, nothing being taken: if the look is granted, the limit with the fewest units left now binds.
template <class Cells>
[[nodiscard]] Verdict look(const Limits& limits, const Cells& cells, const Turn& turn, const Request& request,
                           Instant now) {
  // Nearly always all that is asked for is left. Then one decision is enough.
  Verdict left = status_at_turn(limits, cells, turn, now);
  if (left.decision.remaining >= request.cost && detail::is_answered_by_what_is_left(limits, turn, request, now)) {
    grant_at_once(left, request.cost);
    return left;
  }
  const Verdict asked = decide(limits, cells, turn, request, now);
  if (asked.decision.outcome != Outcome::granted) {
    left = asked;  // one variable is returned, so that it is never copied
    return left;
  }
  left.decision.granted = asked.decision.granted;
  left.decision.wait = asked.decision.wait;
  return left;
}

/// Turns a verdict into the answer of limits on trial (SHADOW), which nobody is to notice: all that was asked for is
/// granted at once, and as if nothing had been used. The smallest limit binds, the first of equals. The id stays.
inline void grant_on_trial(const Limits& limits, Verdict& verdict, Units cost) {
  verdict.binding = 0;
  for (std::size_t i = 1; i < limits.size(); ++i) {
    if (limits[i].size() < limits[verdict.binding].size()) verdict.binding = i;
  }
  const Units size = limits[verdict.binding].size();
  verdict.decision = {.outcome = Outcome::granted, .granted = cost, .size = size, .remaining = size};
}

}  // namespace ratelimit

#endif  // RATELIMIT_REQUEST_H
