#include "keyspace/data_type.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>

#include "keyspace/effect.h"
#include "keyspace/module.h"
#include "ratelimit/codec/bytes.h"
#include "ratelimit/codec/format.h"
#include "storage/compact_value.h"
#include "storage/subject_table.h"
#include "storage/value.h"

namespace ratelimit {
namespace {

// Nine characters, as the server demands: it is part of every RDB file.
constexpr const char* kTypeName = "ratelimit";

AsValue value_of(const void* stored) { return {stored, module().limits}; }

/// Reads the subjects of a table, chunk by chunk, up to one that is empty.
bool load_subjects(RedisModuleIO* io, const Value& value) {
  SubjectTable& subject_table = *subject_table_of(value);
  const SharedLimits stored = subject_table.is_stored() ? value.shared_limits() : SharedLimits{};
  std::optional<SubjectHash> last;
  while (true) {
    const std::optional<std::string> chunk = server::read_bytes(io);
    if (!chunk) return false;
    if (chunk->empty()) return subject_table.hash_table().spread();
    if (!subject_table.load_chunk(*chunk, stored, module().limits, last)) return false;
  }
}

void* load(RedisModuleIO* io, int encoding_version) {
  if (encoding_version != kFormatVersion) {
    server::log_warning(io, "a key was written by a newer version of the ratelimit module: encoding version " +
                                std::to_string(encoding_version) + ", and this one knows " +
                                std::to_string(kFormatVersion));
    return nullptr;
  }
  const std::optional<std::string> bytes = server::read_bytes(io);
  if (!bytes) return nullptr;
  Value::Pointer value = decode_value(*bytes, module().limits);
  if (!value || (subject_table_of(*value) != nullptr && !load_subjects(io, *value))) {
    server::log_warning(io, "a key of the ratelimit module does not hold a valid state");
    return nullptr;
  }
  if (subject_table_of(*value) != nullptr) module().background_sweep.note(server::context_of(io), server::name_of(io));
  return stored_form(std::move(value));
}

void save(RedisModuleIO* io, void* stored) {
  const AsValue value = value_of(stored);
  server::write_bytes(io, encode_value(*value));
  SubjectTable* subject_table = subject_table_of(*value);
  if (subject_table == nullptr) return;
  std::optional<SubjectHash> from = SubjectHash::smallest();
  while (from) {
    const std::string chunk = subject_table->encoded_chunk(from);
    if (!chunk.empty()) server::write_bytes(io, chunk);
  }
  server::write_bytes(io, {});
}

// The server itself writes the key's expiry behind this: zero leaves it alone.
void rewrite(RedisModuleIO* aof, RedisModuleString* key, void* stored) {
  const AsValue value = value_of(stored);
  server::write_command(aof, kEffectCommand, server::Text(key), word_of(EffectKind::store), 0, encode_value(*value));
  SubjectTable* subject_table = subject_table_of(*value);
  std::optional<SubjectHash> from;
  if (subject_table != nullptr) from = SubjectHash::smallest();
  while (from) {
    const std::string chunk = subject_table->encoded_chunk(from);
    if (!chunk.empty())
      server::write_command(aof, kEffectCommand, server::Text(key), word_of(EffectKind::fill), 0, chunk);
  }
}

void digest(RedisModuleDigest* digest, void* stored) {
  const AsValue value = value_of(stored);
  std::string bytes = encode_value(*value);
  if (SubjectTable* subject_table = subject_table_of(*value)) Writer(bytes).fixed(subject_table->digest());
  server::add_to_digest(digest, bytes);
}

void free_value(void* stored) { destroy_stored(stored, module().limits); }

std::size_t free_effort(RedisModuleString*, const void* stored) {
  const AsValue value = value_of(stored);
  const SubjectTable* subject_table = subject_table_of(*value);
  return value->memory_pieces() + (subject_table != nullptr ? subject_table->pieces() : 0);
}

void* copy(RedisModuleString*, RedisModuleString*, const void* stored) {
  if (CompactValue::is(stored)) return static_cast<const CompactValue*>(stored)->copy(module().limits);
  // The server hands over as constant what it owns, and what a view of which may bring up to date.
  Value& original = *static_cast<Value*>(const_cast<void*>(stored));  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  Value::Pointer copy = Value::copy(original.subject());
  if (SubjectTable* subject_table = subject_table_of(original)) {
    if (copy->extra_object() == nullptr) copy = copy->move_to_extra();
    copy->set_subjects(subject_table->copy());
  }
  return copy.release();
}

// Two readings of two clocks are never quite the same; what expires that little too early is as good as idle.
constexpr Span kNoticeableLead = std::chrono::seconds{1};

/// A value leaves the keyspace. If the server's clock has been stepped forward, that may be too early. A table ends only
/// when somebody wants it to.
void unlink(RedisModuleKeyOptCtx* key, const void* stored) {
  const Clock& clock = module().clock;
  if (clock.is_held() || wall_clock_lead(clock.now()) < kNoticeableLead) return;
  const AsValue leaving = value_of(stored);
  if (subject_table_of(*leaving) == nullptr && leaving->idle_at() > clock.now()) {
    module().premature_expiries.note_removed(server::name_of(key), leaving->encoded(), leaving->idle_at());
  }
}

int note_expired(RedisModuleCtx* context, int, const char*, RedisModuleString* key) {
  if (module().premature_expiries.empty()) return 0;
  const server::KeyName name{server::Context(context).database(), server::Text(key).view()};
  module().premature_expiries.note_expired(name, module().clock.now());
  return 0;
}

void note_flush() { module().premature_expiries.clear(); }

void note_swap(int first, int second) {
  module().premature_expiries.clear();
  module().background_sweep.note_swap(first, second);
}

/// A key has been renamed, moved or copied: the background sweep knows tables by the names of their keys.
int note_new_name(RedisModuleCtx* handle, int, const char*, RedisModuleString* name) {
  const server::Context context(handle);
  const server::Text text(name);
  const server::Key key(context, text, server::Key::Access::read);
  const void* stored = key.value(module().data_type);
  if (stored != nullptr && subject_table_of(*value_of(stored)) != nullptr) {
    module().background_sweep.note(context, {context.database(), text.view()});
  }
  return 0;
}

/// Offers piece `i` of what is behind a value to `move`. False if there is no such piece.
template <class Move>
bool relocate_piece(Value& value, std::size_t i, Move move) {
  if (value.subject().relocate_piece(i, move)) return true;
  SubjectTable* subject_table = subject_table_of(value);
  return subject_table != nullptr && subject_table->hash_table().relocate_piece(i, move);
}

/// Moves the pieces of a value, a large one over several steps. Returns whether something is left to do.
int defragment(RedisModuleDefragCtx* handle, RedisModuleString*, void** stored) {
  const server::Defragmentation step(handle);
  const auto move = [&step](void* memory) { return step.move(memory); };
  std::size_t position = step.position();
  if (position == 0) {
    if (void* place = move(*stored)) *stored = place;
  }
  if (CompactValue::is(*stored)) return 0;
  while (relocate_piece(*static_cast<Value*>(*stored), position, move)) {
    ++position;
    if (!step.is_over()) continue;
    step.pause(position);
    return 1;
  }
  return 0;
}

}  // namespace

std::size_t memory_of(const void* stored) {
  const std::size_t itself = server::allocated_bytes(stored);
  if (CompactValue::is(stored)) return itself;
  const Value& value = *static_cast<const Value*>(stored);
  const void* more = value.extra_object();
  const SubjectTable* subject_table = subject_table_of(value);
  return itself + (more != nullptr ? server::allocated_bytes(more) : 0) + value.bytes_behind() +
         (subject_table != nullptr ? subject_table->memory() : 0);
}

Span wall_clock_lead(Instant now) { return std::max(Span{server::unix_time()} - now.time_since_epoch(), Span{}); }

server::DataType register_data_type(server::Context context) {
  if (!server::listen_to_expiries(context, note_expired) || !server::listen_to_flushes(context, note_flush) ||
      !server::listen_to_swaps(context, note_swap) || !server::listen_to_new_names(context, note_new_name)) {
    return nullptr;
  }
  return server::register_type(context, kTypeName, kFormatVersion,
                               {.load = load,
                                .save = save,
                                .rewrite = rewrite,
                                .memory_usage = memory_of,
                                .digest = digest,
                                .free = free_value,
                                .free_effort = free_effort,
                                .copy = copy,
                                .unlink = unlink,
                                .defragment = defragment});
}

}  // namespace ratelimit
