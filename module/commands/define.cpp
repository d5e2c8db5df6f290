// SPDX-License-Identifier: MIT
// RL.DEFINE: stores limits in a key, which makes it a limiter.
#include <optional>

#include "commands/answer.h"
#include "commands/commands.h"
#include "commands/requests.h"
#include "keyspace/key_session.h"

namespace ratelimit::commands {

std::optional<Fault> define(const Call& call) {
  LimitSpecs specs;
  bool is_shadow = false;
  if (const auto fault = parse_definition(call.words(), specs, is_shadow)) return fault;
  const SharedLimits limits = call.module().limits.get(specs.span());
  if (!limits) return fault_of(KeyFault::repeated_label);
  KeySession session(call.context(), call.key(), KeySession::Access::write);
  if (const auto fault = session.define(limits, is_shadow)) return fault_of(*fault);
  call.server().reply_ok();
  return std::nullopt;
}

}  // namespace ratelimit::commands
