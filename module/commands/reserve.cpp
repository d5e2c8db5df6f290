// RL.RESERVE and RL.SETTLE: charge an estimate now, and the actual cost once it is known.
#include <optional>
#include <string>
#include <string_view>

#include "commands/arguments.h"
#include "commands/commands.h"
#include "commands/reply.h"
#include "keyspace/module.h"
#include "keyspace/open_key.h"
#include "ratelimit/holds.h"

namespace ratelimit::commands {
namespace {

/// Lets the subject follow the limits that the call goes by. A subject may still be none then: there are no limits.
std::optional<Fault> follow_limits(OpenKey& key, const CheckRequest& request, Instant now) {
  SharedLimits limits;
  if (const auto fault = key.find_limits(request.limits.span(), limits)) return fault;
  key.collect(now);
  // What was held may have been all that there was.
  if (!key.subject() && !limits) static_cast<void>(key.find_limits(request.limits.span(), limits));
  if (limits) key.follow(limits, now);
  return std::nullopt;
}

/// How the limits stand now, at the turn of who waits if somebody does; with what a call got.
Verdict status_after(const OpenKey& key, const Limits& limits, Units granted, Instant now) {
  const std::optional<Subject>& subject = key.subject();
  Verdict verdict = subject ? status_at_turn(limits, subject->cells(), subject->turn(), now)
                            : decide_idle(limits, {.cost = kNoUnits, .mode = Mode::force}, now);
  verdict.decision.granted = granted;
  if (key.is_shadow()) grant_on_trial(verdict, granted);
  return verdict;
}

/// Tells a reservation that is denied; or granted all the same, but not held, if the limits are on trial.
void reply_denied(const Call& call, const OpenKey& key, const Limits& limits, const Request& request, Verdict verdict) {
  std::string id;
  if (key.is_shadow()) {
    grant_on_trial(verdict, clamped_estimate(limits, request.cost));
    id = request.id.empty() ? server::random_id() : std::string(request.id);
  }
  reply_check(call.context(), verdict.decision, {.label = limits.label(verdict.binding), .note = id});
}

/// The subject goes by the limits that it has.
void reserve_under_limits_of_subject(OpenKey& key, const Call& call, const Request& request, Span ttl, Instant now) {
  const Subject& subject = *key.subject();
  const Limits& limits = subject.limits();  // shared: they outlive the view, which may move to a larger place
  const Reservations nothing;
  const Reservations* reservations = subject.reservations();
  Verdict verdict =
      decide_reservation(limits, subject.cells(), reservations != nullptr ? *reservations : nothing, request, now);
  const Decision& decision = verdict.decision;
  if (decision.outcome != Outcome::granted) {
    key.clamp_and_store(now);
    key.count_call(decision.outcome);
    return reply_denied(call, key, limits, request, verdict);
  }
  const std::string id = request.id.empty() ? server::random_id() : std::string(request.id);
  const bool was_held =
      key.perform({.kind = Operation::Kind::reserve, .at = now, .units = decision.granted, .span = ttl, .id = id});
  key.count_call(decision.outcome);
  if (was_held) {
    verdict = status_after(key, limits, decision.granted, now);
    verdict.decision.wait = Span{};
  }
  if (key.is_shadow()) grant_on_trial(verdict, decision.granted);
  reply_check(call.context(), verdict.decision, {.label = limits.label(verdict.binding), .note = id});
}

}  // namespace

std::optional<Fault> reserve(const Call& call) {
  CheckRequest request;
  Span ttl{};
  if (const auto fault = parse_reservation(call.words(), request, ttl)) return fault;
  const Instant now = module().clock.now();
  OpenKey key(call.context(), call.key(), server::Key::Access::write, request.subject);
  if (const auto fault = key.fault()) return fault;
  if (const auto fault = follow_limits(key, request, now)) return fault;
  if (!key.subject()) return Fault{Fault::Kind::no_limits, Argument::limits};
  reserve_under_limits_of_subject(key, call, request.call, ttl, now);
  return std::nullopt;
}

std::optional<Fault> settle(const Call& call) {
  CheckRequest request;
  if (const auto fault = parse_settlement(call.words(), request)) return fault;
  const Instant now = module().clock.now();
  OpenKey key(call.context(), call.key(), server::Key::Access::write, request.subject);
  if (const auto fault = key.fault()) return fault;
  if (const auto fault = follow_limits(key, request, now)) return fault;
  if (!key.subject()) {
    call.context().reply_null();
    return std::nullopt;
  }
  const SharedLimits limits = key.subject()->shared_limits();
  const Subject& subject = *key.subject();
  bool is_known = false;
  // A call that the limits on trial would have denied holds nothing, and would not have cost anything.
  const bool costs = !key.is_shadow() || has_hold(subject.reservations(), request.call.id, now);
  const Request settled{.cost = costs ? request.call.cost : kNoUnits, .id = request.call.id};
  if (settles(*limits, subject.cells(), subject.reservations(), settled, now)) {
    is_known = key.perform({.kind = Operation::Kind::settle, .at = now, .units = settled.cost, .id = settled.id});
  } else {
    key.clamp_and_store(now);
  }
  const Verdict status = status_after(key, *limits, request.call.cost, now);
  reply_check(call.context(), status.decision,
              {.label = limits->label(status.binding), .note = is_known ? "settled" : "unknown"});
  return std::nullopt;
}

}  // namespace ratelimit::commands
