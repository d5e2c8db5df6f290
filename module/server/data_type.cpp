// SPDX-License-Identifier: MIT
#include "server/data_type.h"

#include "server/door.h"

namespace ratelimit::server {

DataType register_type(Context context, const char* name, int encoding_version, const DataTypeMethods& methods) {
  RedisModuleTypeMethods table{};
  table.version = REDISMODULE_TYPE_METHOD_VERSION;
  table.rdb_load = methods.load;
  table.rdb_save = methods.save;
  table.aof_rewrite = methods.rewrite;
  table.mem_usage = methods.memory_usage;
  table.digest = methods.digest;
  table.free = methods.free;
  table.free_effort = methods.free_effort;
  table.copy = methods.copy;
  table.defrag = methods.defragment;
  table.unlink2 = methods.unlink;
  return RedisModule_CreateDataType(context.handle(), name, encoding_version, &table);
}

void write_bytes(RedisModuleIO* io, std::string_view bytes) {
  RedisModule_SaveStringBuffer(io, bytes.data(), bytes.size());
}

std::optional<std::string> read_bytes(RedisModuleIO* io) {
  std::size_t size = 0;
  char* bytes = RedisModule_LoadStringBuffer(io, &size);
  if (bytes == nullptr || RedisModule_IsIOError(io) != 0) {
    if (bytes != nullptr) RedisModule_Free(bytes);
    return std::nullopt;
  }
  std::string copy(bytes, size);
  RedisModule_Free(bytes);
  return copy;
}

void write_command(RedisModuleIO* io, const char* command, Text key, std::string_view word, std::int64_t number,
                   std::string_view bytes) {
  RedisModule_EmitAOF(io, command, "sblb", key.handle(), word.data(), word.size(), static_cast<long long>(number),
                      bytes.data(), bytes.size());
}

void log_warning(RedisModuleIO* io, const std::string& text) {
  RedisModule_LogIOError(io, "warning", "%s", text.c_str());
}

void add_to_digest(RedisModuleDigest* digest, std::string_view bytes) {
  RedisModule_DigestAddStringBuffer(digest, bytes.data(), bytes.size());
  RedisModule_DigestEndSequence(digest);
}

void* Defragmentation::move(void* memory) const { return RedisModule_DefragAlloc(handle_, memory); }
bool Defragmentation::is_over() const { return RedisModule_DefragShouldStop(handle_) != 0; }
void Defragmentation::pause(std::size_t position) const { RedisModule_DefragCursorSet(handle_, position); }
std::size_t Defragmentation::position() const {
  unsigned long position = 0;
  return RedisModule_DefragCursorGet(handle_, &position) == REDISMODULE_OK ? position : 0;
}

}  // namespace ratelimit::server
