// SPDX-License-Identifier: MIT
// A server that is some milliseconds away: what either side sends arrives that much later, in order and complete.
#ifndef RATELIMIT_TESTS_CLIENT_RELAY_H
#define RATELIMIT_TESTS_CLIENT_RELAY_H

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <deque>
#include <list>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "ratelimit/client/clock.h"
#include "ratelimit/client/endpoint.h"
#include "ratelimit/client/waiting.h"
#include "servers.h"

namespace ratelimit::client::tests {

class Relay {
 public:
  /// Relays to a server's socket file. Each way takes `one_way`.
  Relay(std::string socket, Span one_way) : socket_(std::move(socket)), one_way_(one_way) {
    thread_ = std::thread([this] { run(); });
  }
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  ~Relay() {
    ends_ = true;
    thread_.join();
    for (const Way& way : ways_) ::close(way.from);
  }

  [[nodiscard]] Endpoint endpoint() const { return {.host = "127.0.0.1", .port = listener_.port()}; }
  [[nodiscard]] int connections() const { return connections_; }

 private:
  struct Piece {
    Time due;
    std::string bytes;
  };
  /// One direction of a connection.
  struct Way {
    int from;
    int to;
    std::deque<Piece> pieces{};
    bool is_open = true;
  };

  void run() {
    while (!ends_) {
      std::vector<pollfd> files{{.fd = listener_.file(), .events = POLLIN, .revents = 0}};
      const Time now = std::chrono::steady_clock::now();
      Time until = now + std::chrono::milliseconds{5};
      for (const Way& way : ways_) {
        files.push_back({.fd = way.is_open ? way.from : -1, .events = POLLIN, .revents = 0});
        if (!way.pieces.empty()) until = std::min(until, way.pieces.front().due);
      }
      static_cast<void>(wait_for(files, until));
      auto file = files.begin();
      const bool has_caller = file->revents != 0;
      for (Way& way : ways_) {
        if ((++file)->revents != 0) take(way);
      }
      for (Way& way : ways_) deliver(way);
      if (has_caller) accept();
    }
  }

  void accept() {
    const int caller = listener_.accept();
    if (caller < 0) return;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, socket_.c_str(), sizeof address.sun_path - 1);
    const int server = ::socket(AF_UNIX, SOCK_STREAM, 0);
    if (::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      ::close(caller);
      ::close(server);
      return;
    }
    ++connections_;
    ways_.push_back({.from = caller, .to = server});
    ways_.push_back({.from = server, .to = caller});
  }

  void take(Way& way) const {
    std::array<char, 65536> buffer;
    const ssize_t size = ::recv(way.from, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size > 0) {
      way.pieces.push_back(
          {std::chrono::steady_clock::now() + one_way_, {buffer.data(), static_cast<std::size_t>(size)}});
    } else if (size == 0) {
      way.is_open = false;
      ::shutdown(way.to, SHUT_WR);
    }
  }

  static void deliver(Way& way) {
    while (!way.pieces.empty() && way.pieces.front().due <= std::chrono::steady_clock::now()) {
      std::string_view bytes = way.pieces.front().bytes;
      while (!bytes.empty()) {
        const ssize_t sent = ::send(way.to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) break;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
      }
      way.pieces.pop_front();
    }
  }

  std::string socket_;
  Span one_way_;
  Listener listener_;
  std::atomic<bool> ends_{false};
  std::atomic<int> connections_{0};
  std::list<Way> ways_;
  std::thread thread_;
};

}  // namespace ratelimit::client::tests

#endif  // RATELIMIT_TESTS_CLIENT_RELAY_H
