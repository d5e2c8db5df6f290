// SPDX-License-Identifier: MIT
#include "server/process.h"

#include "server/door.h"

namespace ratelimit::server {

void* allocate(std::size_t bytes) { return RedisModule_Alloc(bytes); }
void deallocate(void* memory) { RedisModule_Free(memory); }

// The function takes what it only reads as if it would change it.
std::size_t allocated_bytes(const void* memory) {
  return RedisModule_MallocSize(const_cast<void*>(memory));  // NOLINT(cppcoreguidelines-pro-type-const-cast)
}

std::string random_id() {
  std::string id(32, '0');
  RedisModule_GetRandomHexChars(id.data(), id.size());
  return id;
}

std::chrono::nanoseconds random_span(std::chrono::nanoseconds most) {
  std::uint64_t number = 0;
  RedisModule_GetRandomBytes(reinterpret_cast<unsigned char*>(&number), sizeof(number));
  return std::chrono::nanoseconds{static_cast<std::int64_t>(number % (static_cast<std::uint64_t>(most.count()) + 1))};
}

std::array<std::uint8_t, 16> random_secret() {
  std::array<std::uint8_t, 16> secret;
  RedisModule_GetRandomBytes(secret.data(), secret.size());
  return secret;
}

std::chrono::milliseconds unix_time() { return std::chrono::milliseconds{RedisModule_Milliseconds()}; }

}  // namespace ratelimit::server
