#include "data_type.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>

#include "ratelimit/codec.h"
#include "state.h"
#include "value.h"

namespace ratelimit {
namespace {

// Nine characters, as the server demands: it is part of every RDB file.
constexpr const char* kTypeName = "ratelimit";

const Value& value_of(const void* value) { return *static_cast<const Value*>(value); }

void* load(RedisModuleIO* io, int encoding_version) {
  if (encoding_version != kFormatVersion) {
    server::log_warning(io, "a key was written by a newer version of the ratelimit module: encoding version " +
                                std::to_string(encoding_version) + ", and this one knows " +
                                std::to_string(kFormatVersion));
    return nullptr;
  }
  const std::optional<std::string> bytes = server::read_bytes(io);
  if (!bytes) return nullptr;
  Value::Pointer value = Value::decode(*bytes, module().limits);
  if (!value) server::log_warning(io, "a key of the ratelimit module does not hold a valid state");
  return value.release();
}

void save(RedisModuleIO* io, void* value) { server::write_bytes(io, value_of(value).encoded()); }

// The server itself writes the key's expiry behind this: zero leaves it alone.
void rewrite(RedisModuleIO* aof, RedisModuleString* key, void* value) {
  server::write_command(aof, kStoreCommand, server::Text(key), 0, value_of(value).encoded());
}

std::size_t memory_usage(const void* value) { return memory_of(value_of(value)); }

void digest(RedisModuleDigest* digest, void* value) { server::add_to_digest(digest, value_of(value).encoded()); }

void free_value(void* value) { Value::destroy(static_cast<Value*>(value)); }

std::size_t free_effort(RedisModuleString*, const void* value) { return value_of(value).memory_pieces(); }

void* copy(RedisModuleString*, RedisModuleString*, const void* value) { return value_of(value).copy().release(); }

// Two readings of two clocks are never quite the same; what expires that little too early is as good as idle.
constexpr Span kNoticeableLead = std::chrono::seconds{1};

/// A value leaves the keyspace. If the server's clock has been stepped forward, that may be too early.
void unlink(RedisModuleKeyOptCtx* key, const void* value) {
  const Clock& clock = module().clock;
  if (clock.is_held() || wall_clock_lead(clock.now()) < kNoticeableLead) return;
  const Instant idle_at = value_of(value).idle_at();
  if (idle_at > clock.now()) {
    module().early_expiries.note_removed(server::name_of(key), value_of(value).encoded(), idle_at);
  }
}

int note_expired(RedisModuleCtx* context, int, const char*, RedisModuleString* key) {
  if (module().early_expiries.empty()) return 0;
  const server::KeyName name{server::Context(context).database(), server::Text(key).view()};
  module().early_expiries.note_expired(name, module().clock.now());
  return 0;
}

void note_flush() { module().early_expiries.clear(); }

/// Moves the pieces of a value, a large one over several steps. Returns whether something is left to do.
int defragment(RedisModuleDefragCtx* handle, RedisModuleString*, void** value) {
  const server::Defragmentation step(handle);
  const auto move = [&step](void* memory) { return step.move(memory); };
  std::size_t position = step.position();
  if (position == 0) {
    if (void* place = move(*value)) *value = place;
  }
  while (static_cast<Value*>(*value)->relocate_piece(position, move)) {
    ++position;
    if (!step.is_over()) continue;
    step.pause(position);
    return 1;
  }
  return 0;
}

}  // namespace

std::size_t memory_of(const Value& value) {
  const Reservations* reservations = value.reservations();
  const std::size_t promised = reservations != nullptr ? server::allocated_bytes(reservations) : 0;
  return server::allocated_bytes(&value) + promised + value.bytes_behind();
}

Span wall_clock_lead(Instant now) { return std::max(Span{server::unix_time()} - now.time_since_epoch(), Span{}); }

server::DataType register_data_type(server::Context context) {
  if (!server::listen_to_expiries(context, note_expired) || !server::listen_to_flushes(context, note_flush)) {
    return nullptr;
  }
  return server::register_type(context, kTypeName, kFormatVersion,
                               {.load = load,
                                .save = save,
                                .rewrite = rewrite,
                                .memory_usage = memory_usage,
                                .digest = digest,
                                .free = free_value,
                                .free_effort = free_effort,
                                .copy = copy,
                                .unlink = unlink,
                                .defragment = defragment});
}

}  // namespace ratelimit
