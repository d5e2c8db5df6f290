// SPDX-License-Identifier: MIT
// The limit statuses of a decided call: what HTTP clients are told about each of its limits. Depends on requests and
// HTTP fields.
#ifndef RATELIMIT_HTTP_LIMIT_STATUS_H
#define RATELIMIT_HTTP_LIMIT_STATUS_H

#include <cstddef>
#include <optional>
#include <vector>

#include "ratelimit/decision.h"
#include "ratelimit/http/http_fields.h"
#include "ratelimit/limit.h"
#include "ratelimit/limits.h"
#include "ratelimit/request.h"
#include "ratelimit/states.h"
#include "ratelimit/turn.h"
#include "ratelimit/units.h"
#include "ratelimit/verdict.h"

namespace ratelimit {

namespace detail {

/// Time until one unit more than `remaining` could be taken.
template <class A>
[[nodiscard]] Span until_more(const A& algorithm, const typename A::State& state, Units remaining, Instant at) {
  if (remaining >= algorithm.size()) return Span{};
  const Decision decision = algorithm.decide(state, Ask{remaining + kMinUnits}, at).decision;
  return decision.outcome == Outcome::denied ? decision.wait : Span{};
}

/// Time until this limit alone would grant the request; none if it never would. `at` is the instant of the decision.
template <class A>
[[nodiscard]] std::optional<Span> until_granted(const A& algorithm, const typename A::State& state,
                                                const Request& request, Units cost, Instant at) {
  const Units needed = request.mode == Mode::partial ? kMinUnits : cost;
  const Decision decision = algorithm.decide(state, Ask{needed, request.id}, at).decision;
  if (decision.outcome == Outcome::never) return std::nullopt;
  return decision.outcome == Outcome::denied ? decision.wait : Span{};
}

}  // namespace detail

/// The status of limit `i` after a request was decided with that outcome. The label is borrowed from the limits.
template <class Cells>
[[nodiscard]] LimitStatus status_after(const Limits& limits, std::size_t i, const Cells& cells, const Turn& turn,
                                       const Request& request, Outcome outcome, Instant now) {
  const Limit& limit = limits[i];
  const Instant at = turn.or_later(now);
  LimitStatus status{.label = limits.label(i), .quota = limit.size(), .window = limit.window(), .remaining = {}};
  limit.visit([&](const auto& algorithm) {
    const auto& state = state_in(cells[i], algorithm);
    status.remaining = algorithm.decide(state, Ask{kNoUnits, {}, true}, at).decision.remaining;
    status.more = detail::until_more(algorithm, state, status.remaining, at);
    if (outcome != Outcome::denied) return;
    const auto own = detail::until_granted(algorithm, state, request, limit.cost_of(request.cost), at);
    // Nothing is granted before the turn of a call that waits. And a call with MAXWAIT is not denied for what it may
    // wait.
    const Span denies_for = own.value_or(Span{}) + (at - now) - request.longest_wait;
    if (own && denies_for > Span{}) status.wait = denies_for;
  });
  if (at > now) {
    status.remaining = kNoUnits;
    status.more += at - now;
  }
  return status;
}

/// The statuses of all limits of a call. If the call was denied, the wait of the binding limit is that of the verdict.
template <class Cells>
[[nodiscard]] std::vector<LimitStatus> limit_statuses_after(const Limits& limits, const Cells& cells, const Turn& turn,
                                                            const Request& request, const Verdict& verdict,
                                                            Instant now) {
  std::vector<LimitStatus> statuses;
  statuses.reserve(limits.size());
  for (std::size_t i = 0; i < limits.size(); ++i) {
    statuses.push_back(status_after(limits, i, cells, turn, request, verdict.decision.outcome, now));
  }
  if (verdict.decision.outcome == Outcome::denied) statuses[verdict.binding].wait = verdict.decision.wait;
  return statuses;
}

}  // namespace ratelimit

#endif  // RATELIMIT_HTTP_LIMIT_STATUS_H
