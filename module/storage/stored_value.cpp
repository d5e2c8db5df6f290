// SPDX-License-Identifier: MIT
#include "storage/stored_value.h"

#include <memory>
#include <span>
#include <utility>

namespace ratelimit {

std::optional<KeyContent> decode_key(std::string_view bytes, LimitsPool& pool) {
  KeyContent content;
  content.own = Value::decode(bytes, pool, {}, &content.table);
  if (!content.own) return std::nullopt;
  return content;
}

StoredValue::Pointer StoredValue::make(KeyContent content, const LimitsPool& pool) {
  return StoredValue(nullptr, pool).replace(std::move(content));
}

// ---- The key's own subject

Subject StoredValue::own_subject(Cell& loose) const {
  if (form() != Form::compact) return own().subject();
  loose.emplace(compact().state());
  return {compact().limits(*pool_), std::span(&loose, 1), nullptr};
}

Instant StoredValue::own_idle_at() const {
  Cell loose;
  return own_subject(loose).idle_at();
}

// ---- The table

SharedLimits StoredValue::stored_limits() const { return is_stored() ? own_limits() : SharedLimits{}; }

// ---- What is kept beside the subjects

StoredValue::Counters StoredValue::counters() const {
  if (form() == Form::compact) return {compact().granted_calls(), compact().denied_calls()};
  return {own().granted_calls(), own().denied_calls()};
}

StoredValue::Counters StoredValue::most_counted() const {
  if (form() == Form::compact) return {CompactValue::kMostGranted, CompactValue::kMostDenied};
  return {Value::kMostGranted, Value::kMostDenied};
}

void StoredValue::begin_history(Instant at) const {
  LimiterCounters& counters = subject_table()->history().counters;
  counters.begin(at);
  if (is_stored()) counters.set_limits(*own_limits(), at);
}

void StoredValue::count_call(Outcome outcome) const {
  if (stored_ == nullptr) return;
  if (form() == Form::compact) return compact().count_call(outcome);
  own().count_call(outcome);
}

void StoredValue::note_end() const {
  if (form() == Form::compact) return compact().note_end();
  own().note_end();
}

// ---- Changes that may need other memory

StoredValue::Pointer StoredValue::write_back(const Cell& loose) const {
  if (form() == Form::table) return in_place();
  // A value may be compact again once it has no debt and nothing reserved any more.
  if (form() == Form::value) return owned(CompactValue::make_without_room(value()));
  const auto& state = loose.as<TokenBucket::State>();
  if (CompactValue::fits(state)) {
    compact().set_state(state);
    return in_place();
  }
  Value::Pointer value = compact().promoted(*pool_);
  value->cells()[0] = loose;
  return owned(value.release());
}

StoredValue::Pointer StoredValue::put_own(Value::Pointer own) const {
  if (stored_ != nullptr) {
    const Counters before = counters();
    own->set_counters(before.granted, before.denied);
    if (form() == Form::table) {
      table_value().own = own->reservations() != nullptr ? std::move(own) : own->with_reservations();
      return in_place();
    }
  }
  if (CompactValue* const compact = CompactValue::make(*own)) return owned(compact);
  return owned(own.release());
}

bool StoredValue::keeps_table(const KeyContent& content) const {
  const SubjectTable* const table = subject_table();
  return table != nullptr && content.table && table->head() == *content.table;
}

bool StoredValue::may_be_replaced_by(const KeyContent& content) const {
  return !keeps_table(content) || !is_stored() || *own_limits() == content.own->limits();
}

StoredValue::Pointer StoredValue::replace(KeyContent content) const {
  if (keeps_table(content)) return put_own(std::move(content.own));
  if (stored_ != nullptr) {
    const Counters before = counters();
    content.own->set_counters(before.granted, before.denied);
  }
  const StoredValue nothing(nullptr, *pool_);
  Pointer replacement = nothing.put_own(std::move(content.own));
  return content.table ? StoredValue(replacement.get(), *pool_).add_table(*content.table, {}) : std::move(replacement);
}

/// The key's own subject as a value with room for reservations. What is here is left as good as idle.
Value::Pointer StoredValue::own_with_reservations() const {
  if (form() == Form::compact) return compact().promoted(*pool_)->with_reservations();
  return own().with_reservations();
}

StoredValue::Pointer StoredValue::add_reservations() const {
  if (form() != Form::table) return owned(own_with_reservations().release());
  table_value().own = own_with_reservations();
  return in_place();
}

StoredValue::Pointer StoredValue::add_table(const SubjectTableHead& head, const SharedLimits& limits) const {
  Value::Pointer own =
      stored_ != nullptr ? own_with_reservations() : Value::create(limits, Value::Room::for_reservations);
  return owned(new TableValue{.own = std::move(own), .table = std::make_unique<SubjectTable>(head)});
}

// ---- What the server does with values

std::string StoredValue::encoded() const {
  std::string bytes;
  bytes.reserve(64);  // enough for most: one limit and a small state
  encode(bytes);
  return bytes;
}

void StoredValue::encode(std::string& bytes) const {
  Cell loose;
  const Subject own = own_subject(loose);
  const SubjectTable* const table = subject_table();
  Writer out(bytes);
  encode_subject(out, own.limits(), own.cells(), own.reservations(), LimitsForm::written,
                 table != nullptr ? &table->head() : nullptr, own.last_grants());
}

StoredValue::Pointer StoredValue::copy() const {
  switch (form()) {
    case Form::compact: return owned(compact().copy(*pool_));
    case Form::value: return owned(Value::copy(value().subject()).release());
    case Form::table: break;
  }
  Value::Pointer own = Value::copy(table_value().own->subject());
  if (own->reservations() == nullptr) own = own->with_reservations();
  return owned(new TableValue{.own = std::move(own), .table = table_value().table->copy()});
}

void StoredValue::destroy() const {
  switch (form()) {
    case Form::compact: return CompactValue::destroy(&compact(), *pool_);
    case Form::value: return Value::destroy(&value());
    case Form::table: delete &table_value();
  }
}

std::size_t StoredValue::memory(std::size_t (*allocated)(const void*)) const {
  std::size_t bytes = allocated(stored_);
  if (form() == Form::compact) return bytes;
  if (form() == Form::table) bytes += allocated(table_value().own.get()) + table_value().table->memory(allocated);
  bytes += own_limits().bytes(allocated);
  const Reservations* const reservations = own().reservations();
  return bytes + (reservations != nullptr ? allocated(reservations) : 0) + own().bytes_behind();
}

std::size_t StoredValue::pieces() const {
  if (form() == Form::compact) return 1;
  const SubjectTable* const table = subject_table();
  return own().memory_pieces() + (table != nullptr ? 1 + table->pieces() : 0);
}

}  // namespace ratelimit
