// SPDX-License-Identifier: MIT
// Decisions on a subject that may be blocked. Who decides under a block decides as of its end: the call is denied until
// then, and longer if its limits would make it wait longer. Depends on requests, holds and blocks.
#ifndef RATELIMIT_BLOCKED_H
#define RATELIMIT_BLOCKED_H

#include <algorithm>
#include <string_view>
#include <utility>

#include "ratelimit/block.h"
#include "ratelimit/decision.h"
#include "ratelimit/holds.h"
#include "ratelimit/limits.h"
#include "ratelimit/request.h"
#include "ratelimit/reservations.h"
#include "ratelimit/turn.h"
#include "ratelimit/units.h"
#include "ratelimit/verdict.h"

namespace ratelimit {

/// Nothing can be taken while a block lasts `left` more, whatever a verdict says remains; and the subject is not idle.
inline void note_block(Verdict& verdict, Span left) {
  if (left == Span{}) return;
  verdict.decision.remaining = kNoUnits;
  verdict.decision.reset = std::max(verdict.decision.reset, left);
}

/// The denial of a call that only a block denies.
[[nodiscard]] inline Verdict blocked_for(Span left) {
  Verdict verdict;
  verdict.decision.outcome = Outcome::denied;
  verdict.decision.wait = left;
  verdict.decision.reset = left;
  verdict.is_blocked = true;
  return verdict;
}

namespace detail {

/// Turns `then`, decided as of the end of a block, which lasts `left` more, into what the call is told at `now`. A call
/// that would be granted then waits for nothing but the block.
template <class Cells>
[[nodiscard]] Verdict told_before_end(Verdict then, const Limits& limits, const Cells& cells, const Turn& turn,
                                      std::string_view id, Instant now, Span left) {
  if (then.decision.outcome == Outcome::granted) {
    const Instant end = now + left;
    const Instant at = turn.or_later(end);
    then = held_back(limits, cells, at, Span{}, id);
    then.decision.reset += at - end;
    then.is_blocked = true;
  }
  then.decision.wait += left;
  then.decision.reset += left;
  then.decision.granted = kNoUnits;
  then.decision.remaining = kNoUnits;
  return then;
}

/// Decides a call on a subject that is blocked for `left` more; `decide_at(instant)` is how it would be decided without a
/// block. A call that is never granted is told so.
template <class Cells, class DecideAt>
[[nodiscard]] Verdict decide_blocked(const Limits& limits, const Cells& cells, const Turn& turn, const Request& request,
                                     Instant now, Span left, DecideAt decide_at) {
  Verdict verdict = decide_at(now);
  if (request.mode == Mode::force || verdict.decision.outcome == Outcome::never) {
    note_block(verdict, left);
    return verdict;
  }
  return told_before_end(decide_at(now + left), limits, cells, turn, request.id, now, left);
}

}  // namespace detail

/// Decides a request. A forced call is not denied by a block. `limits` may be none while a block lasts. Pure; O(limits *
/// log n).
template <class Cells>
[[nodiscard]] Verdict decide(const Limits& limits, const Cells& cells, const Turn& turn, const Block& block,
                             const Request& request, Instant now) {
  const Span left = block.left(now);
  if (left == Span{}) [[likely]]
    return decide(limits, cells, turn, request, now);
  if (limits.size() == 0) return blocked_for(left);
  return detail::decide_blocked(limits, cells, turn, request, now, left,
                                [&](Instant at) { return decide(limits, cells, turn, request, at); });
}

/// The answer to RL.PEEK, as `look` without a block.
template <class Cells>
[[nodiscard]] Verdict look(const Limits& limits, const Cells& cells, const Turn& turn, const Block& block,
                           const Request& request, Instant now) {
  if (block.left(now) == Span{}) return look(limits, cells, turn, request, now);
  return decide(limits, cells, turn, block, request, now);
}

/// What is left at `now`, as `status_at_turn` without a block: nothing.
template <class Cells>
[[nodiscard]] Verdict status_at_turn(const Limits& limits, const Cells& cells, const Turn& turn, const Block& block,
                                     Instant now) {
  Verdict verdict = status_at_turn(limits, cells, turn, now);
  note_block(verdict, block.left(now));
  return verdict;
}

/// Decides the reservation of an estimate, as `decide_reservation` without a block. A block also denies that a hold is
/// renewed. A hold that ends before the block does is one that is not there then.
template <class Cells, class Charged>
[[nodiscard]] Verdict decide_reservation_under_block(const Limits& limits, const Cells& cells,
                                                     const Reservations& reservations, const Request& request,
                                                     Instant now, Charged charged) {
  const Span left = reservations.block.left(now);
  if (left == Span{}) return decide_reservation(limits, cells, reservations, request, now, charged);
  return detail::decide_blocked(limits, cells, reservations.turn, request, now, left, [&](Instant at) {
    return decide_reservation(limits, cells, reservations, request, at, charged);
  });
}

}  // namespace ratelimit

#endif  // RATELIMIT_BLOCKED_H
