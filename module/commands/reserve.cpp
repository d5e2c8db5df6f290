// RL.RESERVE and RL.SETTLE: charge an estimate now, and the actual cost once it is known.
#include <optional>
#include <string>
#include <string_view>

#include "arguments.h"
#include "commands/commands.h"
#include "keyspace.h"
#include "reply.h"
#include "state.h"

namespace ratelimit::commands {
namespace {

/// Finds the limits that the call names: none if it names none.
std::optional<Fault> find_limits(const CheckRequest& request, SharedLimits& limits) {
  if (request.limits.empty()) return std::nullopt;
  limits = module().limits.get(request.limits.span());
  if (!limits) return Fault{Fault::Kind::repeated_label, Argument::label};
  return std::nullopt;
}

/// Lets the key follow these limits, unless it has them, or there are none.
void follow_limits(OpenKey& key, const CheckRequest& request, const SharedLimits& limits, Instant now) {
  const bool has_them = key.value() != nullptr && key.value()->limits().are(request.limits.span());
  if (limits && !has_them) key.follow(limits, now);
}

/// How the limits stand now, at the turn of who waits if somebody does; with what a call got.
Verdict standing_after(const Value* value, const Limits& limits, Units granted, Instant now) {
  Verdict verdict = value != nullptr ? standing_at_turn(limits, value->cells(), value->turn(), now)
                                     : decide_idle(limits, {.cost = kNoUnits, .mode = Mode::force}, now);
  verdict.decision.granted = granted;
  return verdict;
}

/// `value` is that of the key, and its limits are those that apply.
void reserve_under_limits_of(Value& value, OpenKey& key, const Call& call, const Request& request, Span ttl,
                             Instant now) {
  const Limits& limits = value.limits();  // shared: they outlive the value, which may be replaced by a larger one
  const Reservations nothing;
  const Reservations* reservations = value.reservations();
  Verdict verdict =
      decide_reservation(limits, value.cells(), reservations != nullptr ? *reservations : nothing, request, now);
  const Decision& decision = verdict.decision;
  value.count_call(decision.outcome);
  if (decision.outcome != Outcome::granted) {
    key.bring_to(now);
    reply_check(call.context(), limits, verdict, {.label = true, .note = ""});
    return;
  }
  const std::string id = request.id.empty() ? server::random_id() : std::string(request.id);
  const bool was_held =
      key.perform({.kind = Operation::Kind::reserve, .at = now, .units = decision.granted, .span = ttl, .id = id});
  if (was_held) {
    verdict = standing_after(key.value(), limits, decision.granted, now);
    verdict.decision.wait = Span{};
  }
  reply_check(call.context(), limits, verdict, {.label = true, .note = id});
}

}  // namespace

std::optional<Fault> reserve(const Call& call) {
  CheckRequest request;
  Span ttl{};
  if (const auto fault = parse_reservation(call.words(), request, ttl)) return fault;
  SharedLimits limits;
  if (const auto fault = find_limits(request, limits)) return fault;
  const Instant now = module().clock.now();
  OpenKey key(call, server::Key::Access::write);
  if (const auto fault = key.fault()) return fault;
  key.collect(now);
  follow_limits(key, request, limits, now);
  if (key.value() == nullptr) return Fault{Fault::Kind::no_limits, Argument::limits};
  reserve_under_limits_of(*key.value(), key, call, request.call, ttl, now);
  return std::nullopt;
}

std::optional<Fault> settle(const Call& call) {
  CheckRequest request;
  if (const auto fault = parse_settlement(call.words(), request)) return fault;
  SharedLimits limits;
  if (const auto fault = find_limits(request, limits)) return fault;
  const Instant now = module().clock.now();
  OpenKey key(call, server::Key::Access::write);
  if (const auto fault = key.fault()) return fault;
  key.collect(now);
  follow_limits(key, request, limits, now);
  if (key.value() == nullptr) {
    call.context().reply_null();
    return std::nullopt;
  }
  const Value& value = *key.value();
  limits = value.shared_limits();
  bool is_known = false;
  if (settles(*limits, value.cells(), value.reservations(), request.call, now)) {
    is_known =
        key.perform({.kind = Operation::Kind::settle, .at = now, .units = request.call.cost, .id = request.call.id});
  } else {
    key.bring_to(now);
  }
  reply_check(call.context(), *limits, standing_after(key.value(), *limits, request.call.cost, now),
              {.label = true, .note = is_known ? "settled" : "unknown"});
  return std::nullopt;
}

}  // namespace ratelimit::commands
