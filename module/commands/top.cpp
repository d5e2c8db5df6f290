// SPDX-License-Identifier: MIT
// RL.TOP: who was denied most lately, or was near a limit most often.
#include <cstdint>
#include <optional>
#include <vector>

#include "commands/answer.h"
#include "commands/commands.h"
#include "commands/requests.h"
#include "keyspace/open_key.h"

namespace ratelimit::commands {

std::optional<Fault> top(const Call& call) {
  TopRequest request;
  if (const auto fault = parse_top(call.words(), request)) return fault;
  const OpenKey key(call.context(), call.key(), OpenKey::Access::read);
  if (key.is_of_other_type()) return fault_of(KeyFault::wrong_type);
  std::vector<HeavyHitters::Entry> entries;
  if (const SubjectTable* const table = key.stored().subject_table()) {
    const History& history = table->history();
    entries = (request.is_near ? history.most_near : history.most_denied).top(request.count, call.now());
  }
  call.server().reply_list(entries.size());
  for (const HeavyHitters::Entry& entry : entries) {
    call.server().reply_list(3);
    call.server().reply(entry.name);
    call.server().reply(static_cast<std::int64_t>(entry.count));
    call.server().reply(static_cast<std::int64_t>(entry.error));
  }
  return std::nullopt;
}

}  // namespace ratelimit::commands
