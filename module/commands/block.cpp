// SPDX-License-Identifier: MIT
// RL.BLOCK: a subject is denied for a time, whatever is left; or no longer.
#include <cstdint>
#include <optional>
#include <string_view>

#include "commands/answer.h"
#include "commands/commands.h"
#include "commands/requests.h"
#include "keyspace/key_session.h"

namespace ratelimit::commands {

std::optional<Fault> block(const Call& call) {
  Span length{};
  std::string_view name;
  if (const auto fault = parse_block(call.words(), length, name)) return fault;
  KeySession session(call.context(), call.key(), KeySession::Access::write, name);
  if (const auto fault = session.find_subject()) return fault_of(*fault);
  call.server().reply(std::int64_t{session.block(length) ? 1 : 0});
  return std::nullopt;
}

}  // namespace ratelimit::commands
