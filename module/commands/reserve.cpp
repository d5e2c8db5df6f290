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

/// Ends the hold `settled.id`, or charges the cost all the same. Returns whether there was a hold or a lease with that id.
bool settle_under_limits(KeySession& session, const Request& settled, Instant now) {
  session.follow();
  const Subject& subject = *session.subject();
  // A call that the limits on trial would have denied holds nothing, and would not have cost anything.
  const bool costs = !session.is_shadow() || has_hold(subject.reservations(), settled.id, now);
  const Request request{.cost = costs ? settled.cost : kNoUnits, .id = settled.id};
  if (!settles(subject.limits(), subject.cells(), subject.reservations(), request, now)) {
    session.deny();
    return false;
  }
  return session.perform({.kind = Operation::Kind::settle, .at = now, .units = request.cost, .id = request.id});
}

}  // namespace

std::optional<Fault> reserve(const Call& call) {
  CheckRequest request;
  Span ttl{};
  if (const auto fault = parse_reservation(call.words(), request, ttl)) return fault;
  KeySession session(call.context(), call.key(), KeySession::Access::write, request.subject);
  const auto fault = session.find_limits(request.limits.span(), KeySession::Otherwise::those_of_subject);
  if (fault) return fault_of(*fault);
  if (!session.has_limits()) return fault_of(KeyFault::no_limits);
  const Verdict verdict = session.reserve(request.call, ttl);
  const bool is_granted = verdict.decision.outcome == Outcome::granted;
  // A reservation that limits on trial deny is granted all the same, but not held.
  std::string id(is_granted ? verdict.id : std::string_view{});
  if (!is_granted && session.is_shadow())
    id = request.call.id.empty() ? server::random_id() : std::string(request.call.id);
  const Units granted = is_granted ? verdict.decision.granted : clamped_estimate(session.limits(), request.call.cost);
  answer(call, session, verdict, granted, id);
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
  const bool is_known = settle_under_limits(session, request.call, call.now());
  Verdict verdict = session.status();
  verdict.decision.granted = request.call.cost;
  answer(call, session, verdict, request.call.cost, is_known ? "settled" : "unknown");
  return std::nullopt;
}

}  // namespace ratelimit::commands
