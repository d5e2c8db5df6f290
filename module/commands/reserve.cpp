// SPDX-License-Identifier: MIT
// RL.RESERVE and RL.SETTLE: charge an estimate now, and the actual cost once it is known.
#include <optional>
#include <string>
#include <string_view>

#include "commands/answer.h"
#include "commands/commands.h"
#include "commands/requests.h"
#include "keyspace/key_session.h"
#include "ratelimit/holds.h"
#include "ratelimit/operation.h"
#include "ratelimit/request.h"
#include "ratelimit/verdict.h"

namespace ratelimit::commands {
namespace {

/// Ends the hold `settled.id`, or charges the cost all the same.
void settle_under_limits(KeySession& session, const Request& settled, bool is_held, Instant now) {
  // A call that the limits on trial would have denied holds nothing, and would not have cost anything.
  const bool costs = !session.is_shadow() || is_held;
  const Request request{.cost = costs ? settled.cost : kNoUnits, .id = settled.id};
  const auto& subject = session.subject();
  const bool is_change = subject ? settles(subject->limits(), subject->cells(), subject->reservations(), request, now)
                                 : request.cost > kNoUnits;
  if (!is_change) return session.deny();
  if (!is_held) session.open_accounts();
  session.perform({.kind = Operation::Kind::settle, .at = now, .units = request.cost, .id = request.id});
}

}  // namespace

std::optional<Fault> reserve(const Call& call) {
  CheckRequest request;
  Span ttl{};
  if (const auto fault = parse_reservation(call.words(), request, ttl)) return fault;
  KeySession session(call.context(), call.key(), KeySession::Access::write, request.subject);
  auto fault = session.look_for_limits(request.limits.span(), KeySession::Otherwise::fault);
  const auto hold = session.hold(request.call.id);
  if (!fault && hold && Hold::is_settled(*hold)) return Fault{Fault::Kind::settled, Argument::id};
  if (!fault) fault = session.find_limits(request.limits.span(), KeySession::Otherwise::fault);
  if (fault) return fault_of(*fault);
  const Verdict verdict = session.reserve(request.call, ttl);
  const bool is_granted = verdict.decision.outcome == Outcome::granted;
  // A reservation that limits on trial deny is granted all the same, but not held.
  std::string id(is_granted ? verdict.id : std::string_view{});
  if (!is_granted && session.is_shadow() && session.blocked_for() == Span{})
    id = request.call.id.empty() ? server::random_id() : std::string(request.call.id);
  const Units granted = is_granted ? verdict.decision.granted : most_charged(session.limits(), request.call.cost);
  answer(call, session, verdict, granted, id, Mode::estimate);
  return std::nullopt;
}

std::optional<Fault> settle(const Call& call) {
  CheckRequest request;
  if (const auto fault = parse_settlement(call.words(), request)) return fault;
  KeySession session(call.context(), call.key(), KeySession::Access::write, request.subject);
  const auto fault = session.find_limits(request.limits.span(), KeySession::Otherwise::those_of_subject);
  if (fault) return fault_of(*fault);
  if (!session.has_limits()) {
    call.server().reply_null();
    return std::nullopt;
  }
  Units granted = request.call.cost;
  const auto hold = session.hold(request.call.id);
  if (hold) session.go_by_accounts(Hold::named(*hold));
  if (hold && Hold::is_settled(*hold)) {
    granted = hold->units;
  } else {
    settle_under_limits(session, request.call, hold.has_value(), call.now());
  }
  Verdict verdict = session.status();
  verdict.decision.granted = granted;
  answer(call, session, verdict, granted, hold ? "settled" : "unknown", Mode::force);
  return std::nullopt;
}

}  // namespace ratelimit::commands
