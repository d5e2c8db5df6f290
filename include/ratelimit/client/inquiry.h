// SPDX-License-Identifier: MIT
// One command to one server, over a connection of its own: for what is asked seldom, and past the calls. Depends on
// connections.
#ifndef RATELIMIT_CLIENT_INQUIRY_H
#define RATELIMIT_CLIENT_INQUIRY_H

#include <algorithm>
#include <chrono>
#include <functional>

#include "ratelimit/client/answer.h"
#include "ratelimit/client/clock.h"
#include "ratelimit/client/command.h"
#include "ratelimit/client/connection.h"
#include "ratelimit/client/endpoint.h"
#include "ratelimit/client/reply.h"
#include "ratelimit/client/reply_reader.h"
#include "ratelimit/client/waiting.h"

namespace ratelimit::client {

/// The map of a large cluster is long.
inline constexpr ReplyBounds kLongReply{.items = 500'000, .bytes = std::size_t{1} << 24U};

/// What the server replies, also an error, also that of a login that it refuses. Null, if it does not before `until`, or if
/// `gives_up` says so meanwhile.
[[nodiscard]] inline Reply inquire(const Endpoint& server, const Greeting& greeting, const Command& command, Time until,
                                   const std::function<bool()>& gives_up) {
  constexpr Span kStep = std::chrono::milliseconds{50};
  Time now = std::chrono::steady_clock::now();
  Connection connection(server, greeting, now, kLongReply);
  bool is_sent = false;
  while (!connection.is_broken() && now < until && !gives_up()) {
    if (!connection.is_ready()) connection.advance(now);
    if (connection.is_ready() && !is_sent) {
      connection.queue(command, now);
      is_sent = true;
    }
    if (is_sent && connection.flush() && connection.receive()) {
      if (Reply* reply = connection.next(now)) return std::move(*reply);
    }
    if (!connection.is_broken()) {
      static_cast<void>(wait_for(connection.file(), connection.events(), std::min(until, now + kStep)));
    }
    now = std::chrono::steady_clock::now();
  }
  return connection.failure() == Failure::server_error ? connection.refusal() : Reply{};
}

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_INQUIRY_H
