// RL.PEEK: what RL.CHECK would answer, taking nothing.
#include <optional>

#include "commands/arguments.h"
#include "commands/commands.h"
#include "commands/reply.h"
#include "keyspace/module.h"
#include "keyspace/open_key.h"

namespace ratelimit::commands {
namespace {

void reply(const Call& call, const OpenKey& key, const CheckRequest& request, const Limits& limits, Verdict verdict) {
  if (key.is_shadow()) grant_on_trial(verdict, request.call.cost);
  reply_check(call.context(), verdict.decision, {.label = limits.label(verdict.binding)});
}

}  // namespace

std::optional<Fault> peek(const Call& call) {
  CheckRequest request;
  if (const auto fault = parse_check(call.words(), forms::kPeek.options, request)) return fault;
  const Instant now = module().clock.now();
  OpenKey key(call.context(), call.key(), server::Key::Access::read, request.subject);
  if (const auto fault = key.fault()) return fault;
  SharedLimits limits;
  if (const auto fault = key.find_limits(request.limits.span(), limits)) return fault;
  key.collect(now);

  if (!key.subject() && !limits) {
    call.context().reply_null();
    return std::nullopt;
  }
  const Limits& binding = limits ? *limits : key.subject()->limits();
  reply(call, key, request, binding, key.peek(limits, request.call, now));
  return std::nullopt;
}

}  // namespace ratelimit::commands
