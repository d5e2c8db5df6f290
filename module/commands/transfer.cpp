// SPDX-License-Identifier: MIT
// RL.TRANSFER: a subject goes over to another key, where what it used counts from then on.
#include <cstdint>
#include <optional>
#include <string_view>

#include "commands/answer.h"
#include "commands/commands.h"
#include "commands/requests.h"
#include "keyspace/key_session.h"

namespace ratelimit::commands {

std::optional<Fault> transfer(const Call& call) {
  std::string_view name;
  if (const auto fault = parse_transfer(call.words(), name)) return fault;
  KeySession from(call.context(), call.key(), KeySession::Access::write, name);
  KeySession to(call.context(), call.word(2), KeySession::Access::write, name);
  bool is_done = false;
  if (const auto fault = from.transfer_to(to, is_done)) return fault_of(*fault);
  call.server().reply(std::int64_t{is_done ? 1 : 0});
  return std::nullopt;
}

}  // namespace ratelimit::commands
