// RL.PEEK: what RL.CHECK would answer, taking nothing.
#include <array>
#include <optional>
#include <span>

#include "arguments.h"
#include "commands/commands.h"
#include "keyspace.h"
#include "reply.h"
#include "state.h"

namespace ratelimit::commands {
namespace {

Verdict decide_idle(const Limits& limits, Units cost, Instant now) {
  std::array<Cell, kMaxLimits> idle;
  construct_idle(limits, idle);  // an idle state owns nothing, so that nothing is to be destroyed
  return decide(limits, idle, cost, now);
}

}  // namespace

std::optional<Fault> peek(const Call& call) {
  CheckRequest request;
  if (const auto fault = parse_check(call.words(), request)) return fault;
  const Instant now = module().clock.now();
  OpenKey key(call, server::Key::Access::read);
  if (const auto fault = key.fault()) return fault;

  Value* value = key.value();
  if (request.limits.empty() && value == nullptr) {
    call.context().reply_null();
    return std::nullopt;
  }
  if (value != nullptr && (request.limits.empty() || value->limits().are(request.limits.span()))) {
    reply_verdict(call.context(), value->limits(), decide(value->limits(), value->cells(), request.cost, now));
    return std::nullopt;
  }
  const SharedLimits limits = module().limits.get(request.limits.span());
  if (!limits) return Fault{Fault::Kind::repeated_label, Argument::label};
  const Verdict verdict =
      value == nullptr
          ? decide_idle(*limits, request.cost, now)
          : decide(*limits, CarriedStates(value->limits(), value->cells(), *limits, now), request.cost, now);
  reply_verdict(call.context(), *limits, verdict);
  return std::nullopt;
}

}  // namespace ratelimit::commands
