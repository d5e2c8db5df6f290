// RL.CHECK and its shorthands: decide a call under limits, and charge it if it is granted.
#include <optional>
#include <utility>

#include "arguments.h"
#include "commands/commands.h"
#include "keyspace.h"
#include "reply.h"
#include "state.h"

namespace ratelimit::commands {
namespace {

/// Which form of the reply a command has.
enum class Reply : bool { five_integers, with_label };

void reply_with(Reply form, const Call& call, const Limits& limits, const Verdict& verdict) {
  if (form == Reply::with_label) {
    reply_verdict(call.context(), limits, verdict);
  } else {
    reply_decision(call.context(), verdict.decision);
  }
}

/// The key has these very limits, which is the case of nearly all calls: nothing is looked up, nothing allocated.
void check_under_same_limits(const Call& call, OpenKey& key, Units cost, Instant now, Reply form) {
  Value& value = *key.value();
  const Verdict verdict = decide(value.limits(), value.cells(), cost, now);
  value.count_call(verdict.decision.outcome);
  if (verdict.decision.outcome == Outcome::granted) {
    key.commit(verdict, now);
  } else if (verdict.decision.outcome == Outcome::denied && any_is_ahead(value.limits(), value.cells(), now)) {
    key.clamp(now);
  }
  reply_with(form, call, value.limits(), verdict);
}

/// The key is new: a value is made, which the key gets if the call is granted.
void check_new_key(const Call& call, OpenKey& key, const SharedLimits& limits, Units cost, Instant now, Reply form) {
  Value::Pointer value = Value::create(limits);
  const Verdict verdict = decide(*limits, value->cells(), cost, now);
  if (verdict.decision.outcome == Outcome::granted) {
    value->count_call(Outcome::granted);
    key.put(std::move(value));
    key.commit(verdict, now);
  }
  reply_with(form, call, *limits, verdict);
}

/// The key had other limits until now. It follows those of the call, unless they could never grant it.
void check_under_new_limits(const Call& call, OpenKey& key, const SharedLimits& limits, Units cost, Instant now,
                            Reply form) {
  CarriedStates carried(key.value()->limits(), key.value()->cells(), *limits, now);
  const Verdict verdict = decide(*limits, carried, cost, now);
  if (verdict.decision.outcome != Outcome::never) {
    Value::Pointer value = Value::create(limits);
    carried.move_into(value->cells());
    key.put(std::move(value));
    if (verdict.decision.outcome == Outcome::granted) {
      key.commit(verdict, now);
    } else {
      key.clamp(now);
    }
  }
  key.value()->count_call(verdict.decision.outcome);
  reply_with(form, call, *limits, verdict);
}

std::optional<Fault> decide_and_reply(const Call& call, const CheckRequest& request, Reply form) {
  const Instant now = module().clock.now();
  OpenKey key(call, server::Key::Access::write);
  if (const auto fault = key.fault()) return fault;

  if (key.value() != nullptr && key.value()->limits().are(request.limits.span())) {
    check_under_same_limits(call, key, request.cost, now, form);
    return std::nullopt;
  }
  const SharedLimits limits = module().limits.get(request.limits.span());
  if (!limits) return Fault{Fault::Kind::repeated_label, Argument::label};
  if (key.value() == nullptr) {
    check_new_key(call, key, limits, request.cost, now, form);
  } else {
    check_under_new_limits(call, key, limits, request.cost, now, form);
  }
  return std::nullopt;
}

std::optional<Fault> shorthand(const Call& call, Algorithm algorithm) {
  CheckRequest request;
  if (const auto fault = parse_shorthand(call.words(), algorithm, request)) return fault;
  return decide_and_reply(call, request, Reply::five_integers);
}

}  // namespace

std::optional<Fault> check(const Call& call) {
  CheckRequest request;
  if (const auto fault = parse_check(call.words(), request)) return fault;
  if (request.limits.empty()) return Fault{Fault::Kind::no_limits, Argument::limits};
  return decide_and_reply(call, request, Reply::with_label);
}

std::optional<Fault> token_bucket(const Call& call) { return shorthand(call, Algorithm::token_bucket); }
std::optional<Fault> fixed(const Call& call) { return shorthand(call, Algorithm::fixed_window); }
std::optional<Fault> sliding(const Call& call) { return shorthand(call, Algorithm::sliding_log); }

}  // namespace ratelimit::commands
