// RL.INFO: what a key holds, for people.
#include <optional>
#include <string_view>
#include <utility>

#include "commands/arguments.h"
#include "commands/commands.h"
#include "commands/reply.h"
#include "keyspace/data_type.h"
#include "keyspace/module.h"
#include "keyspace/open_key.h"

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

void reply_holds_and_limits(const server::Context& context, const Subject& subject, Instant now) {
  const Reservations* reservations = subject.reservations();
  const Instant at = subject.turn().or_later(now);
  context.reply("holds");
  context.reply(static_cast<std::int64_t>(reservations != nullptr ? reservations->holds.size() : 0));
  context.reply("limits");
  context.reply_list(subject.limits().size());
  for (std::size_t i = 0; i < subject.limits().size(); ++i) {
    reply_limit(context, subject.limits(), i, subject.cells()[i], at, at - now);
  }
}

void reply_key(const server::Context& context, const OpenKey& key, Instant now) {
  const StoredValue::Counters counters = key.stored().counters();
  const SubjectTable* subject_table = key.subject_table();
  const std::size_t subjects = subject_table != nullptr ? subject_table->hash_table().size() : 0;
  context.reply_map(9);
  context.reply("form");
  context.reply(subjects > 0 ? "dense" : "single");
  context.reply("stored");
  context.reply(std::int64_t{key.is_stored() ? 1 : 0});
  context.reply("shadow");
  context.reply(std::int64_t{key.is_shadow() ? 1 : 0});
  context.reply("subjects");
  context.reply(static_cast<std::int64_t>(subjects));
  context.reply("memory");
  context.reply(static_cast<std::int64_t>(key.memory()));
  context.reply("granted");
  context.reply(std::int64_t{counters.granted});
  context.reply("denied");
  context.reply(std::int64_t{counters.denied});
  reply_holds_and_limits(context, *key.subject(), now);
}

void reply_subject(const server::Context& context, const Subject& subject, Instant now) {
  context.reply_map(3);
  context.reply("form");
  context.reply("subject");
  reply_holds_and_limits(context, subject, now);
}

}  // namespace

std::optional<Fault> info(const Call& call) {
  std::string_view name;
  if (const auto fault = parse_key_and_subject(call.words(), name)) return fault;
  const Instant now = module().clock.now();
  OpenKey key(call.context(), call.key(), server::Key::Access::read, name);
  if (const auto fault = key.fault()) return fault;
  key.collect(now);
  if (!key.subject() || (!name.empty() && key.subject()->idle_at() <= now)) {
    call.context().reply_null();
  } else if (name.empty()) {
    reply_key(call.context(), key, now);
  } else {
    reply_subject(call.context(), *key.subject(), now);
  }
  return std::nullopt;
}

}  // namespace ratelimit::commands
