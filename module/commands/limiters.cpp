// SPDX-License-Identifier: MIT
// RL.LIMITERS: the keys of the selected database that store limits, step by step, as SCAN tells keys.
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "commands/commands.h"
#include "commands/requests.h"
#include "keyspace/data_type.h"
#include "server/acl.h"
#include "server/scan.h"
#include "storage/stored_value.h"

namespace ratelimit::commands {
namespace {

/// Whether a key stores limits. That is no use of the key.
bool stores_limits(const Call& call, server::Text name) {
  const server::Key key(call.server(), name, server::Key::Access::quiet_read);
  const StoredValue stored(key.value(call.module().data_type), call.module().limits);
  return stored && stored.is_stored();
}

}  // namespace

std::optional<Fault> limiters(const Call& call) {
  LimitersRequest request;
  if (const auto fault = parse_limiters(call.words(), request)) return fault;
  const server::ScanStep step(
      call.server(), {.cursor = request.cursor, .pattern = request.pattern, .type = kTypeName, .count = request.count});
  if (!step.is_taken()) return step.reply_error(), std::nullopt;
  const server::User user(call.server());
  std::vector<std::string_view> found;
  for (std::size_t i = 0; i < step.size(); ++i) {
    const server::OwnText name(call.server(), step.name(i));
    if (user.may_read(name.text()) && stores_limits(call, name.text())) found.push_back(step.name(i));
  }
  call.server().reply_list(2);
  call.server().reply(step.next_cursor());
  call.server().reply_list(found.size());
  for (const std::string_view name : found) call.server().reply(name);
  return std::nullopt;
}

}  // namespace ratelimit::commands
