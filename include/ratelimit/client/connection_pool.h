// SPDX-License-Identifier: MIT
// The connections to one server, shared by all threads, and when to connect again after a failure. Thread-safe. Depends on
// connections, the back-off and counters.
//
// The threads share a bounded pool and have no connection each: a service has many threads that come and go, of which few
// ask at a time, and the server must keep every connection. A call that finds all connections in use waits until its
// deadline.
#ifndef RATELIMIT_CLIENT_CONNECTION_POOL_H
#define RATELIMIT_CLIENT_CONNECTION_POOL_H

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "ratelimit/client/backoff.h"
#include "ratelimit/client/clock.h"
#include "ratelimit/client/command.h"
#include "ratelimit/client/connection.h"
#include "ratelimit/client/counters.h"
#include "ratelimit/client/endpoint.h"
#include "ratelimit/client/options.h"
#include "ratelimit/client/reply.h"

namespace ratelimit::client {

class ConnectionPool {
 public:
  /// The arguments must outlive the pool.
  ConnectionPool(const Endpoint& endpoint, const NodeSettings& settings, Counters& counters)
      : endpoint_(endpoint),
        login_(settings.login),
        max_(std::max<std::size_t>(settings.most_connections, 1)),
        counters_(counters),
        reconnect_(settings.reconnect) {}
  ConnectionPool(const ConnectionPool&) = delete;
  ConnectionPool& operator=(const ConnectionPool&) = delete;
  ~ConnectionPool() = default;

  /// A connection that one call uses. At the end it goes back to the pool, if it is reusable.
  class Loan {
   public:
    /// `random` is for the back-off.
    Loan(ConnectionPool& pool, std::uint64_t random) : pool_(pool), random_(random) {}
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    ~Loan() {
      if (is_counted_) pool_.put_back(std::move(connection_), failure_, random_);
    }

    /// Takes a connection: a used one, or a new one that begins to connect. Or says why there is none before the
    /// deadline. A probe of the circuit breaker may connect before the pause after a failure is over.
    [[nodiscard]] Failure take(bool is_probe, Time deadline) {
      const Failure failure = pool_.take(is_probe, deadline, connection_);
      if (failure != Failure::none) return failure;
      is_counted_ = true;
      if (connection_ == nullptr) connection_ = pool_.connect();
      return Failure::none;
    }

    /// Sends commands, and waits for their replies. `last` gets the last one.
    [[nodiscard]] Failure call(std::span<const Command> commands, Time deadline, Reply& last) {
      std::vector<Reply> replies;
      failure_ = connection_->call(commands, deadline, replies);
      if (failure_ == Failure::none) last = std::move(replies.back());
      return failure_;
    }

    /// The connection must not be used again.
    void discard() { connection_.reset(); }

   private:
    ConnectionPool& pool_;
    std::uint64_t random_;
    std::unique_ptr<Connection> connection_;
    bool is_counted_ = false;
    Failure failure_ = Failure::closed;
  };

 private:
  /// Waits until one more connection may be in use, and counts it. Leaves `connection` null if a new one must be made.
  [[nodiscard]] Failure take(bool is_probe, Time deadline, std::unique_ptr<Connection>& connection) {
    std::unique_lock lock(mutex_);
    while (in_use_ >= max_) {
      if (returned_.wait_until(lock, deadline) == std::cv_status::timeout && in_use_ >= max_) return Failure::busy;
    }
    const Time now = std::chrono::steady_clock::now();
    while (!idle_.empty() && connection == nullptr) {
      if (idle_.back()->is_reusable(now)) connection = std::move(idle_.back());
      idle_.pop_back();
    }
    if (connection == nullptr && now < connect_at_ && !is_probe) return Failure::left_alone;
    ++in_use_;
    return Failure::none;
  }

  [[nodiscard]] std::unique_ptr<Connection> connect() {
    auto connection = std::make_unique<Connection>(endpoint_, login_, std::chrono::steady_clock::now());
    counters_.count(Event::connected);
    return connection;
  }

  /// Ends the use of a connection; `connection` is null if it was discarded. `failure` is that of the call.
  void put_back(std::unique_ptr<Connection> connection, Failure failure, std::uint64_t random) {
    const Time now = std::chrono::steady_clock::now();
    const bool is_reusable = connection != nullptr && connection->is_reusable(now);
    if (!is_reusable) connection.reset();  // closed before the lock is taken
    const std::lock_guard lock(mutex_);
    --in_use_;
    if (is_reusable) idle_.push_back(std::move(connection));
    if (failure == Failure::refused) {
      connect_at_ = now + reconnect_.next(random);
    } else if (failure == Failure::none) {
      reconnect_.reset();
      connect_at_ = {};
    }
    returned_.notify_one();
  }

  const Endpoint& endpoint_;
  const Login& login_;
  const std::size_t max_;
  Counters& counters_;
  std::mutex mutex_;  ///< guards what follows
  std::condition_variable returned_;
  std::vector<std::unique_ptr<Connection>> idle_;
  std::size_t in_use_ = 0;
  Backoff reconnect_;
  Time connect_at_{};  ///< no new connection before
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_CONNECTION_POOL_H
