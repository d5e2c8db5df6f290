// SPDX-License-Identifier: MIT
#include "keyspace/data_type.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "keyspace/module.h"
#include "ratelimit/codec/bytes.h"
#include "ratelimit/codec/effect_kind.h"
#include "storage/history_codec.h"
#include "storage/stored_value.h"
#include "storage/subject_table.h"

namespace ratelimit {
namespace {

// The version of what RDB files hold of a value: since version 2, the history of a table follows its subjects.
constexpr int kEncodingVersion = 2;
constexpr int kFirstVersionWithHistory = 2;

StoredValue value_of(void* stored) { return {stored, module().limits}; }
// The pointer is const, but reading a table may apply pending redefinitions. Nobody can see a difference.
StoredValue value_of(const void* stored) {
  return value_of(const_cast<void*>(stored));  // NOLINT(cppcoreguidelines-pro-type-const-cast)
}

/// Reads the subjects of a table, chunk by chunk, up to an empty chunk.
bool load_subjects(RedisModuleIO* io, SubjectTable& table, const SharedLimits& stored_limits) {
  std::optional<SubjectHash> last;
  while (true) {
    const std::optional<std::string> chunk = server::read_bytes(io);
    if (!chunk) return false;
    if (chunk->empty()) return table.hash_table().spread();
    if (!table.load_chunk(*chunk, stored_limits, module().limits, last)) return false;
  }
}

/// Reads the history of a table, chunk by chunk, up to an empty chunk.
bool load_history(RedisModuleIO* io, SubjectTable& table) {
  while (true) {
    const std::optional<std::string> chunk = server::read_bytes(io);
    if (!chunk) return false;
    if (chunk->empty()) return true;
    if (!table.load_history(*chunk)) return false;
  }
}

void* refuse(RedisModuleIO* io, const std::string& reason) {
  server::log_warning(io, reason);
  return nullptr;
}

void* load(RedisModuleIO* io, int encoding_version) {
  if (encoding_version < 1 || encoding_version > kEncodingVersion) {
    return refuse(io, "a key was written by a newer version of the ratelimit module: encoding version " +
                          std::to_string(encoding_version) + ", and this one knows " +
                          std::to_string(kEncodingVersion));
  }
  constexpr const char* kInvalid = "a key of the ratelimit module does not hold a valid state";
  const std::optional<std::string> bytes = server::read_bytes(io);
  if (!bytes) return nullptr;
  static_cast<void>(module().limits.take_missing_zone());  // nobody asked whose it was
  std::optional<KeyContent> content = decode_key(*bytes, module().limits);
  if (!content) return refuse(io, kInvalid);
  StoredValue::Pointer key = StoredValue::make(std::move(*content), module().limits);
  const StoredValue value = value_of(key.get());
  if (SubjectTable* const table = value.subject_table()) {
    value.begin_history(module().clock.now());
    if (!load_subjects(io, *table, value.stored_limits())) return refuse(io, kInvalid);
    const bool has_history = encoding_version >= kFirstVersionWithHistory;
    if (has_history && !load_history(io, *table)) return refuse(io, kInvalid);
    module().background_sweep.note(server::context_of(io), server::name_of(io));
  }
  const std::string warning = module().take_zone_warning(server::name_of(io).name);
  if (!warning.empty()) server::log_warning(io, warning);
  module().census.add(value);
  return key.release();
}

/// Calls `write(chunk)` for the subjects of a table, chunk by chunk.
template <class Write>
void for_each_chunk(SubjectTable& table, Write write) {
  std::optional<SubjectHash> from = SubjectHash::smallest();
  while (from) {
    const std::string chunk = table.encoded_chunk(from);
    if (!chunk.empty()) write(chunk);
  }
}

void save(RedisModuleIO* io, void* stored) {
  const StoredValue value = value_of(stored);
  server::write_bytes(io, value.encoded());
  SubjectTable* const table = value.subject_table();
  if (table == nullptr) return;
  const auto write = [io](const std::string& chunk) { server::write_bytes(io, chunk); };
  for_each_chunk(*table, write);
  write({});
  encode_history(table->history(), write);
  write({});
}

// The server itself writes the key's expiry behind this: zero leaves it alone.
void rewrite(RedisModuleIO* aof, RedisModuleString* key, void* stored) {
  const StoredValue value = value_of(stored);
  const auto write = [aof, key](EffectKind kind, const std::string& bytes) {
    server::write_command(aof, kEffectCommand, server::Text(key), word_of(kind), 0, bytes);
  };
  write(EffectKind::store, value.encoded());
  if (SubjectTable* const table = value.subject_table()) {
    for_each_chunk(*table, [&write](const std::string& chunk) { write(EffectKind::fill, chunk); });
    encode_history(table->history(), [&write](const std::string& chunk) { write(EffectKind::history, chunk); });
  }
}

void digest(RedisModuleDigest* digest, void* stored) {
  const StoredValue value = value_of(stored);
  std::string bytes = value.encoded();
  if (SubjectTable* const table = value.subject_table()) Writer(bytes).fixed(table->digest());
  server::add_to_digest(digest, bytes);
}

void free_value(void* stored) {
  const StoredValue value = value_of(stored);
  module().census.remove(value);
  value.destroy();
}

std::size_t free_effort(RedisModuleString*, const void* stored) { return value_of(stored).pieces(); }

std::size_t memory_of(const void* stored) { return value_of(stored).memory(server::allocated_bytes); }

void* copy(RedisModuleString*, RedisModuleString*, const void* stored) {
  void* const copied = value_of(stored).copy().release();
  const StoredValue value = value_of(copied);
  if (value.subject_table() != nullptr) value.begin_history(module().clock.now());
  module().census.add(value);
  return copied;
}

// Two readings of two clocks are never quite the same; what expires that little too early is as good as idle.
constexpr Span kNoticeableLead = std::chrono::seconds{1};

/// A value leaves the keyspace. If the server's clock has been stepped forward, that may be too early. A table ends only
/// when somebody wants it to.
void unlink(RedisModuleKeyOptCtx* key, const void* stored) {
  const Clock& clock = module().clock;
  if (clock.is_held() || wall_clock_lead(clock.now()) < kNoticeableLead) return;
  const StoredValue leaving = value_of(stored);
  if (leaving.subject_table() == nullptr && leaving.own_idle_at() > clock.now()) {
    module().premature_expiries.note_removed(server::name_of(key), leaving.encoded(), leaving.own_idle_at());
  }
}

/// Moves the pieces of a value, a large one over several steps. Returns whether something is left to do.
int defragment(RedisModuleDefragCtx* handle, RedisModuleString*, void** stored) {
  const server::Defragmentation step(handle);
  const auto move = [&step](void* memory) { return step.move(memory); };
  std::size_t position = step.position();
  StoredValue value = value_of(*stored);
  if (position == 0) {
    value.relocate(move);
    *stored = value.get();
  }
  while (value.relocate_piece(position, move)) {
    ++position;
    if (!step.is_over()) continue;
    step.pause(position);
    return 1;
  }
  return 0;
}

}  // namespace

server::DataType register_data_type(server::Context context) {
  return server::register_type(context, kTypeName, kEncodingVersion,
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
