// SPDX-License-Identifier: MIT
#include "keyspace/replay.h"

#include <string>
#include <utility>

#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/codec/bytes.h"
#include "ratelimit/codec/effects.h"
#include "ratelimit/operation.h"
#include "ratelimit/verdict.h"
#include "server/zones.h"

namespace ratelimit {
namespace {

bool store_in_table(OpenKey& key, std::string_view payload) {
  SubjectTable* const table = key.stored().subject_table();
  if (table == nullptr) return false;
  const bool is_exception = table->is_exception(*key.hash());
  const SharedLimits known = is_exception ? key.subject()->shared_limits() : key.stored().stored_limits();
  Value::Pointer value = Value::decode(payload, key.call().module.limits, known);
  if (!value) return false;
  // Stored limits are the one list of all subjects but exceptions, each of which has a list of its own.
  if (known && (value->has_several_lists() || !(value->limits() == *known))) return false;
  table->put(*key.hash(), std::move(value));
  return true;
}

bool store(OpenKey& key, std::string_view payload) {
  if (!key.is_key_itself()) return store_in_table(key, payload);
  std::optional<KeyContent> content = decode_key(payload, key.call().module.limits);
  if (!content || !key.stored().may_be_replaced_by(*content)) return false;
  key.replace(std::move(*content));
  return true;
}

bool apply(OpenKey& key, std::string_view payload) {
  if (!key.subject()) return false;
  const Subject& subject = *key.subject();
  Reader in(payload);
  Verdict verdict;
  if (!decode_changes(in, subject.limits(), verdict.changes, verdict.id)) return false;
  if (!accepts(subject.limits(), subject.cells(), verdict)) return false;
  ratelimit::apply(subject.limits(), subject.cells(), verdict);
  key.write_back();
  return true;
}

bool perform(OpenKey& key, std::string_view payload) {
  if (!key.subject()) return false;
  Reader in(payload);
  Operation operation;
  if (!decode_operation(in, operation)) return false;
  key.perform(operation);
  return true;
}

bool define(OpenKey& key, std::string_view payload) {
  Reader in(payload);
  LimitSpecs specs;
  Definition definition;
  if (!decode_definition(in, find_zone, specs, definition)) return false;
  const SharedLimits limits = key.call().module.limits.get(specs.span());
  if (!limits) return false;
  key.define(limits, definition);
  return true;
}

bool except(OpenKey& key, std::string_view payload) {
  const SubjectTable* const table = key.stored().subject_table();
  if (key.is_key_itself() || !key.stored().is_stored()) return false;
  Reader in(payload);
  LimitSpecs specs;
  Exception exception;
  if (!decode_exception(in, find_zone, specs, exception) || exception.name.empty()) return false;
  if (exception.name.size() > kMaxSubjectBytes || table->hash_of(exception.name) != *key.hash()) return false;
  SharedLimits limits;
  const bool is_exception = table->is_exception(*key.hash());
  if (!specs.empty()) limits = key.call().module.limits.get(specs.span());
  if (specs.empty() ? !is_exception : !limits) return false;
  if (!is_exception && table->exceptions_count() >= Exceptions::kMost) return false;
  if (!are_ends_of(limits ? *limits : *key.stored().own_limits(), exception.ends)) return false;
  key.except(limits, exception);
  return true;
}

bool sweep(OpenKey& key, std::string_view payload) {
  Reader in(payload);
  Sweep decoded;
  if (!decode_sweep(in, decoded) || key.stored().subject_table() == nullptr) return false;
  const HashRange range{SubjectHash::of(decoded.first), SubjectHash::of(decoded.last)};
  if (range.first.word() != decoded.first || range.last.word() != decoded.last) return false;
  key.stored().subject_table()->hash_table().sweep(range, decoded.at,
                                                   [&key](const Subject& subject) { key.release_later(subject); });
  return true;
}

bool fill(OpenKey& key, std::string_view payload) {
  std::optional<SubjectHash> last;
  return key.stored().subject_table() != nullptr &&
         key.stored().subject_table()->load_chunk(payload, key.stored().stored_limits(), key.call().module.limits,
                                                  last);
}

// There is nothing to say but who. The key itself is stored anew, or removed.
bool forget(OpenKey& key, std::string_view payload) {
  if (!payload.empty() || key.is_key_itself() || !key.subject()) return false;
  key.forget_subject();
  return true;
}

bool history(OpenKey& key, std::string_view payload) {
  return key.stored().subject_table() != nullptr && key.stored().subject_table()->load_history(payload);
}

bool each(OpenKey& key, std::string_view payload);

bool dispatch(OpenKey& key, EffectKind kind, std::string_view payload) {
  switch (kind) {
    case EffectKind::store: return store(key, payload);
    case EffectKind::apply: return apply(key, payload);
    case EffectKind::perform: return perform(key, payload);
    case EffectKind::define: return define(key, payload);
    case EffectKind::sweep: return sweep(key, payload);
    case EffectKind::fill: return fill(key, payload);
    case EffectKind::forget: return forget(key, payload);
    case EffectKind::except: return except(key, payload);
    case EffectKind::each: return each(key, payload);
    case EffectKind::history: return history(key, payload);
  }
  return false;
}

bool each(OpenKey& key, std::string_view payload) {
  if (!key.is_key_itself() || key.stored().subject_table() == nullptr) return false;
  Reader in(payload);
  if (!in.require(in.u8() == kFormatVersion)) return false;
  for (bool is_first = true; is_first || !in.done(); is_first = false) {
    EffectOfSubject effect;
    if (!decode_effect_of_subject(in, effect) || effect.kind >= kEffectWords.size()) return false;
    const auto kind = static_cast<EffectKind>(effect.kind);
    const SubjectHash subject = SubjectHash::of(effect.subject);
    if (!may_name_subject(kind) || subject.word() != effect.subject) return false;
    key.turn_to({}, subject);
    if (!dispatch(key, kind, effect.payload)) return false;
  }
  return true;
}

}  // namespace

Replayed replay(const CallContext& call, server::Text name, const Effect& effect) {
  static_cast<void>(call.module.limits.take_missing_zone());  // nobody asked whose it was
  OpenKey key(call, name, effect.subject);
  // The primary took over what the module redis-cell had left in the key.
  const bool takes_over = effect.kind == EffectKind::store && !effect.subject && key.state_of_redis_cell();
  if (key.is_of_other_type() && !takes_over) return Replayed::wrong_type;
  if (!dispatch(key, effect.kind, effect.payload)) return Replayed::malformed;
  const std::string warning = call.module.take_zone_warning(name.view());
  if (!warning.empty()) call.server.log_warning(warning.c_str());
  key.end_as_told(effect.end);
  return Replayed::done;
}

}  // namespace ratelimit
