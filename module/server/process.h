// SPDX-License-Identifier: MIT
// What the module asks the server for that concerns no call and no key: memory, randomness and the time.
#ifndef RATELIMIT_MODULE_SERVER_PROCESS_H
#define RATELIMIT_MODULE_SERVER_PROCESS_H

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace ratelimit::server {

/// Memory from the server's allocator. The server counts it, and ends its process when there is none left.
[[nodiscard]] void* allocate(std::size_t bytes);
void deallocate(void* memory);
/// The bytes of all memory that was allocated, and is not deallocated yet.
[[nodiscard]] std::size_t memory_in_use();
/// How many bytes the allocator uses for a piece of memory.
[[nodiscard]] std::size_t allocated_bytes(const void* memory);

/// 32 random hexadecimal digits: nobody can guess them, and no two are the same.
[[nodiscard]] std::string random_id();

/// A random span from zero to `most`.
[[nodiscard]] std::chrono::nanoseconds random_span(std::chrono::nanoseconds most);

/// 16 bytes that nobody can guess.
[[nodiscard]] std::array<std::uint8_t, 16> random_secret();

/// Unix time by the server's wall clock, which ends keys. It may step.
[[nodiscard]] std::chrono::milliseconds unix_time();

}  // namespace ratelimit::server

#endif  // RATELIMIT_MODULE_SERVER_PROCESS_H
