// SPDX-License-Identifier: MIT
// RL.RELEASE: a lease ends before its time.
#include <cstdint>
#include <optional>
#include <string_view>

#include "commands/answer.h"
#include "commands/commands.h"
#include "commands/requests.h"
#include "keyspace/key_session.h"
#include "ratelimit/holds.h"
#include "ratelimit/operation.h"

namespace ratelimit::commands {

std::optional<Fault> release(const Call& call) {
  std::string_view id;
  std::string_view name;
  if (const auto fault = parse_release(call.words(), id, name)) return fault;
  KeySession session(call.context(), call.key(), KeySession::Access::write, name);
  if (const auto fault = session.find_subject()) return fault_of(*fault);
  const std::optional<Subject>& subject = session.subject();
  const bool found = subject && has_lease(subject->limits(), subject->cells(), id, call.now());
  if (found) session.perform({.kind = Operation::Kind::release, .at = call.now(), .id = id});
  call.server().reply(std::int64_t{found ? 1 : 0});
  return std::nullopt;
}

}  // namespace ratelimit::commands
