// SPDX-License-Identifier: MIT
// RL.RESERVE and RL.SETTLE: charge an estimate now, and the actual cost once it is known.
#include <optional>
#include <string>
#include <string_view>

#include "commands/answer.h"
#include "commands/commands.h"
#include "commands/limits_of_call.h"
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
  Request request{.cost = costs ? settled.cost : kNoUnits, .charged = settled.charged, .id = settled.id};
  if (!costs) request.charged = {};
  const auto& subject = session.subject();
  const bool ends_lease = subject && has_lease(subject->limits(), subject->cells(), request.id, now);
  if (!is_held && !ends_lease && request.costs(session.limits()).are_nothing()) return session.deny();
  if (!is_held) session.open_accounts();
  session.settle(request);
}

/// Finds the limits that a settlement goes by: those of the hold, if it is there. With a fault nothing has changed.
std::optional<Fault> find_limits_of_hold(KeySession& session, const CheckRequest& request) {
  const auto go_by_hold = [&] {
    if (const auto hold = session.hold(request.call.id)) session.go_by_accounts(Hold::named(*hold));
  };
  const auto specs = request.limits.span();
  if (!request.call.charged.empty()) {
    if (const auto fault = session.look_for_limits(specs, KeySession::Otherwise::those_of_subject)) {
      return fault_of(*fault);
    }
    go_by_hold();
    if (session.has_limits()) {
      if (const auto fault = fault_of_labels(session, request.call)) return fault;
    }
    session.go_by_subject();
  }
  const auto fault = session.find_limits(specs, KeySession::Otherwise::those_of_subject);
  if (fault) return fault_of(*fault);
  go_by_hold();
  return std::nullopt;
}

}  // namespace

std::optional<Fault> reserve(const Call& call) {
  CheckRequest request;
  Span ttl{};
  if (const auto fault = parse_reservation(call.words(), request, ttl)) return fault;
  KeySession session(call.context(), call.key(), KeySession::Access::write, request.subject);
  const auto unusable = session.look_for_limits(request.limits.span(), KeySession::Otherwise::fault);
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
  answer(call, session, verdict, granted, id, Mode::estimate);
  return std::nullopt;
}

std::optional<Fault> settle(const Call& call) {
  CheckRequest request;
  if (const auto fault = parse_settlement(call.words(), request)) return fault;
  KeySession session(call.context(), call.key(), KeySession::Access::write, request.subject);
  if (const auto fault = find_limits_of_hold(session, request)) return fault;
  if (!session.has_limits()) {
    call.server().reply_null();
    return std::nullopt;
  }
  const auto hold = session.hold(request.call.id);
  Units granted = request.call.costs(session.limits()).most();
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
