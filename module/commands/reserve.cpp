// SPDX-License-Identifier: MIT
// RL.RESERVE and RL.SETTLE: charge an estimate now, and the actual cost once it is known.
#include <optional>
#include <string>
#include <string_view>

#include "commands/answer.h"
#include "commands/commands.h"
#include "commands/limits_of_call.h"
#include "commands/requests.h"
#include "commands/settlement.h"
#include "keyspace/key_session.h"
#include "ratelimit/holds.h"
#include "ratelimit/operation.h"
#include "ratelimit/request.h"
#include "ratelimit/verdict.h"

namespace ratelimit::commands {
std::optional<Fault> reserve(const Call& call) {
  CheckRequest request;
  Span ttl{};
  if (const auto fault = parse_reservation(call.words(), request, ttl)) return fault;
  KeySession session(call.context(), call.key(), KeySession::Access::write, request.subject);
  const auto unusable = session.look_for_limits(request.limits.named(), KeySession::Otherwise::fault);
  const auto hold = session.hold(request.call.id);
  if (!unusable && hold && Hold::is_settled(*hold)) return Fault{Fault::Kind::settled, Argument::id};
  if (const auto fault = find_limits(session, request, KeySession::Otherwise::fault, Purpose::take)) return fault;
  const Verdict verdict = session.reserve(request.call, ttl);
  const bool is_granted = verdict.decision.outcome == Outcome::granted;
  // A reservation that limits on trial deny is granted all the same, but not held.
  std::string id(is_granted ? verdict.id : std::string_view{});
  if (!is_granted && session.is_shadow() && session.blocked_for() == Span{})
    id = request.call.id.empty() ? server::random_id() : std::string(request.call.id);
  const Units granted =
      is_granted ? verdict.decision.granted : most_charged(session.limits(), request.call.costs(session.limits()));
  answer(call, session, request.call, verdict, granted, id, {.jitter = request.jitter, .has_headers = request.headers});
  return std::nullopt;
}

std::optional<Fault> settle(const Call& call) {
  CheckRequest request;
  if (const auto fault = parse_settlement(call.words(), request)) return fault;
  KeySession session(call.context(), call.key(), KeySession::Access::write, request.subject);
  if (const auto fault = find_limits_of_hold(session, request.limits.named(), request.call)) return fault;
  if (!have_limits(session, request.limits.span())) {
    call.server().reply_null();
    return std::nullopt;
  }
  const auto [verdict, is_known] = settle_hold(session, request.call, call.now());
  answer(call, session, request.call, verdict, verdict.decision.granted, note_of_settlement(is_known));
  return std::nullopt;
}

}  // namespace ratelimit::commands
