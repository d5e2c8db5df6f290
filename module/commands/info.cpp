// RL.INFO: what a key holds, for people.
#include <optional>
#include <utility>

#include "arguments.h"
#include "commands/commands.h"
#include "data_type.h"
#include "keyspace.h"
#include "reply.h"
#include "state.h"

namespace ratelimit::commands {
namespace {

/// How a limit stands: the answer to a call that takes nothing.
Decision standing_of(const Limit& limit, const Cell& cell, Instant at) {
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
  const Decision decision = standing_of(limits[i], cell, at);
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

void reply_value(const server::Context& context, const Value& value, Instant now) {
  const Reservations* reservations = value.reservations();
  const Instant at = value.turn().or_later(now);
  context.reply_map(6);
  context.reply("form");
  context.reply("single");
  context.reply("memory");
  context.reply(static_cast<std::int64_t>(memory_of(value)));
  context.reply("granted");
  context.reply(std::int64_t{value.granted_calls()});
  context.reply("denied");
  context.reply(std::int64_t{value.denied_calls()});
  context.reply("holds");
  context.reply(static_cast<std::int64_t>(reservations != nullptr ? reservations->holds.size() : 0));
  context.reply("limits");
  context.reply_list(value.limits().size());
  for (std::size_t i = 0; i < value.limits().size(); ++i) {
    reply_limit(context, value.limits(), i, value.cells()[i], at, at - now);
  }
}

}  // namespace

std::optional<Fault> info(const Call& call) {
  if (const auto fault = parse_key_only(call.words())) return fault;
  const Instant now = module().clock.now();
  OpenKey key(call, server::Key::Access::read);
  if (const auto fault = key.fault()) return fault;
  key.collect(now);
  if (key.value() == nullptr) {
    call.context().reply_null();
  } else {
    reply_value(call.context(), *key.value(), now);
  }
  return std::nullopt;
}

}  // namespace ratelimit::commands
