// SPDX-License-Identifier: MIT
// RL.INFO: what a key holds, for people.
#include <optional>
#include <string_view>
#include <utility>

#include "commands/answer.h"
#include "commands/commands.h"
#include "commands/reply.h"
#include "commands/requests.h"
#include "keyspace/key_session.h"
#include "ratelimit/limits.h"
#include "ratelimit/reservations.h"
#include "ratelimit/states.h"
#include "ratelimit/turn.h"

namespace ratelimit::commands {
namespace {

/// How a limit stands: the answer to a call that takes nothing.
Decision status_of(const Limit& limit, const Cell& cell, Instant at) {
  return limit.visit([&](const auto& algorithm) {
    return algorithm.decide(state_in(cell, algorithm), Ask{kNoUnits, {}, true}, at).decision;
  });
}

Units used_of(const Limit& limit, const Cell& cell, Instant at) {
  return limit.visit([&](const auto& algorithm) { return algorithm.used(state_in(cell, algorithm), at); });
}

/// Limit `i` as of `at`, which is `ahead` of now if somebody waits for that turn.
void reply_limit(const server::Context& context, const Limits& limits, std::size_t i, const Cell& cell, Instant at,
                 Span ahead) {
  const Decision decision = status_of(limits[i], cell, at);
  context.reply_map(6);
  context.reply("label");
  context.reply(limits.label(i));
  context.reply("limit");
  context.reply(text_of(limits[i]));
  context.reply("size");
  context.reply(decision.size.count());
  context.reply("used");
  context.reply(used_of(limits[i], cell, at).count());
  context.reply("remaining");
  context.reply(ahead > Span{} ? std::int64_t{0} : decision.remaining.count());
  context.reply("reset_ms");
  context.reply(milliseconds(decision.reset + ahead));
}

void reply_holds_and_limits(const server::Context& context, const KeySession& session, Instant now) {
  const Reservations* reservations = session.subject()->reservations();
  context.reply("holds");
  context.reply(static_cast<std::int64_t>(reservations != nullptr ? reservations->holds.size() : 0));
  context.reply("limits");
  session.visit_states([&](const Limits& limits, const auto& cells, const Turn& turn) {
    const Instant at = turn.or_later(now);
    context.reply_list(limits.size());
    for (std::size_t i = 0; i < limits.size(); ++i) reply_limit(context, limits, i, cells[i], at, at - now);
  });
}

void reply_key(const server::Context& context, const KeySession& session, Instant now) {
  const StoredValue& stored = session.key().stored();
  const SubjectTable* table = stored.subject_table();
  const std::size_t subjects = table != nullptr ? table->hash_table().size() : 0;
  const StoredValue::Counters counters = stored.counters();
  context.reply_map(9);
  context.reply("form");
  context.reply(subjects > 0 ? "dense" : "single");
  context.reply("stored");
  context.reply(std::int64_t{stored.is_stored() ? 1 : 0});
  context.reply("shadow");
  context.reply(std::int64_t{stored.is_shadow() ? 1 : 0});
  context.reply("subjects");
  context.reply(static_cast<std::int64_t>(subjects));
  context.reply("memory");
  context.reply(static_cast<std::int64_t>(stored.memory(server::allocated_bytes)));
  context.reply("granted");
  context.reply(std::int64_t{counters.granted});
  context.reply("denied");
  context.reply(std::int64_t{counters.denied});
  reply_holds_and_limits(context, session, now);
}

void reply_subject(const server::Context& context, const KeySession& session, Instant now) {
  context.reply_map(3);
  context.reply("form");
  context.reply("subject");
  reply_holds_and_limits(context, session, now);
}

}  // namespace

std::optional<Fault> info(const Call& call) {
  std::string_view name;
  if (const auto fault = parse_key_and_subject(call.words(), name)) return fault;
  KeySession session(call.context(), call.key(), KeySession::Access::read, name);
  if (const auto fault = session.find_subject()) return fault_of(*fault);
  const std::optional<Subject>& subject = session.subject();
  if (!subject || (!name.empty() && subject->idle_at() <= call.now())) {
    call.server().reply_null();
  } else if (name.empty()) {
    reply_key(call.server(), session, call.now());
  } else {
    reply_subject(call.server(), session, call.now());
  }
  return std::nullopt;
}

}  // namespace ratelimit::commands
