// SPDX-License-Identifier: MIT
// A data type: what the server calls for values of it, and what these functions may use.
#ifndef RATELIMIT_MODULE_SERVER_DATA_TYPE_H
#define RATELIMIT_MODULE_SERVER_DATA_TYPE_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/context.h"
#include "server/key.h"
#include "server/text.h"

struct RedisModuleDefragCtx;
struct RedisModuleDigest;
struct RedisModuleIO;
struct RedisModuleKeyOptCtx;
struct RedisModuleString;

namespace ratelimit::server {

/// The functions that the server calls for values of a data type. They are plain pointers, since the server is C.
struct DataTypeMethods {
  void* (*load)(RedisModuleIO* io, int encoding_version);
  void (*save)(RedisModuleIO* io, void* value);
  void (*rewrite)(RedisModuleIO* aof, RedisModuleString* key, void* value);
  std::size_t (*memory_usage)(const void* value);
  void (*digest)(RedisModuleDigest* digest, void* value);
  void (*free)(void* value);
  std::size_t (*free_effort)(RedisModuleString* key, const void* value);
  void* (*copy)(RedisModuleString* from, RedisModuleString* to, const void* value);
  void (*unlink)(RedisModuleKeyOptCtx* key, const void* value);
  int (*defragment)(RedisModuleDefragCtx* step, RedisModuleString* key, void** value);
};

/// Registers a data type, while the module is loaded; null if the server refuses.
[[nodiscard]] DataType register_type(Context context, const char* name, int encoding_version,
                                     const DataTypeMethods& methods);

/// Writes bytes of a value to an RDB file, or to the payload of DUMP.
void write_bytes(RedisModuleIO* io, std::string_view bytes);
/// Reads what `write_bytes` wrote; none if the file ends too early.
[[nodiscard]] std::optional<std::string> read_bytes(RedisModuleIO* io);
/// Writes `command key word number bytes` to an append-only file that is being rewritten.
void write_command(RedisModuleIO* io, const char* command, Text key, std::string_view word, std::int64_t number,
                   std::string_view bytes);
void log_warning(RedisModuleIO* io, const std::string& text);
/// Adds `bytes` to the digest of a value as its only part.
void add_to_digest(RedisModuleDigest* digest, std::string_view bytes);

/// One step of the server's defragmentation of memory.
class Defragmentation {
 public:
  explicit Defragmentation(RedisModuleDefragCtx* handle) : handle_(handle) {}

  /// Moves a piece of memory to a better place. Returns the new place, or null if the piece stays where it is.
  [[nodiscard]] void* move(void* memory) const;
  /// Whether the step has taken long enough. The caller then stores with `pause` where the next step goes on.
  [[nodiscard]] bool is_over() const;
  void pause(std::size_t position) const;
  /// The position at which the last step on this value paused; zero if there was none.
  [[nodiscard]] std::size_t position() const;

 private:
  RedisModuleDefragCtx* handle_;
};

}  // namespace ratelimit::server

#endif  // RATELIMIT_MODULE_SERVER_DATA_TYPE_H
