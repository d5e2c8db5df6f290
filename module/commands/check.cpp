// RL.CHECK and its shorthands: decide a call under limits, and charge it if it is granted.
#include <optional>
#include <string>

#include "arguments.h"
#include "commands/commands.h"
#include "keyspace.h"
#include "reply.h"
#include "state.h"

namespace ratelimit::commands {
namespace {

/// Whether a command's reply names the binding limit.
enum class Label : bool { left_out, shown };

void reply(const Call& call, const Limits& limits, const Verdict& verdict, Label label) {
  CheckReply form{.label = label == Label::shown};
  if (limits.have_leases()) form.note = verdict.decision.outcome == Outcome::granted ? verdict.id : "";
  reply_check(call.context(), limits, verdict, form);
}

/// The key follows the limits of the call: nothing is looked up, nothing allocated.
void check_under_limits_of(OpenKey& key, const Call& call, const Request& request, Instant now, Label label) {
  // When a turn comes is found by asking as of later: what is ahead of now must have been brought back before.
  if (request.mode == Mode::may_wait && key.value()->is_ahead(now) && !is_never(key.value()->limits(), request)) {
    key.bring_to(now);
  }
  Value& value = *key.value();
  Verdict verdict = decide(value.limits(), value.cells(), value.turn(), request, now);
  const Limits& limits = value.limits();  // shared: they outlive the value, which may be replaced by a larger one
  std::string id;
  value.count_call(verdict.decision.outcome);
  if (verdict.decision.outcome == Outcome::granted) {
    if (verdict.id.empty() && limits.have_leases()) verdict.id = id = server::random_id();
    key.commit(verdict, now);
  } else if (verdict.decision.outcome == Outcome::denied) {
    key.bring_to(now);
  }
  reply(call, limits, verdict, label);
}

/// A call that these limits can never grant changes nothing, not the limits of the key either.
void refuse_for_ever(OpenKey& key, const Call& call, const Limits& limits, const Request& request, Instant now,
                     Label label) {
  Value* value = key.value();
  if (value == nullptr) return reply(call, limits, decide_idle(limits, request, now), label);
  value->count_call(Outcome::never);
  const Turn turn = value->turn();
  const CarriedStates carried(value->limits(), value->cells(), limits, turn.or_later(now));
  reply(call, limits, decide(limits, carried, turn, request, now), label);
}

/// Finds the limits of the call, unless the key has these very limits.
std::optional<Fault> find_limits(const OpenKey& key, const CheckRequest& request, SharedLimits& limits) {
  if (key.value() != nullptr && key.value()->limits().are(request.limits.span())) return std::nullopt;
  limits = module().limits.get(request.limits.span());
  if (!limits) return Fault{Fault::Kind::repeated_label, Argument::label};
  return std::nullopt;
}

std::optional<Fault> decide_and_reply(const Call& call, const CheckRequest& request, Label label) {
  const Instant now = module().clock.now();
  OpenKey key(call, server::Key::Access::write);
  if (const auto fault = key.fault()) return fault;
  SharedLimits limits;
  if (const auto fault = find_limits(key, request, limits)) return fault;
  key.collect(now);
  if (key.value() == nullptr && !limits) limits = module().limits.get(request.limits.span());
  if (limits) {
    if (is_never(*limits, request.call)) {
      refuse_for_ever(key, call, *limits, request.call, now, label);
      return std::nullopt;
    }
    key.follow(limits, now);
  }
  check_under_limits_of(key, call, request.call, now, label);
  return std::nullopt;
}

std::optional<Fault> shorthand(const Call& call, Algorithm algorithm) {
  CheckRequest request;
  if (const auto fault = parse_shorthand(call.words(), algorithm, request)) return fault;
  return decide_and_reply(call, request, Label::left_out);
}

}  // namespace

std::optional<Fault> check(const Call& call) {
  CheckRequest request;
  constexpr std::uint8_t kOptions = Options::kCost | Options::kMode | Options::kId;
  if (const auto fault = parse_check(call.words(), kOptions, request)) return fault;
  if (request.limits.empty()) return Fault{Fault::Kind::no_limits, Argument::limits};
  return decide_and_reply(call, request, Label::shown);
}

std::optional<Fault> token_bucket(const Call& call) { return shorthand(call, Algorithm::token_bucket); }
std::optional<Fault> leaky_bucket(const Call& call) { return shorthand(call, Algorithm::leaky_bucket); }
std::optional<Fault> fixed(const Call& call) { return shorthand(call, Algorithm::fixed_window); }
std::optional<Fault> sliding(const Call& call) { return shorthand(call, Algorithm::sliding_log); }
std::optional<Fault> quota(const Call& call) { return shorthand(call, Algorithm::quota); }
std::optional<Fault> concurrent(const Call& call) { return shorthand(call, Algorithm::concurrent); }

}  // namespace ratelimit::commands
