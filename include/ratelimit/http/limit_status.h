// SPDX-License-Identifier: MIT
// The limit statuses of a decided call: what HTTP clients are told about each of its limits. Depends on requests and
// HTTP fields.
#ifndef RATELIMIT_HTTP_LIMIT_STATUS_H
#define RATELIMIT_HTTP_LIMIT_STATUS_H

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "ratelimit/block.h"
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
[[nodiscard]] Span until_more(const A& algorithm, const typename A::State& state, Units remaining, std::string_view id,
                              Instant at) {
  if (remaining >= algorithm.size()) return Span{};
  const Decision decision = algorithm.decide(state, Ask{remaining + kMinUnits, id}, at).decision;
  return decision.outcome == Outcome::denied ? decision.wait : Span{};
}

/// Time until this limit alone would let the request go; none if it never would. `at` is the instant of the decision.
template <class A>
[[nodiscard]] std::optional<Span> until_granted(const A& algorithm, const typename A::State& state,
                                                const Request& request, Units cost, Instant at) {
  const Units needed = request.mode == Mode::partial ? kMinUnits : cost;
  const Ask ask{needed, request.id, request.mode == Mode::force};
  const Decision decision = algorithm.decide(state, ask, at).decision;
  if (decision.outcome == Outcome::never) return std::nullopt;
  if (request.mode == Mode::may_wait) return wait_under(algorithm, state, ask, at);
  return decision.outcome == Outcome::denied ? decision.wait : Span{};
}

/// How long this limit alone keeps back a request that was not granted; none if it does not, or always does. `ahead` is
/// the time until `at`, the turn of who waits: nothing but a forced call is granted before.
template <class A>
[[nodiscard]] std::optional<Span> kept_back_for(const A& algorithm, const typename A::State& state,
                                                const Request& request, Units cost, Instant at, Span ahead) {
  const std::optional<Span> own = until_granted(algorithm, state, request, cost, at);
  if (!own || (request.mode == Mode::force && *own == Span{})) return std::nullopt;
  // A call with MAXWAIT is not denied for what it may wait.
  const Span wait = *own + ahead - request.longest_wait;
  return wait > Span{} ? std::optional(wait) : std::nullopt;
}

}  // namespace detail

/// The status of limit `i` after a request was decided with that outcome, in the same terms as the verdict. What a
/// granted call leaves is as of its turn, if it waits for one. To a call that is not granted, nothing is left before
/// the turn of who waits; a lease of its own, which it asked to renew, counts as left. `cost` is that under this limit.
/// The label is borrowed from the limits.
template <class Cells>
[[nodiscard]] LimitStatus status_after(const Limits& limits, std::size_t i, const Cells& cells, const Turn& turn,
                                       const Request& request, Units cost, Outcome outcome, Instant now) {
  const Limit& limit = limits[i];
  const Instant at = turn.or_later(now);
  const Span ahead = at - now;
  const bool is_granted = outcome == Outcome::granted;
  const bool must_wait = !is_granted && ahead > Span{};
  const std::string_view id = is_granted ? std::string_view{} : request.id;
  LimitStatus status{.label = limits.label(i), .quota = limit.size(), .window = limit.window(), .remaining = {}};
  limit.visit([&](const auto& algorithm) {
    const auto& state = state_in(cells[i], algorithm);
    if (limit.size() == kNoUnits) status.more = ahead + limit.window().value_or(limit.recovery());
    if (!must_wait) status.remaining = algorithm.decide(state, Ask{kNoUnits, id, true}, at).decision.remaining;
    if (status.remaining < limit.size()) {
      status.more = ahead + detail::until_more(algorithm, state, status.remaining, id, at);
    }
    if (is_granted) return;
    status.wait = detail::kept_back_for(algorithm, state, request, cost, at, ahead);
  });
  return status;
}

/// The statuses of limits that nobody has used: what limits on trial show.
[[nodiscard]] inline std::vector<LimitStatus> statuses_of_unused(const Limits& limits) {
  std::vector<LimitStatus> statuses;
  statuses.reserve(limits.size());
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const Limit& limit = limits[i];
    statuses.push_back(
        {.label = limits.label(i), .quota = limit.size(), .window = limit.window(), .remaining = limit.size()});
  }
  return statuses;
}

/// Nothing is left for `left` more. The statuses are as of `ahead` of now.
inline void block_statuses(std::vector<LimitStatus>& statuses, Span left, Span ahead) {
  for (LimitStatus& status : statuses) {
    const bool is_any_left = status.remaining > kNoUnits;
    status.more = is_any_left ? left : std::max(status.more + ahead, left);
    status.remaining = kNoUnits;
    if (status.wait) *status.wait += ahead;
  }
}

namespace detail {

/// The statuses of all limits of a call, which costs `costs[i]` under limit i. If the call was denied, the wait of the
/// binding limit is that of the verdict.
template <class Cells, class AnyCosts>
[[nodiscard]] std::vector<LimitStatus> statuses_after_costs(const Limits& limits, const Cells& cells, const Turn& turn,
                                                            const Request& request, const AnyCosts& costs,
                                                            const Verdict& verdict, Instant now) {
  std::vector<LimitStatus> statuses;
  statuses.reserve(limits.size());
  for (std::size_t i = 0; i < limits.size(); ++i) {
    statuses.push_back(status_after(limits, i, cells, turn, request, costs[i], verdict.decision.outcome, now));
  }
  if (verdict.decision.outcome == Outcome::denied) statuses[verdict.binding].wait = verdict.decision.wait;
  return statuses;
}

}  // namespace detail

/// The statuses of all limits of a call that costs what it asks for. If the call was denied, the wait of the binding
/// limit is that of the verdict.
template <class Cells>
[[nodiscard]] std::vector<LimitStatus> limit_statuses_after(const Limits& limits, const Cells& cells, const Turn& turn,
                                                            const Request& request, const Verdict& verdict,
                                                            Instant now) {
  return detail::statuses_after_costs(limits, cells, turn, request, request.costs(limits), verdict, now);
}

/// The same on a subject that may be blocked: nothing is left before the block ends. A call that is not granted was
/// decided as of that end, unless it was forced. A call that only a block denies may have no limits. `costs_at(instant)`
/// is what the call costs each limit then.
template <class Cells, class CostsAt>
[[nodiscard]] std::vector<LimitStatus> limit_statuses_after(const Limits& limits, const Cells& cells, const Turn& turn,
                                                            const Block& block, const Request& request, Verdict verdict,
                                                            Instant now, CostsAt costs_at) {
  if (limits.size() == 0) return {};
  const Span left = block.left(now);
  const bool is_of_end = verdict.decision.outcome != Outcome::granted && request.mode != Mode::force;
  const Instant at = is_of_end ? now + left : now;
  verdict.decision.wait -= at - now;
  std::vector<LimitStatus> statuses =
      detail::statuses_after_costs(limits, cells, turn, request, costs_at(at), verdict, at);
  if (left > Span{}) block_statuses(statuses, left, at - now);
  return statuses;
}

/// The same of a call that costs what it asks for.
template <class Cells>
[[nodiscard]] std::vector<LimitStatus> limit_statuses_after(const Limits& limits, const Cells& cells, const Turn& turn,
                                                            const Block& block, const Request& request,
                                                            const Verdict& verdict, Instant now) {
  return limit_statuses_after(limits, cells, turn, block, request, verdict, now,
                              [&](Instant) { return request.costs(limits); });
}

}  // namespace ratelimit

#endif  // RATELIMIT_HTTP_LIMIT_STATUS_H
