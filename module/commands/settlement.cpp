// SPDX-License-Identifier: MIT
#include "commands/settlement.h"

#include "commands/answer.h"
#include "commands/limits_of_call.h"
#include "ratelimit/holds.h"
#include "ratelimit/reservations.h"

namespace ratelimit {
namespace {

void go_by_hold(KeySession& session, const Request& settled) {
  if (const auto hold = session.hold(settled.id)) session.go_by_accounts(Hold::named(*hold));
}

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

}  // namespace

std::optional<Fault> find_limits_of_hold(KeySession& session, const NamedLimits& named, const Request& settled) {
  if (!settled.charged.empty()) {
    if (const auto fault = session.look_for_limits(named, KeySession::Otherwise::those_of_subject)) {
      return fault_of(*fault);
    }
    go_by_hold(session, settled);
    if (session.has_limits()) {
      if (const auto fault = fault_of_labels(session, settled)) return fault;
    }
    session.go_by_subject();
  }
  const auto fault = session.find_limits(named, KeySession::Otherwise::those_of_subject);
  if (fault) return fault_of(*fault);
  go_by_hold(session, settled);
  return std::nullopt;
}

bool have_limits(const KeySession& session, std::span<const LimitSpec> specs) {
  const bool are_given = !specs.empty() || session.key().stored().is_stored();
  return session.has_limits() && (are_given || !session.is_forgotten());
}

Settlement settle_hold(KeySession& session, const Request& settled, Instant now) {
  const auto hold = session.hold(settled.id);
  Units cost = settled.costs(session.limits()).most();
  if (hold && Hold::is_settled(*hold)) {
    cost = hold->units;
  } else {
    settle_under_limits(session, settled, hold.has_value(), now);
  }
  Settlement settlement{.verdict = session.status(), .is_known = hold.has_value()};
  settlement.verdict.decision.granted = cost;
  return settlement;
}

}  // namespace ratelimit
