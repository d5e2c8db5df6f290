// SPDX-License-Identifier: MIT
// Where the door for Envoy listens. It hands connections over, and closes those beyond its bound. gRPC 1.51 listens by itself,
// too, but knows no bound, and once the system has no file left it takes no connection ever again. POSIX only.
#ifndef RATELIMIT_SERVICE_ENVOY_ACCEPTOR_H
#define RATELIMIT_SERVICE_ENVOY_ACCEPTOR_H

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "held_calls.h"
#include "settings.h"

namespace ratelimit::service::envoy {

/// Connections that were handed over, whose end nobody tells. A file whose number was closed, or is another file now, has ended.
class OpenConnections {
 public:
  void add(int file);
  /// Forgets those that have ended. How many are left.
  std::size_t look();
  /// Ends those whose other side has that name.
  void close(const std::string& name);
  /// Ends the one that has sent most bytes since the last time, and those that have sent more than half as many. Of a socket
  /// that is a path nobody counts them: none is ended.
  void close_busiest();
  [[nodiscard]] std::size_t at_most() const { return all_.size(); }

 private:
  struct Connection {
    int file;
    ino_t inode;                 ///< a number that the system gives to no other socket meanwhile
    std::uint64_t received = 0;  ///< bytes, when `close_busiest` looked last
    std::uint64_t news = 0;      ///< bytes that it saw then for the first time

    [[nodiscard]] bool is_open() const;
  };
  std::vector<Connection> all_;
};

class Acceptor {
 public:
  /// Gets a connection that does not block, and has to close it.
  using Take = std::function<void(int file)>;

  /// Throws std::system_error if the system has no file left. The arguments must outlive the acceptor.
  /// While too many calls are held, it takes no connection.
  Acceptor(const EnvoySettings& settings, const HeldCalls& held);
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;
  ~Acceptor();

  /// Listens. Throws std::runtime_error if it cannot (an address that is in use).
  void open();
  /// Where it listens, also if the settings say 0; 0 for a socket that is a path.
  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// Begins to take connections, on a thread of its own.
  void start(Take take);
  /// Listens no more. No connection is handed over after that.
  void stop();

  /// Ends a connection, by the name of its other side as gRPC writes it: `ipv4:127.0.0.1:5000`. Any thread may call it.
  void close(const std::string& name);

  /// Ends the connections that send most, soon. Any thread may call it, and waits for nothing.
  void close_busiest();

  /// How many are open. Any thread may call it.
  [[nodiscard]] std::size_t connections();

 private:
  void run();
  void wake() const;
  void woken();  ///< does what it was woken for
  /// Takes those that wait. False if the system has nothing left for one more.
  [[nodiscard]] bool accept_all();
  [[nodiscard]] bool has_room();

  const EnvoySettings& settings_;
  const HeldCalls& held_;
  const int waker_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  Take take_{};
  std::chrono::steady_clock::time_point next_look_{};
  std::atomic<bool> ends_{false};
  std::atomic<bool> closes_busiest_{false};
  std::mutex mutex_;  ///< guards what follows
  OpenConnections open_;
  std::thread thread_;
};

}  // namespace ratelimit::service::envoy

#endif  // RATELIMIT_SERVICE_ENVOY_ACCEPTOR_H
