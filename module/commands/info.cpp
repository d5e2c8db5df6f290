// SPDX-License-Identifier: MIT
// RL.INFO: what a key holds, for people.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "commands/answer.h"
#include "commands/commands.h"
#include "commands/reply.h"
#include "commands/requests.h"
#include "commands/subject_info.h"
#include "keyspace/key_session.h"
#include "ratelimit/limiter_counters.h"

namespace ratelimit::commands {
namespace {

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

/// A counter that has stopped says that it counts no further.
void reply_small_counter(const server::Context& context, std::uint32_t count, std::uint32_t most) {
  if (count < most) {
    context.reply(std::int64_t{count});
  } else {
    context.reply(std::to_string(count) + '+');
  }
}

void reply_since(const server::Context& context, Instant since) {
  context.reply("since_ms");
  context.reply(unix_milliseconds(since));
}

void reply_counts(const server::Context& context, const LimiterCounters::Counts& counts) {
  const auto reply_one = [&context](std::string_view name, std::uint64_t count) {
    context.reply(name);
    context.reply(static_cast<std::int64_t>(count));
  };
  reply_one("granted", counts.granted);
  reply_one("denied", counts.denied);
  reply_one("would_deny", counts.would_deny);
  reply_one("near", counts.near);
}

/// Calls are granted by limits, not by a block; and calls that name their limits are granted by those only.
void reply_labels(const server::Context& context, const LimiterCounters& counters, const SharedLimits& limits) {
  context.reply("counters");
  context.reply_list(counters.labels());
  for (std::size_t i = 0; i < counters.labels(); ++i) {
    LimiterCounters::OfLabel counted = counters.of_label(i);
    if (!limits || !limits->find(counted.label)) counted.counts.granted = 0;
    context.reply_map(6);
    context.reply("label");
    context.reply(counted.label);
    reply_counts(context, counted.counts);
    reply_since(context, counted.since);
  }
}

/// Only a key with a table counts by label.
std::size_t fields_of_counters(const StoredValue& stored) { return stored.subject_table() != nullptr ? 6 : 2; }
void reply_counters(const server::Context& context, const StoredValue& stored) {
  if (const SubjectTable* const table = stored.subject_table()) {
    const LimiterCounters& counters = table->history().counters;
    reply_counts(context, counters.all());
    reply_since(context, counters.since());
    reply_labels(context, counters, stored.stored_limits());
    return;
  }
  const StoredValue::Counters counters = stored.counters();
  const StoredValue::Counters most = stored.most_counted();
  context.reply("granted");
  reply_small_counter(context, counters.granted, most.granted);
  context.reply("denied");
  reply_small_counter(context, counters.denied, most.denied);
}

void reply_key(const server::Context& context, const KeySession& session, Instant now) {
  const StoredValue& stored = session.key().stored();
  const SubjectTable* table = stored.subject_table();
  const std::size_t subjects = table != nullptr ? table->size() : 0;
  context.reply_map(7 + fields_of_counters(stored) + kFieldsOfSubject);
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
  reply_counters(context, stored);
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
