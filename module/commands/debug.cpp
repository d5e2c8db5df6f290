// SPDX-License-Identifier: MIT
// RL.DEBUG: moves the clock by hand, for tests. There only when the module is loaded with DEBUG.
#include <optional>

#include "commands/commands.h"
#include "ratelimit/grammar/arguments.h"

namespace ratelimit::commands {

std::optional<Fault> debug(const Call& call) {
  Clock& clock = call.module().clock;
  Arguments arguments(call.words());
  if (!arguments.take("CLOCK")) arguments.fail({Fault::Kind::malformed, Argument::debug_subject});
  if (arguments.take("SET")) {
    const std::int64_t time = arguments.integer(Argument::unix_time, kLatest.time_since_epoch().count());
    if (!arguments.fault() && arguments.at_end()) clock.hold(Instant{Span{time}});
  } else if (arguments.take("ADVANCE")) {
    const std::int64_t step = arguments.integer(Argument::nanoseconds, (kLatest - clock.now()).count());
    if (!arguments.fault() && arguments.at_end()) clock.hold(clock.now() + Span{step});
  } else if (arguments.take("RESUME")) {
    if (arguments.at_end()) clock.resume();
  } else {
    arguments.fail({Fault::Kind::malformed, Argument::clock_action});
  }
  if (!arguments.at_end()) arguments.fail({Fault::Kind::too_many_arguments});
  if (arguments.fault()) return arguments.fault();
  call.server().reply_ok();
  return std::nullopt;
}

}  // namespace ratelimit::commands
