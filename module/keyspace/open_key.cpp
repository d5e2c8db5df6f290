// SPDX-License-Identifier: MIT
#include "keyspace/open_key.h"

#include <memory>
#include <string>
#include <utility>

#include "ratelimit/codec/bytes.h"
#include "ratelimit/codec/effects.h"
#include "ratelimit/codec/redis_cell.h"
#include "ratelimit/operation.h"
#include "ratelimit/states.h"

namespace ratelimit {

OpenKey::OpenKey(const CallContext& call, server::Text key, Access access, std::string_view subject_name)
    : call_(call),
      name_(key),
      access_(access),
      key_(call.server, name_, access),
      propagation_(call, name_, key_),
      stored_(key_.value(call.module.data_type), call.module.limits),
      subject_name_(subject_name) {
  const bool may_have_ended_prematurely = access_ != Access::quiet_write && !call_.module.premature_expiries.empty();
  if (!exists() && may_have_ended_prematurely && key_.is_absent()) restore();
  find_subject();
}

OpenKey::OpenKey(const CallContext& call, server::Text key, std::optional<SubjectHash> subject)
    : call_(call),
      name_(key),
      access_(Access::write),
      key_(call.server, name_, access_),
      propagation_(call, name_, key_),
      stored_(key_.value(call.module.data_type), call.module.limits),
      hash_(subject) {
  find_subject();
}

void OpenKey::find_subject() {
  subject_.reset();
  if (is_key_itself()) {
    if (stored_) subject_ = stored_.own_subject(loose_[0]);
  } else if (SubjectTable* table = stored_.subject_table()) {
    if (!hash_) hash_ = table->hash_of(subject_name_);
    subject_ = table->find(*hash_);
  }
}

std::vector<SubjectHash> OpenKey::hashes_of(std::span<const std::string_view> names) const {
  std::vector<SubjectHash> hashes;
  const SubjectTable* const table = stored_.subject_table();
  if (table == nullptr) return hashes;
  hashes.reserve(names.size());
  for (const std::string_view name : names) hashes.push_back(table->hash_of(name));
  return hashes;
}

void OpenKey::turn_to(std::string_view name, std::optional<SubjectHash> hash) {
  preview_.reset();
  prepared_.reset();
  limits_of_idle_ = {};
  is_new_ = false;
  subject_name_ = name;
  hash_ = hash;
  find_subject();
}

// Whoever is asked for, it is the key that is back.
void OpenKey::restore() {
  PrematureExpiries& expiries = call_.module.premature_expiries;
  const server::KeyName name{call_.server.database(), name_.view()};
  const std::optional<std::string> encoded = expiries.find(name, call_.now);
  if (!encoded) return;
  KeyContent content{.own = Value::decode(*encoded, call_.module.limits), .table = {}};
  if (access_ == Access::read) {
    restored_ = StoredValue::make(std::move(content), call_.module.limits);
    stored_ = StoredValue(restored_->get(), call_.module.limits);
    return;
  }
  expiries.forget(name);
  const KeyEnd end = end_of_key(content.own->limits(), content.own->idle_at(), call_.now);
  hand_over(StoredValue::make(std::move(content), call_.module.limits));
  key_.expire_at(end);
  if (propagation_.is_on()) {
    propagation_.queue(EffectKind::store, end, stored_.encoded());
  } else {
    propagation_.count_change();
  }
  propagation_.signal();
}

std::optional<TokenBucket::State> OpenKey::state_of_redis_cell() const {
  if (exists()) return std::nullopt;
  const std::optional<std::string_view> text = key_.text();
  return text ? state_at_arrival_time(*text) : std::nullopt;
}

void OpenKey::prepare_idle(const SharedLimits& limits) {
  if (is_key_itself()) return prepare(Value::create(limits));
  limits_of_idle_ = limits;
  construct_idle(*limits, loose_);  // an idle state owns nothing, so that nothing is to be destroyed
  subject_.emplace(limits_of_idle_, std::span(loose_).first(limits->size()), nullptr);
}

void OpenKey::prepare(Value::Pointer value) {
  prepared_ = std::move(value);
  subject_ = prepared_->subject();
}

Preview& OpenKey::preview() {
  if (!preview_) {
    preview_ = std::make_unique<Preview>(subject_->limits(), subject_->cells(), subject_->reservations());
  }
  return *preview_;
}

void OpenKey::show_preview() {
  const Subject seen = *subject_;
  subject_.emplace(seen.shared_limits(), preview_->cells(), preview_->reservations(), seen.last_grants().data());
}

void OpenKey::preview_collected() {
  preview().collect(call_.now);
  show_preview();
}

void OpenKey::preview_clamped(AccountSet of) {
  preview().clamp(call_.now, of);
  show_preview();
}

void OpenKey::store_prepared() {
  if (!is_key_itself()) return store_prepared_in_table();
  release_own_later();
  hand_over(stored_.put_own(std::move(prepared_)));
  find_subject();
}

void OpenKey::store_prepared_in_table() {
  if (stored_.subject_table() == nullptr) {
    make_subject_table({.secret = server::random_secret()}, subject_->shared_limits());
    hash_ = stored_.subject_table()->hash_of(subject_name_);
  }
  SubjectTable& table = *stored_.subject_table();
  const bool is_exception = table.is_exception(*hash_);
  const auto crowded = is_exception ? std::nullopt : table.hash_table().crowded(*hash_);
  if (crowded) sweep(*crowded, true);
  if (const auto replaced = prepared_ ? table.find(*hash_) : std::nullopt) release_later(*replaced);
  subject_ = prepared_ ? table.put(*hash_, std::move(prepared_)) : table.hash_table().insert(*hash_, limits_of_idle_);
  limits_of_idle_ = {};
  is_new_ = true;
}

void OpenKey::write_back() {
  if (!is_key_itself()) return;
  StoredValue::Pointer other_form = stored_.write_back(loose_[0]);
  if (!other_form) return;
  hand_over(std::move(other_form));
  find_subject();
}

bool OpenKey::perform(const Operation& operation) {
  const bool may_reserve = operation.kind == Operation::Kind::charge || operation.kind == Operation::Kind::block;
  const bool reserves = operation.kind == Operation::Kind::reserve || (may_reserve && operation.span > Span{});
  if (reserves && subject_->reservations() == nullptr) make_room_for_reservations();
  const bool found = subject_->perform(operation);
  write_back();
  return found;
}

void OpenKey::release_later(const Subject& subject) const {
  call_.module.background_release.take_from(call_.server, subject);
}

void OpenKey::release_own_later() const {
  Cell loose;
  if (stored_) release_later(stored_.own_subject(loose));
}

void OpenKey::forget_subject() {
  release_later(*subject_);
  subject_.reset();
  prepared_.reset();
  limits_of_idle_ = {};
  stored_.subject_table()->forget(*hash_);
}

void OpenKey::make_room_for_reservations() {
  if (is_key_itself()) {
    hand_over(stored_.add_reservations());
    find_subject();
  } else {
    subject_ = stored_.subject_table()->put(*hash_, Value::take(*subject_));
    is_new_ = true;
  }
}

void OpenKey::hand_over(StoredValue::Pointer value) {
  is_new_ = true;
  if (!value) return;
  stored_ = StoredValue(value.release(), call_.module.limits);
  call_.module.census.add(stored_);
  key_.set(call_.module.data_type, stored_.get());
}

void OpenKey::make_subject_table(const SubjectTableHead& head, const SharedLimits& limits) {
  hand_over(stored_.add_table(head, limits));
  stored_.begin_history(call_.now);
  key_.persist();
  note_table();
  if (!head.is_stored && propagation_.is_on()) propagation_.queue(EffectKind::store, kKeepEnd, stored_.encoded());
}

void OpenKey::note_table() const { call_.module.background_sweep.note(call_.server, key_name()); }

server::KeyName OpenKey::key_name() const { return {call_.server.database(), name_.view()}; }

void OpenKey::define(const SharedLimits& limits, const Definition& definition) {
  const bool had_them = stored_.is_stored() && *limits == *stored_.own_limits();
  if (subject_ && !had_them) {
    prepare(carry_over(*subject_, limits, definition.at));
    tell_ends(*limits, subject_->cells(), definition.at, definition.ends);
    store_subject();
  }
  if (stored_.subject_table() == nullptr) {
    make_subject_table(definition.head, limits);
  } else if (!had_them) {
    HashTable& subjects = stored_.subject_table()->hash_table();
    subjects.redefine(limits, definition.at, definition.ends);
    if (subjects.has_pending_changes()) call_.module.background_sweep.note_change(call_.server, key_name());
  }
  if (!stored_.is_stored()) call_.module.census.note_limiter();
  stored_.subject_table()->store(definition.head.is_shadow);
  stored_.subject_table()->history().counters.set_limits(*limits, definition.at);
}

void OpenKey::except(const SharedLimits& limits, const Exception& exception) {
  SubjectTable& table = *stored_.subject_table();
  const SharedLimits& next = limits ? limits : stored_.own_limits();
  Value::Pointer value = subject_ ? carry_over(*subject_, next, exception.at) : Value::create(next);
  tell_ends(*next, value->cells(), exception.at, exception.ends);
  if (limits) {
    table.begin_exception(*hash_, exception.name, std::move(value));
  } else {
    table.end_exception(*hash_);
    if (value->idle_at() > exception.at) table.put(*hash_, std::move(value));
  }
  find_subject();
}

void OpenKey::sweep(const HashRange& range, bool may_forget) {
  const auto forget_idle_at = may_forget ? std::optional(call_.now) : std::nullopt;
  const std::size_t forgotten = stored_.subject_table()->hash_table().sweep(
      range, forget_idle_at, [this](const Subject& subject) { release_later(subject); });
  if (forgotten == 0 || !propagation_.is_on()) return;
  std::string bytes;
  Writer out(bytes);
  encode_sweep(out, {range.first.word(), range.last.word(), call_.now});
  propagation_.queue(EffectKind::sweep, kKeepEnd, bytes);
}

void OpenKey::expire_at(KeyEnd end) {
  key_.expire_at(end);
  stored_.note_end();
}

void OpenKey::replace(KeyContent content) {
  const SubjectTable* const before = stored_.subject_table();
  hand_over(stored_.replace(std::move(content)));
  if (stored_.subject_table() == nullptr) return;
  if (stored_.subject_table() != before) stored_.begin_history(call_.now);
  note_table();
}

void OpenKey::end_as_told(KeyEnd end) {
  if (end > kKeepEnd) key_.expire_at(end);
  propagation_.signal();
}

void OpenKey::remove() {
  release_own_later();
  key_.remove();
  stored_ = StoredValue(nullptr, call_.module.limits);
  subject_.reset();
}

}  // namespace ratelimit
