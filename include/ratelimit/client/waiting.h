// SPDX-License-Identifier: MIT
// Waiting for files until an instant. Needs ppoll: Linux, BSD, or any POSIX of 2024. Depends on the clock's types.
#ifndef RATELIMIT_CLIENT_WAITING_H
#define RATELIMIT_CLIENT_WAITING_H

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <span>

#include "ratelimit/client/clock.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

enum class Waited : bool { in_vain, ready };

/// Waits until something has happened to one of the files, which is then in its `revents`, or until `until`. A file that
/// cannot be watched counts as ready: using it tells what is wrong.
[[nodiscard]] inline Waited wait_for(std::span<pollfd> files, Time until) {
  while (true) {
    const Span left = std::max<Span>(until - std::chrono::steady_clock::now(), Span{});
    const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
    const timespec timeout{.tv_sec = static_cast<time_t>(seconds.count()),
                           .tv_nsec = static_cast<long>((left - seconds).count())};
    const int ready = ::ppoll(files.data(), static_cast<nfds_t>(files.size()), &timeout, nullptr);
    if (ready > 0) return Waited::ready;
    if (ready == 0) return Waited::in_vain;
    if (errno != EINTR) return Waited::ready;
  }
}

/// The same for one file and `events`.
[[nodiscard]] inline Waited wait_for(int file, short events, Time until) {
  pollfd one{.fd = file, .events = events, .revents = 0};
  return wait_for({&one, 1}, until);
}

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_WAITING_H
