// SPDX-License-Identifier: MIT
#include "session.h"

#include <utility>

#include "ratelimit/any_algorithm.h"
#include "ratelimit/booking.h"
#include "ratelimit/decision.h"
#include "ratelimit/http/limit_status.h"
#include "ratelimit/operation.h"
#include "ratelimit/turn.h"

namespace ratelimit::playground {

const Verdict& Session::check(SubjectNumber subject, Request request, Instant at) {
  State& state = state_of(subject);
  if (request.takes_lease(limits_)) request.id = id_ = "lease-" + std::to_string(++leases_);
  Verdict verdict = decide(limits_, state.all(), state.reservations.turn, request, at);
  if (verdict.decision.outcome == Outcome::granted && verdict.decision.granted > kNoUnits) {
    commit(state, verdict, request, at);
  }
  last_ = {.state = &state, .request = request, .verdict = verdict, .at = at};
  return last_.verdict;
}

// As KeySession::commit of the module. A call that waits for its turn is charged as of that turn.
void Session::commit(State& state, const Verdict& verdict, const Request& request, Instant at) {
  if (verdict.turn == Span{} && state.reservations.empty()) return apply(limits_, state.all(), verdict);
  Booking(limits_, state.all(), state.reservations)
      .perform({.kind = Operation::Kind::charge,
                .at = at,
                .units = verdict.decision.granted,
                .span = verdict.turn,
                .id = request.takes_lease(limits_) ? verdict.id : std::string_view{}});
}

std::vector<HttpField> Session::http_fields_of_last() const {
  if (last_.state == nullptr) return {};
  const Decision& decision = last_.verdict.decision;
  const std::vector<LimitStatus> statuses = limit_statuses_after(
      limits_, last_.state->all(), last_.state->reservations.turn, last_.request, last_.verdict, last_.at);
  return http_fields(statuses, last_.verdict.binding, decision.outcome, decision.wait);
}

bool Session::release(SubjectNumber subject, std::string_view id, Instant at) {
  State& state = state_of(subject);
  return Booking(limits_, state.all(), state.reservations)
      .perform({.kind = Operation::Kind::release, .at = at, .id = id});
}

Status Session::status(SubjectNumber subject, std::size_t limit, Instant at) {
  State& state = state_of(subject);
  const Instant decided_at = state.reservations.turn.or_later(at);
  return limits_[limit].visit([&](const auto& algorithm) {
    const auto& own = state_in(std::as_const(state.cells[limit]), algorithm);
    const Decision decision = algorithm.decide(own, Ask{kNoUnits, {}, true}, decided_at).decision;
    return Status{.used = algorithm.used(own, decided_at),
                  .remaining = decided_at > at ? kNoUnits : decision.remaining,
                  .reset = decision.reset + (decided_at - at)};
  });
}

Session::State& Session::state_of(SubjectNumber subject) {
  std::unique_ptr<State>& state = states_[subject];
  if (state == nullptr) state = std::make_unique<State>(limits_);
  return *state;
}

}  // namespace ratelimit::playground
