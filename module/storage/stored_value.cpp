#include "storage/stored_value.h"

#include <utility>

namespace ratelimit {

std::optional<KeyContent> decode_key(std::string_view bytes, LimitsPool& pool) {
  KeyContent content;
  content.own = Value::decode(bytes, pool, {}, &content.table);
  if (!content.own) return std::nullopt;
  return content;
}

StoredValue::Pointer StoredValue::make(KeyContent content, const LimitsPool& pool) {
  return StoredValue(nullptr, pool).replaced_by(std::move(content));
}

// ---- The key's own subject

Subject StoredValue::own_subject(Cell& loose) const {
  if (!is_compact()) return value().subject();
  loose.emplace(compact().state());
  return {compact().limits(*pool_), std::span(&loose, 1), nullptr};
}

StoredValue::Pointer StoredValue::write_back(const Cell& loose) const {
  if (!is_compact()) return owned(nullptr);
  const auto& state = loose.as<TokenBucket::State>();
  if (CompactValue::fits(state)) {
    compact().set_state(state);
    return owned(nullptr);
  }
  Value::Pointer value = promoted();
  value->cells()[0] = loose;
  return owned(value.release());
}

const SharedLimits& StoredValue::own_limits() const {
  return is_compact() ? compact().limits(*pool_) : value().shared_limits();
}

Instant StoredValue::own_idle_at() const {
  Cell loose;
  return own_subject(loose).idle_at();
}

// ---- The table

SubjectTable* StoredValue::subject_table() const {
  return stored_ == nullptr || is_compact() ? nullptr : subject_table_of(value());
}

SharedLimits StoredValue::stored_limits() const { return is_stored() ? value().shared_limits() : SharedLimits{}; }

bool StoredValue::is_stored() const {
  const SubjectTable* const table = subject_table();
  return table != nullptr && table->is_stored();
}

bool StoredValue::is_shadow() const {
  const SubjectTable* const table = subject_table();
  return table != nullptr && table->is_shadow();
}

// ---- What is kept beside the subjects

StoredValue::Counters StoredValue::counters() const {
  if (is_compact()) return {compact().granted_calls(), compact().denied_calls()};
  return {value().granted_calls(), value().denied_calls()};
}

void StoredValue::count_call(Outcome outcome) const {
  if (stored_ == nullptr) return;
  if (is_compact()) return compact().count_call(outcome);
  value().count_call(outcome);
}

bool StoredValue::has_end() const { return is_compact() ? compact().has_end() : value().has_end(); }

void StoredValue::note_end() const {
  if (is_compact()) return compact().note_end();
  value().note_end();
}

// ---- What takes the place of this

/// A compact value as a value.
Value::Pointer StoredValue::promoted() const { return compact().promoted(*pool_); }

StoredValue::Pointer StoredValue::with_own(Value::Pointer own) const {
  if (stored_ != nullptr) {
    const Counters before = counters();
    own->set_counters(before.granted, before.denied);
  }
  if (subject_table() != nullptr) {
    if (own->extra_object() == nullptr) own = own->move_to_extra();
    own->set_subjects(value().take_subjects());
  }
  return owned(stored_form(std::move(own)));
}

StoredValue::Pointer StoredValue::replaced_by(KeyContent content) const {
  const SubjectTable* const table = subject_table();
  const bool keeps_table = table != nullptr && content.table && table->head() == *content.table;
  if (table != nullptr && !keeps_table) value().set_subjects(nullptr);
  if (content.table && !keeps_table) {
    if (content.own->extra_object() == nullptr) content.own = content.own->move_to_extra();
    content.own->set_subjects(std::make_unique<SubjectTable>(*content.table));
  }
  return with_own(std::move(content.own));
}

StoredValue::Pointer StoredValue::with_reservations() const {
  return owned((is_compact() ? promoted()->move_to_extra() : value().move_to_extra()).release());
}

StoredValue::Pointer StoredValue::with_table(const SubjectTableHead& head, const SharedLimits& limits) const {
  Pointer roomy =
      stored_ != nullptr ? with_reservations() : owned(Value::create(limits, Value::Room::for_extra).release());
  StoredValue(roomy.get(), *pool_).value().set_subjects(std::make_unique<SubjectTable>(head));
  return roomy;
}

// ---- What the server does with values

std::string StoredValue::encoded() const {
  Cell loose;
  const Subject own = own_subject(loose);
  const SubjectTable* const table = subject_table();
  std::string bytes;
  bytes.reserve(64);  // enough for most: one limit and a small state
  Writer out(bytes);
  encode_subject(out, own.limits(), own.cells(), own.reservations(), LimitsForm::written,
                 table != nullptr ? &table->head() : nullptr);
  return bytes;
}

StoredValue::Pointer StoredValue::copy() const {
  if (is_compact()) return owned(compact().copy(*pool_));
  Value::Pointer own = Value::copy(value().subject());
  if (const SubjectTable* const table = subject_table()) {
    if (own->extra_object() == nullptr) own = own->move_to_extra();
    own->set_subjects(table->copy());
  }
  return owned(own.release());
}

void StoredValue::destroy() const { destroy_stored(stored_, *pool_); }

std::size_t StoredValue::memory(std::size_t (*allocated)(const void*)) const {
  const std::size_t itself = allocated(stored_);
  if (is_compact()) return itself;
  const void* const extra = value().extra_object();
  const SubjectTable* const table = subject_table();
  return itself + (extra != nullptr ? allocated(extra) : 0) + value().bytes_behind() +
         (table != nullptr ? table->memory() : 0);
}

std::size_t StoredValue::pieces() const {
  if (is_compact()) return 1;
  const SubjectTable* const table = subject_table();
  return value().memory_pieces() + (table != nullptr ? table->pieces() : 0);
}

}  // namespace ratelimit
