// SPDX-License-Identifier: MIT
// CL.THROTTLE: a token bucket, asked and answered as the module redis-cell does, for clients that need not know that it
// is gone. Keys that it wrote are taken over when something is granted on them.
#include <optional>

#include "commands/answer.h"
#include "commands/commands.h"
#include "commands/reply.h"
#include "commands/requests.h"
#include "keyspace/key_session.h"

namespace ratelimit::commands {

std::optional<Fault> throttle(const Call& call) {
  CheckRequest request;
  if (const auto fault = parse_throttle(call.words(), request)) return fault;
  const bool only_asks = request.call.cost == kNoUnits;
  KeySession session(call.context(), call.key(), only_asks ? KeySession::Access::read : KeySession::Access::write);
  if (const auto fault = session.find_limits_or_adopt(request.limits.named())) return fault_of(*fault);
  Verdict verdict = only_asks ? session.peek(request.call) : session.decide(request.call);
  // Who asks for nothing is granted it, also in debt: nothing can be taken at any time. Who is blocked may not even ask.
  if (only_asks && session.blocked_for() == Span{}) grant_at_once(verdict, request.call.cost);
  if (session.is_shadow()) show_on_trial(session, verdict, request.call.cost);
  reply_throttle(call.server(), verdict.decision);
  return std::nullopt;
}

}  // namespace ratelimit::commands
