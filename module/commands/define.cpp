// RL.DEFINE: stores limits in a key, which makes it a limiter.
#include <optional>

#include "commands/arguments.h"
#include "commands/commands.h"
#include "keyspace/module.h"
#include "keyspace/open_key.h"

namespace ratelimit::commands {

std::optional<Fault> define(const Call& call) {
  LimitSpecs specs;
  bool is_shadow = false;
  if (const auto fault = parse_definition(call.words(), specs, is_shadow)) return fault;
  const SharedLimits limits = module().limits.get(specs.span());
  if (!limits) return Fault{Fault::Kind::repeated_label, Argument::label};
  OpenKey key(call.context(), call.key(), server::Key::Access::write);
  if (const auto fault = key.fault()) return fault;
  key.define(limits, is_shadow, module().clock.now());
  call.context().reply_ok();
  return std::nullopt;
}

}  // namespace ratelimit::commands
