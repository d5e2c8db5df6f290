// SPDX-License-Identifier: MIT
// Fuzzes what reads the binary form: the value of a RESTORE or an RDB file, the chunks of its table, the change of an
// effect APPLY, the operation of a PERFORM, and the payloads of DEFINE, SWEEP, FILL and HISTORY.
//
// An input is the length of a value (two bytes, little-endian), the value, and a payload, which is tried as a change, as
// an operation, as a definition, as a sweep, and as a chunk of the value's table or of its history. What is accepted must
// be canonical and harmless: it is written back to the very same bytes, answers within its bounds at any instant and in
// any mode, denies nobody for longer than it says, and stays readable whatever is done to it.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "fuzz.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/block.h"
#include "ratelimit/blocked.h"
#include "ratelimit/codec/bytes.h"
#include "ratelimit/codec/effects.h"
#include "ratelimit/limit.h"
#include "ratelimit/limits.h"
#include "ratelimit/operation.h"
#include "ratelimit/request.h"
#include "ratelimit/states.h"
#include "ratelimit/verdict.h"
#include "server/zones.h"
#include "storage/history_codec.h"
#include "storage/limits_pool.h"
#include "storage/stored_value.h"
#include "storage/subject_table.h"
#include "storage/value.h"

namespace ratelimit::fuzz {
namespace {

using namespace std::chrono_literals;

constexpr Instant kToday{std::chrono::sys_days{std::chrono::year{2024} / 2 / 29}};

Value::Pointer copy_of(const Value& value, LimitsPool& pool) {
  const std::string bytes = value.encoded();
  Value::Pointer copy = Value::decode(bytes, pool);
  require(copy != nullptr, "what is written can be read");
  require(copy->encoded() == bytes, "and is written the same again");
  require(Value::copy(copy->subject())->encoded() == bytes, "a copy is written the same");
  return copy;
}

/// Does an operation as the module does it.
void perform(Value::Pointer& value, const Operation& operation) {
  const bool reserves = operation.kind == Operation::Kind::reserve || operation.span > Span{};
  if (reserves && value->reservations() == nullptr) value = value->with_reservations();
  value->subject().perform(operation);
}

void require_sane_use(const Value& value, Instant now) {
  for (std::size_t i = 0; i < value.limits().size(); ++i) {
    const Limit& limit = value.limits()[i];
    const Cell& cell = value.cells()[i];
    limit.visit([&](const auto& algorithm) {
      const auto& state = state_in(cell, algorithm);
      const Units used = algorithm.used(state, now);
      require(kNoUnits <= used && used <= most_used(limit, cell), "what is used is within the limit, and its debt");
      // As RL.INFO asks.
      const Decision status = algorithm.decide(state, Ask{kNoUnits, {}, true}, now).decision;
      const Span longest = longest_span(limit, cell);
      require_sane(value.limits(), status, {.cost = kNoUnits, .mode = Mode::force}, longest);
      require((status.wait > Span{}) == (used > limit.size()), "a debt lasts, and nothing else");
      require((status.reset > Span{}) == (used > kNoUnits), "what is used comes back, and nothing else");
      const Units left = std::max(limit.size() - used, kNoUnits);
      require(status.remaining == left || status.remaining == kNoUnits, "what is not used remains, if it can be");
    });
  }
}

/// A call as the module handles it: charged if granted; brought back to now if denied by a state that is ahead, and
/// before it is asked as of later: for a turn, or under a block.
void call(Value::Pointer& value, const Request& request, Instant now) {
  if (value->reservations() != nullptr && value->reservations()->any_hold_ended(now)) {
    value->subject().perform({.kind = Operation::Kind::collect, .at = now});
  }
  const Limits& limits = value->limits();
  const bool is_blocked = value->subject().block().left(now) > Span{} && request.mode != Mode::force;
  if ((request.mode == Mode::may_wait || is_blocked) && !is_never(limits, request)) value->subject().clamp(now);
  const Block block = value->subject().block();
  const Verdict verdict = decide(limits, value->cells(), value->subject().turn(), block, request, now);
  const Span longest = longest_answer(limits, value->cells(), value->subject().turn(), block, request);
  require_sane(limits, verdict.decision, request, longest);
  if (verdict.decision.outcome == Outcome::granted) {
    if (verdict.turn > Span{} || value->reservations() != nullptr || value->has_several_lists()) {
      perform(value, {.kind = Operation::Kind::charge,
                      .at = now,
                      .units = verdict.decision.granted,
                      .span = verdict.turn,
                      .id = verdict.id});
    } else {
      apply(limits, value->cells(), verdict);
    }
    require(!any_is_ahead(value->limits(), value->cells(), now + verdict.turn), "a grant leaves nothing of the future");
    const bool is_cut_off = any_is_cut_off(value->limits(), value->cells());
    require(is_cut_off || idle_at(value->limits(), value->cells()) == now + verdict.idle_in,
            "and is forgotten when it says");
  } else if (value->subject().is_ahead(now)) {
    value->subject().clamp(now);
    require(!value->subject().is_ahead(now), "what is clamped is ahead no longer");
    const Decision again =
        decide(limits, value->cells(), value->subject().turn(), value->subject().block(), request, now).decision;
    require(again.wait == verdict.decision.wait, "a clamp answers the same");
  }
}

/// Calls like that, at once and after the wait that was told.
void require_never_denied_for_ever(const Value& original, LimitsPool& pool, const Request& request, Instant now) {
  Value::Pointer value = copy_of(original, pool);
  call(value, request, now);
  const auto decide_at = [&](Instant instant) {
    const Subject subject = value->subject();
    return decide(subject.limits(), subject.cells(), subject.turn(), subject.block(), request, instant).decision;
  };
  const Decision first = decide_at(now);
  const Instant then = now + first.wait;
  if (first.outcome == Outcome::denied && then <= kLatest) {
    require(decide_at(then).outcome == Outcome::granted, "who waits as told is granted");
    call(value, request, then);
  }
  copy_of(*value, pool);
}

void require_safe(const Value& value, LimitsPool& pool) {
  copy_of(value, pool);
  if (value.limits().size() == 0) return;  // nothing can be asked of who was only blocked
  const Instant idle_at = value.idle_at();
  for (const Instant instant :
       {kEarliest, kEarliest + 1ms, kToday, idle_at - 1ns, idle_at, idle_at + 1ns, kLatest - kMaxSpan, kLatest}) {
    const Instant now = std::clamp(instant, kEarliest, kLatest);
    require_sane_use(value, now);
    const Units size = value.limits()[0].size();
    for (const Units cost : {kMinUnits, size, kMaxUnits}) {
      require_never_denied_for_ever(value, pool, {.cost = cost, .id = "a"}, now);
    }
    require_never_denied_for_ever(value, pool, {.cost = kMaxUnits, .mode = Mode::partial, .id = "new"}, now);
    require_never_denied_for_ever(value, pool, {.cost = kMaxUnits, .mode = Mode::force, .id = "new"}, now);
    require_never_denied_for_ever(value, pool, {.cost = size, .mode = Mode::may_wait, .longest_wait = 1h, .id = "new"},
                                  now);
  }
}

void try_change(Value::Pointer value, std::string_view payload, LimitsPool& pool) {
  Reader in(payload);
  Verdict verdict;
  if (!decode_changes(in, value->limits(), verdict.changes, verdict.id)) return;
  std::string bytes;
  Writer out(bytes);
  encode_changes(out, value->limits(), verdict.changes, verdict.id);
  require(bytes == payload, "a change is written to the bytes that it was read from");

  if (!accepts(value->limits(), value->cells(), verdict)) return;
  apply(value->limits(), value->cells(), verdict);
  require_safe(*value, pool);
}

void try_operation(Value::Pointer value, std::string_view payload, LimitsPool& pool) {
  Reader in(payload);
  Operation operation;
  if (!decode_operation(in, operation)) return;
  std::string bytes;
  Writer out(bytes);
  encode_operation(out, operation);
  require(bytes == payload, "an operation is written to the bytes that it was read from");

  Value::Pointer replica = copy_of(*value, pool);
  perform(value, operation);
  perform(replica, operation);
  require(replica->encoded() == value->encoded(), "an operation does the same everywhere");
  require_safe(*value, pool);
  // Once more, on what it left.
  perform(value, operation);
  copy_of(*value, pool);
}

/// The limits of a definition, if a payload is one.
std::optional<std::pair<SharedLimits, Definition>> definition_in(std::string_view payload, LimitsPool& pool) {
  Reader in(payload);
  LimitSpecs specs;
  Definition definition;
  if (!decode_definition(in, find_zone, specs, definition)) return std::nullopt;
  const SharedLimits limits = pool.get(specs.span());
  if (!limits) return std::nullopt;
  std::string bytes;
  Writer out(bytes);
  encode_definition(out, *limits, definition);
  require(bytes == payload, "a definition is written to the bytes that it was read from");
  require(definition.head.is_stored && in_range(definition.at), "limits are stored, at some time");
  return std::pair(limits, definition);
}

std::optional<Sweep> sweep_in(std::string_view payload) {
  Reader in(payload);
  Sweep sweep;
  if (!decode_sweep(in, sweep)) return std::nullopt;
  std::string bytes;
  Writer out(bytes);
  encode_sweep(out, sweep);
  require(bytes == payload, "a sweep is written to the bytes that it was read from");
  require(sweep.first <= sweep.last && in_range(sweep.at), "it goes from one hash to another, at some time");
  return sweep;
}

void try_definition(Value::Pointer value, std::string_view payload, LimitsPool& pool) {
  const auto definition = definition_in(payload, pool);
  if (!definition) return;
  const auto& [limits, defined] = *definition;
  if (value->subject().any_hold_ended(defined.at)) {
    value->subject().perform({.kind = Operation::Kind::collect, .at = defined.at});
  }
  const Value::Pointer carried = carry_over(value->subject(), limits, defined.at);
  require(carried->limits() == *limits, "a definition is what the key goes by");
  require_safe(*carried, pool);
}

/// A table as it is: all that can be asked of it.
void require_sound(SubjectTable& subject_table, LimitsPool& pool) {
  require(subject_table.hash_table().is_valid(), "a table is in order");
  std::size_t subjects = 0;
  std::optional<SubjectHash> before;
  subject_table.hash_table().for_each(SubjectHash::smallest(), [&](SubjectHash hash, const Subject& subject) {
    require(!before || *before < hash, "subjects come in the order of their hashes");
    before = hash;
    if (subjects++ < 2) require_safe(*Value::copy(subject), pool);
    return true;
  });
  require(subjects == subject_table.hash_table().size(), "and all of them come");
}

std::string chunks_of(SubjectTable& subject_table) {
  std::string all;
  std::optional<SubjectHash> from = SubjectHash::smallest();
  while (from) all += subject_table.encoded_chunk(from);
  return all;
}

/// A chunk of the table of a value, read as a file is loaded; and what becomes of it under a definition and a sweep.
void try_chunk(const StoredValue& key, std::string_view payload, LimitsPool& pool) {
  SubjectTable& subject_table = *key.subject_table();
  std::optional<SubjectHash> last;
  const bool is_read = subject_table.load_chunk(payload, key.stored_limits(), pool, last);
  require_sound(subject_table, pool);
  if (!is_read) return;
  const std::string chunks = chunks_of(subject_table);
  // What is longer than a chunk is written as several.
  if (chunks.size() < 65'536) require(chunks == payload, "a chunk is written to the bytes that it was read from");

  const std::uint64_t digest = subject_table.digest();
  const std::unique_ptr<SubjectTable> copy = subject_table.copy();
  require(copy->digest() == digest && chunks_of(*copy) == chunks, "a copy is the same");
  const Instant idle_at = kToday + std::chrono::hours{1};
  const std::size_t before = copy->hash_table().size();
  const std::size_t forgotten = copy->hash_table().sweep({SubjectHash::smallest(), SubjectHash::largest()}, idle_at);
  require(copy->hash_table().size() == before - forgotten, "who is idle is forgotten, and nobody else");
  require_sound(*copy, pool);
  subject_table.hash_table().redefine(key.own_limits(), kToday);
  subject_table.store(true);
  require_sound(subject_table, pool);
  require(subject_table.digest() == subject_table.copy()->digest(), "also after a definition");
}

/// A chunk of the history of a value's table, read as a file is loaded; and what becomes of it when more is noted.
void try_history(SubjectTable& subject_table, std::string_view payload) {
  if (!subject_table.load_history(payload)) return;
  History& history = subject_table.history();
  std::string chunks;
  encode_history(history, [&chunks](const std::string& chunk) { chunks += chunk; });
  // What is longer than a chunk is written as several.
  if (chunks.size() < kChunkBytes)
    require(chunks == payload, "a history is written to the bytes that it was read from");
  for (const Instant now : {kEarliest, kToday, kLatest}) {
    for (const HeavyHitters::Entry& entry : history.most_denied.top(HeavyHitters::kMostCounters, now)) {
      require(entry.error <= entry.count && entry.count <= HeavyHitters::kMostCount, "a count is within its bounds");
    }
    for (const std::string_view name : {"a", "b", ""}) {
      const Caller caller{subject_table.hash_of(name), name, now};
      history.note_denial(caller, "fixed", 1h, {.log_length = 4, .top_size = 2});
      history.note_near(caller, {.log_length = 4, .top_size = 2});
    }
    require(history.log.size() <= 4 && history.most_denied.size() <= 2, "a history keeps to its bounds");
  }
}

/// What the payload may be, beside a key that is one subject and beside one with a table.
void try_payload(const StoredValue& key, const Value& own, std::string_view payload, LimitsPool& pool) {
  try_change(copy_of(own, pool), payload, pool);
  try_operation(copy_of(own, pool), payload, pool);
  try_definition(copy_of(own, pool), payload, pool);
  sweep_in(payload);
  if (key.subject_table() == nullptr) return;
  try_history(*key.subject_table(), payload);
  try_chunk(key, payload, pool);
}

void run(std::string_view input) {
  Choices choices(input);
  const std::string_view bytes = choices.take(static_cast<std::size_t>(choices.number(2)));
  LimitsPool pool(find_zone);
  std::optional<KeyContent> content = decode_key(bytes, pool);
  if (!content) return;
  const StoredValue::Pointer owner = StoredValue::make(std::move(*content), pool);
  const StoredValue key(owner.get(), pool);
  require(key.encoded() == bytes, "a key is written to the bytes that it was read from");
  const StoredValue::Pointer copy = key.copy();
  require(StoredValue(copy.get(), pool).encoded() == bytes, "and so is a copy of it");
  Cell loose;
  const Value::Pointer own = Value::copy(key.own_subject(loose));
  require(own->bytes_behind() == 0 || own->memory_pieces() > 1, "bytes behind a value are in pieces");
  require_safe(*own, pool);
  try_payload(key, *own, choices.take(input.size()), pool);
}

}  // namespace
}  // namespace ratelimit::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  ratelimit::fuzz::run({reinterpret_cast<const char*>(bytes), size});
  return 0;
}
