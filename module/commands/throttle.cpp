// CL.THROTTLE: a token bucket, asked and answered as the module redis-cell does, for clients that need not know that it
// is gone. Keys that it wrote are taken over when something is granted on them.
#include <optional>
#include <utility>

#include "commands/arguments.h"
#include "commands/commands.h"
#include "commands/reply.h"
#include "keyspace/module.h"
#include "keyspace/open_key.h"

namespace ratelimit::commands {
namespace {

/// A call that asks for nothing, or for more than there ever is, changes nothing.
Verdict decide_and_charge(OpenKey& key, const SharedLimits& limits, const Request& request, Instant now) {
  const bool only_asks = request.cost == kNoUnits;
  if (only_asks || is_never(limits ? *limits : key.subject()->limits(), request)) {
    Verdict verdict = key.peek(limits, request, now);
    if (only_asks) grant_on_trial(verdict, kNoUnits);  // also in debt: nothing can be taken at any time
    return verdict;
  }
  if (limits) key.follow(limits, now);
  return key.charge(request, now);
}

}  // namespace

std::optional<Fault> throttle(const Call& call) {
  CheckRequest request;
  if (const auto fault = parse_throttle(call.words(), request)) return fault;
  const Instant now = module().clock.now();
  const bool only_asks = request.call.cost == kNoUnits;
  OpenKey key(call.context(), call.key(), only_asks ? server::Key::Access::read : server::Key::Access::write);
  const std::optional<TokenBucket::State> left_behind = key.state_of_redis_cell();
  if (!left_behind) {
    if (const auto fault = key.fault()) return fault;
  }
  SharedLimits limits;
  if (const auto fault = key.find_limits(request.limits.span(), limits)) return fault;
  if (left_behind) key.adopt(*left_behind, std::exchange(limits, {}));
  key.collect(now);
  // What was held may have been all that there was.
  if (!key.subject() && !limits) limits = module().limits.get(request.limits.span());

  Verdict verdict = decide_and_charge(key, limits, request.call, now);
  if (!only_asks) key.count_call(verdict.decision.outcome);
  if (key.is_shadow()) grant_on_trial(verdict, request.call.cost);
  reply_throttle(call.context(), verdict.decision);
  return std::nullopt;
}

}  // namespace ratelimit::commands
