// SPDX-License-Identifier: MIT
// RL.DEFINE: stores limits in a key, which makes it a limiter; or gives one subject of a limiter limits of its own.
#include <optional>

#include "commands/answer.h"
#include "commands/commands.h"
#include "commands/requests.h"
#include "keyspace/key_session.h"

namespace ratelimit::commands {

std::optional<Fault> define(const Call& call) {
  DefinitionRequest request;
  if (const auto fault = parse_definition(call.words(), request)) return fault;
  SharedLimits limits;
  if (!request.limits.empty()) {
    limits = call.module().limits.get(request.limits.span());
    if (!limits) return fault_of(KeyFault::repeated_label);
  }
  KeySession session(call.context(), call.key(), KeySession::Access::write, request.subject);
  const auto fault = request.subject.empty() ? session.define(limits, request.is_shadow) : session.except(limits);
  if (fault) return fault_of(*fault);
  call.server().reply_ok();
  return std::nullopt;
}

}  // namespace ratelimit::commands
