// RL.PEEK: what RL.CHECK would answer, taking nothing.
#include <optional>

#include "arguments.h"
#include "commands/commands.h"
#include "keyspace.h"
#include "reply.h"
#include "state.h"

namespace ratelimit::commands {
namespace {

void reply(const Call& call, const OpenKey& key, const CheckRequest& request, const Limits& limits, Verdict verdict) {
  if (key.is_shadow()) grant_on_trial(verdict, request.call.cost);
  reply_check(call.context(), verdict.decision, {.label = limits.label(verdict.binding)});
}

}  // namespace

std::optional<Fault> peek(const Call& call) {
  CheckRequest request;
  if (const auto fault = parse_check(call.words(), Options::kSubject | Options::kCost, request)) return fault;
  const Instant now = module().clock.now();
  OpenKey key(call.context(), call.key(), server::Key::Access::read, request.subject);
  if (const auto fault = key.fault()) return fault;
  SharedLimits limits;
  if (const auto fault = key.find_limits(request.limits.span(), limits)) return fault;
  key.collect(now);

  if (!key.subject()) {
    if (limits) {
      reply(call, key, request, *limits, decide_idle(*limits, request.call, now));
    } else {
      call.context().reply_null();
    }
    return std::nullopt;
  }
  const Subject& subject = *key.subject();
  if (!limits) {
    const Verdict verdict = decide(subject.limits(), subject.cells(), subject.turn(), request.call, now);
    reply(call, key, request, subject.limits(), verdict);
  } else {
    const Turn turn = subject.turn();
    const CarriedStates carried(subject.limits(), subject.cells(), *limits, turn.or_later(now));
    reply(call, key, request, *limits, decide(*limits, carried, turn, request.call, now));
  }
  return std::nullopt;
}

}  // namespace ratelimit::commands
