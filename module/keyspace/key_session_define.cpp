// SPDX-License-Identifier: MIT
// What a session does for RL.DEFINE: limits are stored in a key, for everyone in it or as an exception for one subject.
#include <optional>
#include <string>
#include <utility>

#include "keyspace/key_session.h"
#include "ratelimit/codec/bytes.h"
#include "ratelimit/codec/effects.h"
#include "ratelimit/limits.h"
#include "ratelimit/zoned_ends.h"
#include "storage/exceptions.h"

namespace ratelimit {
namespace {

/// Whether both have the same labels, in any order.
bool have_same_labels(const Limits& a, const Limits& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!b.find(a.label(i))) return false;
  }
  return true;
}

}  // namespace

std::optional<KeyFault> KeySession::define(const SharedLimits& limits, bool is_shadow) {
  if (key_.is_of_other_type()) return KeyFault::wrong_type;
  const StoredValue& stored = key_.stored();
  const SubjectTable* table = stored.subject_table();
  const bool has_them = stored.is_stored() && *stored.own_limits() == *limits;
  if (has_them && table->is_shadow() == is_shadow) return std::nullopt;
  if (!has_them && table != nullptr && table->hash_table().has_too_many_changes()) return KeyFault::too_many_changes;
  if (const auto fault = find_subject()) return fault;
  table = stored.subject_table();
  const SubjectTableHead head{.is_stored = true,
                              .is_shadow = is_shadow,
                              .secret = table != nullptr ? table->head().secret : server::random_secret()};
  const Definition definition{head, now(), zoned_ends(*limits, now())};
  key_.define(limits, definition);
  Propagation& propagation = key_.propagation();
  if (propagation.is_on()) {
    std::string bytes;
    Writer out(bytes);
    encode_definition(out, *limits, definition);
    propagation.queue(EffectKind::define, kKeepEnd, bytes);
  } else {
    propagation.count_change();
  }
  propagation.signal();
  note_event(Event::limits);
  return std::nullopt;
}

std::optional<KeyFault> KeySession::fault_of_exception(const Limits& limits) const {
  const StoredValue& stored = key_.stored();
  if (!have_same_labels(limits, *stored.own_limits())) return KeyFault::other_labels;
  const SubjectTable& table = *stored.subject_table();
  const bool is_full = table.exceptions_count() >= Exceptions::kMost;
  return is_full && !table.is_exception(*key_.hash()) ? std::optional(KeyFault::too_many_exceptions) : std::nullopt;
}

std::optional<KeyFault> KeySession::except(const SharedLimits& limits) {
  if (key_.is_of_other_type()) return KeyFault::wrong_type;
  if (!key_.stored().is_stored()) return KeyFault::stores_none;
  if (limits) {
    if (const auto fault = fault_of_exception(*limits)) return fault;
  }
  const bool is_exception = key_.stored().subject_table()->is_exception(*key_.hash());
  const bool has_them = is_exception && limits && subject()->limits() == *limits;
  if (has_them || (!is_exception && !limits)) return std::nullopt;
  if (const auto fault = find_subject()) return fault;
  named_accounts_.reset();
  go_by({});
  const Exception exception{key_.subject_name(), now(),
                            zoned_ends(limits ? *limits : *key_.stored().own_limits(), now())};
  key_.except(limits, exception);
  Propagation& propagation = key_.propagation();
  if (propagation.is_on()) {
    std::string bytes;
    Writer out(bytes);
    encode_exception(out, limits ? &*limits : nullptr, exception);
    propagation.queue(EffectKind::except, kKeepEnd, bytes, key_.hash());
  } else {
    propagation.count_change();
  }
  propagation.signal();
  note_event(Event::limits);
  return std::nullopt;
}

}  // namespace ratelimit
