// SPDX-License-Identifier: MIT
// RL.LOG: who was denied lately, by which limit, from when to when, and how often.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "commands/answer.h"
#include "commands/commands.h"
#include "commands/reply.h"
#include "commands/requests.h"
#include "keyspace/open_key.h"

namespace ratelimit::commands {
namespace {

void reply_entry(const server::Context& server, const DenialLog::Entry& entry) {
  server.reply_list(6);
  server.reply(entry.subject);
  server.reply(entry.label);
  server.reply(unix_milliseconds(entry.first));
  server.reply(unix_milliseconds(entry.last));
  server.reply(static_cast<std::int64_t>(entry.times));
  server.reply(wait_of_denial(entry.wait));
}

}  // namespace

std::optional<Fault> log(const Call& call) {
  std::size_t count = 10;
  if (const auto fault = parse_log(call.words(), count)) return fault;
  const OpenKey key(call.context(), call.key(), OpenKey::Access::read);
  if (key.is_of_other_type()) return fault_of(KeyFault::wrong_type);
  std::vector<DenialLog::Entry> entries;
  if (const SubjectTable* const table = key.stored().subject_table()) entries = table->history().log.newest(count);
  call.server().reply_list(entries.size());
  for (const DenialLog::Entry& entry : entries) reply_entry(call.server(), entry);
  return std::nullopt;
}

}  // namespace ratelimit::commands
