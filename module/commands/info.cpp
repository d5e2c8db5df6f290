// SPDX-License-Identifier: MIT
// RL.INFO: what a key holds, for people.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "commands/answer.h"
#include "commands/commands.h"
#include "commands/reply.h"
#include "commands/requests.h"
#include "keyspace/key_session.h"
#include "ratelimit/algorithms/lease_set.h"
#include "ratelimit/any_algorithm.h"
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

/// So many of the leases of a limit, and of the holds of a subject, are listed: those that end first. And so many of the
/// exceptions of a key.
constexpr std::size_t kMostListed = 128;

/// How holders are listed: none ends later than `longest` from now on, and each has so many more fields.
struct HoldersForm {
  Instant now;
  Span longest;
  std::size_t more_fields;
};
/// Those that have not ended, and end first. Calls `reply_more(holder)` for the other fields of each.
template <class ReplyMore>
void reply_first_holders(const server::Context& context, const LeaseSet& holders, const HoldersForm& form,
                         ReplyMore reply_more) {
  context.reply_list(std::min(holders.count_after(form.now), kMostListed));
  holders.for_first_after(form.now, kMostListed, [&](std::string_view id, const LeaseSet::Holder& holder) {
    context.reply_map(3 + form.more_fields);
    context.reply("id");
    context.reply(id);
    context.reply("units");
    context.reply(holder.units.count());
    context.reply("ends_ms");
    context.reply(milliseconds(std::min(holder.end - form.now, form.longest)));
    reply_more(holder);
  });
}

void reply_leases(const server::Context& context, const Limit& limit, const Cell& cell, Instant now) {
  limit.visit([&]<class A>(const A& algorithm) {
    if constexpr (HasLeases<A>) {
      const typename A::State& state = state_in(cell, algorithm);
      const LeaseSet none;
      const LeaseSet& leases = state.leases() != nullptr ? *state.leases() : none;
      context.reply("leases");
      context.reply(static_cast<std::int64_t>(leases.count_after(now)));
      context.reply("first_leases");
      reply_first_holders(context, leases, {now, state.longest(), 0}, [](const LeaseSet::Holder&) {});
    }
  });
}

/// When a subject is asked, and what keeps all back until then: the turn of who waits, or a block.
struct Moment {
  Instant now;
  Instant at;  ///< the turn, if somebody waits
  bool is_any_left;
};

void reply_limit(const server::Context& context, const Limits& limits, std::size_t i, const Cell& cell,
                 const Moment& moment) {
  const Decision decision = status_of(limits[i], cell, moment.at);
  context.reply_map(limits[i].has_leases() ? 8 : 6);
  context.reply("label");
  context.reply(limits.label(i));
  context.reply("limit");
  context.reply(text_of(limits[i]));
  context.reply("size");
  context.reply(decision.size.count());
  context.reply("used");
  context.reply(used_of(limits[i], cell, moment.at).count());
  context.reply("remaining");
  context.reply(moment.is_any_left ? decision.remaining.count() : std::int64_t{0});
  context.reply("reset_ms");
  context.reply(milliseconds(decision.reset + (moment.at - moment.now)));
  reply_leases(context, limits[i], cell, moment.now);
}

// Holds keep their ends if the clock is set back.
void reply_holds(const server::Context& context, const LeaseSet& holds, Instant now) {
  reply_first_holders(context, holds, {now, Span::max(), 1}, [&](const LeaseSet::Holder& hold) {
    context.reply("settled");
    context.reply(std::int64_t{Hold::is_settled(hold) ? 1 : 0});
  });
}

/// What there is of any subject: the fields whose number is kFieldsOfSubject.
constexpr std::size_t kFieldsOfSubject = 4;
void reply_subject(const server::Context& context, const KeySession& session, Instant now) {
  const Reservations none;
  const Reservations* const reserved = session.subject()->reservations();
  const LeaseSet& holds = reserved != nullptr ? reserved->holds : none.holds;
  context.reply("holds");
  context.reply(static_cast<std::int64_t>(holds.count_after(now)));
  context.reply("limits");
  session.visit_states([&](const Limits& limits, const auto& cells, const Turn& turn) {
    const Instant at = turn.or_later(now);
    const Moment moment{now, at, at == now && session.blocked_for() == Span{}};
    context.reply_list(limits.size());
    for (std::size_t i = 0; i < limits.size(); ++i) reply_limit(context, limits, i, cells[i], moment);
  });
  context.reply("blocked");
  context.reply(milliseconds(session.blocked_for()));
  context.reply("first_holds");
  reply_holds(context, holds, now);
}

/// How many subjects have limits of their own, and the names of some.
void reply_exceptions(const server::Context& context, const SubjectTable* table) {
  const Exceptions* const exceptions = table != nullptr ? table->exceptions() : nullptr;
  const std::size_t count = exceptions != nullptr ? exceptions->size() : 0;
  context.reply("exceptions");
  context.reply(static_cast<std::int64_t>(count));
  context.reply("first_exceptions");
  std::size_t left = std::min(count, kMostListed);
  context.reply_list(left);
  if (exceptions == nullptr) return;
  for (const auto& [hash, name] : exceptions->names()) {
    if (left-- == 0) break;
    context.reply(name);
  }
}

void reply_key(const server::Context& context, const KeySession& session, Instant now) {
  const StoredValue& stored = session.key().stored();
  const SubjectTable* table = stored.subject_table();
  const std::size_t subjects = table != nullptr ? table->size() : 0;
  const StoredValue::Counters counters = stored.counters();
  context.reply_map(9 + kFieldsOfSubject);
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
  reply_subject(context, session, now);
  reply_exceptions(context, table);
}

void reply_subject_of_key(const server::Context& context, const KeySession& session, Instant now) {
  const SubjectTable* const table = session.key().stored().subject_table();
  context.reply_map(2 + kFieldsOfSubject);
  context.reply("form");
  context.reply("subject");
  reply_subject(context, session, now);
  context.reply("exception");
  context.reply(std::int64_t{table != nullptr && table->is_exception(*session.key().hash()) ? 1 : 0});
}

/// Who is idle is as good as absent. But a key shows its limits, which it still has, and what else is in it; and an
/// exception shows its own.
bool is_shown_idle(const KeySession& session, std::string_view name) {
  const SubjectTable* const table = session.key().stored().subject_table();
  if (!name.empty()) return table != nullptr && table->is_exception(*session.key().hash());
  return session.has_limits() || table != nullptr;
}

}  // namespace

std::optional<Fault> info(const Call& call) {
  std::string_view name;
  if (const auto fault = parse_key_and_subject(call.words(), name)) return fault;
  KeySession session(call.context(), call.key(), KeySession::Access::read, name);
  if (const auto fault = session.find_subject()) return fault_of(*fault);
  const std::optional<Subject>& subject = session.subject();
  if (!subject || (subject->idle_at() <= call.now() && !is_shown_idle(session, name))) {
    call.server().reply_null();
  } else if (name.empty()) {
    reply_key(call.server(), session, call.now());
  } else {
    reply_subject_of_key(call.server(), session, call.now());
  }
  return std::nullopt;
}

}  // namespace ratelimit::commands
