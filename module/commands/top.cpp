// SPDX-License-Identifier: MIT
// RL.TOP: who was denied most.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "commands/answer.h"
#include "commands/commands.h"
#include "commands/requests.h"
#include "keyspace/open_key.h"

namespace ratelimit::commands {

static_assert(kMostNamed == HeavyHitters::kCounters);

std::optional<Fault> top(const Call& call) {
  std::size_t count = 10;
  if (const auto fault = parse_top(call.words(), count)) return fault;
  const OpenKey key(call.context(), call.key(), OpenKey::Access::read);
  if (key.is_of_other_type()) return fault_of(KeyFault::wrong_type);
  const SubjectTable* table = key.stored().subject_table();
  const HeavyHitters* denied = table != nullptr ? table->most_denied() : nullptr;
  std::vector<HeavyHitters::Entry> entries;
  if (denied != nullptr) entries = denied->top(count);
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
