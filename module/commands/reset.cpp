// SPDX-License-Identifier: MIT
// RL.RESET: a subject is forgotten, as if it had never been seen. Everybody else stays, and so do stored limits.
#include <cstdint>
#include <optional>
#include <string_view>

#include "commands/answer.h"
#include "commands/commands.h"
#include "commands/requests.h"
#include "keyspace/key_session.h"

namespace ratelimit::commands {

std::optional<Fault> reset(const Call& call) {
  std::string_view name;
  if (const auto fault = parse_key_and_subject(call.words(), name)) return fault;
  KeySession session(call.context(), call.key(), KeySession::Access::write, name);
  if (const auto fault = session.find_subject()) return fault_of(*fault);
  call.server().reply(std::int64_t{session.forget() ? 1 : 0});
  return std::nullopt;
}

}  // namespace ratelimit::commands
