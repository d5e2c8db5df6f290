// SPDX-License-Identifier: MIT
#include "server/process.h"

#include <atomic>

#include "server/door.h"

namespace ratelimit::server {

namespace {

// Values may be freed by a thread of the server's own. An object of our own could not be asked while it is being made, and
// this one needs no making.
std::atomic<std::size_t> bytes_in_use{0};

}  // namespace

void* allocate(std::size_t bytes) {
  void* const memory = RedisModule_Alloc(bytes);
  bytes_in_use.fetch_add(RedisModule_MallocSize(memory), std::memory_order_relaxed);
  return memory;
}

void deallocate(void* memory) {
  if (memory == nullptr) return;
  bytes_in_use.fetch_sub(RedisModule_MallocSize(memory), std::memory_order_relaxed);
  RedisModule_Free(memory);
}

std::size_t memory_in_use() { return bytes_in_use.load(std::memory_order_relaxed); }

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
