// RL.TOP: who was denied most.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "commands/arguments.h"
#include "commands/commands.h"
#include "keyspace/open_key.h"

namespace ratelimit::commands {

static_assert(kMostNamed == HeavyHitters::kCounters);

std::optional<Fault> top(const Call& call) {
  std::size_t count = 10;
  if (const auto fault = parse_top(call.words(), count)) return fault;
  const OpenKey key(call.context(), call.key(), server::Key::Access::read);
  if (const auto fault = key.fault()) return fault;
  const HeavyHitters* denied = key.subject_table() != nullptr ? key.subject_table()->most_denied() : nullptr;
  std::vector<HeavyHitters::Entry> entries;
  if (denied != nullptr) entries = denied->top(count);
  call.context().reply_list(entries.size());
  for (const HeavyHitters::Entry& entry : entries) {
    call.context().reply_list(3);
    call.context().reply(entry.name);
    call.context().reply(static_cast<std::int64_t>(entry.count));
    call.context().reply(static_cast<std::int64_t>(entry.error));
  }
  return std::nullopt;
}

}  // namespace ratelimit::commands
