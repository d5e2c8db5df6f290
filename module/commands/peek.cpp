// RL.PEEK: what RL.CHECK would answer, taking nothing.
#include <optional>

#include "arguments.h"
#include "commands/commands.h"
#include "keyspace.h"
#include "reply.h"
#include "state.h"

namespace ratelimit::commands {
namespace {

void reply(const Call& call, const Limits& limits, const Verdict& verdict) {
  reply_check(call.context(), limits, verdict, {.label = true});
}

}  // namespace

std::optional<Fault> peek(const Call& call) {
  CheckRequest request;
  if (const auto fault = parse_check(call.words(), Options::kCost, request)) return fault;
  const Instant now = module().clock.now();
  OpenKey key(call, server::Key::Access::read);
  if (const auto fault = key.fault()) return fault;
  key.collect(now);

  Value* value = key.value();
  if (request.limits.empty() && value == nullptr) {
    call.context().reply_null();
    return std::nullopt;
  }
  if (value != nullptr && (request.limits.empty() || value->limits().are(request.limits.span()))) {
    reply(call, value->limits(), decide(value->limits(), value->cells(), value->turn(), request.call, now));
    return std::nullopt;
  }
  const SharedLimits limits = module().limits.get(request.limits.span());
  if (!limits) return Fault{Fault::Kind::repeated_label, Argument::label};
  if (value == nullptr) {
    reply(call, *limits, decide_idle(*limits, request.call, now));
  } else {
    const Turn turn = value->turn();
    const CarriedStates carried(value->limits(), value->cells(), *limits, turn.or_later(now));
    reply(call, *limits, decide(*limits, carried, turn, request.call, now));
  }
  return std::nullopt;
}

}  // namespace ratelimit::commands
