// SPDX-License-Identifier: MIT
// Notices that the process has forked: then what it has from its parent belongs to the parent. Needs POSIX; std else.
#ifndef RATELIMIT_CLIENT_PROCESS_H
#define RATELIMIT_CLIENT_PROCESS_H

#include <pthread.h>

#include <atomic>
#include <cstdint>

namespace ratelimit::client {

namespace detail {

inline std::atomic<std::uint64_t> forks{0};

}  // namespace detail

/// How often this process and its parents were forked: different in a parent and its child. A call costs no system call,
/// which asking for the process's id would. A child that the system's bare `clone` made is not noticed.
[[nodiscard]] inline std::uint64_t process_generation() {
  static const int is_watched =
      ::pthread_atfork(nullptr, nullptr, [] { detail::forks.fetch_add(1, std::memory_order_relaxed); });
  static_cast<void>(is_watched);
  return detail::forks.load(std::memory_order_relaxed);
}

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_PROCESS_H
