// SPDX-License-Identifier: MIT
// The connections to one server, shared by all threads, and when to connect again after a failure. Thread-safe. Depends on
// the connector, the back-off and counters.
//
// A call uses a connection alone, from its command to its reply. A call that finds none idle asks the connector for one
// more, if there may be more, and takes what comes first: the new one, or one that another call gives back. The threads have
// no connection each: a service has many threads that come and go, of which few ask at a time.
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
#include <string>
#include <utility>
#include <vector>

#include "ratelimit/client/answer.h"
#include "ratelimit/client/backoff.h"
#include "ratelimit/client/clock.h"
#include "ratelimit/client/command.h"
#include "ratelimit/client/connection.h"
#include "ratelimit/client/connector.h"
#include "ratelimit/client/counters.h"
#include "ratelimit/client/endpoint.h"
#include "ratelimit/client/options.h"
#include "ratelimit/client/randomness.h"
#include "ratelimit/client/reply.h"
#include "ratelimit/client/reply_reader.h"

namespace ratelimit::client {

class ConnectionPool {
 public:
  /// The longest reply to a call is that of RL.INFO, with the leases of eight limits.
  static constexpr ReplyBounds kBounds{.items = 16'384};

  /// The arguments must outlive the pool. The connector must end before the pool does.
  ConnectionPool(const Endpoint& endpoint, const NodeSettings& settings, Connector& connector, Counters& counters,
                 Randomness& randomness)
      : endpoint_(endpoint),
        greeting_{settings.login, settings.encryption},
        max_(std::max<std::size_t>(settings.most_connections, 1)),
        connector_(connector),
        counters_(counters),
        randomness_(randomness),
        reconnect_(settings.reconnect) {}
  ConnectionPool(const ConnectionPool&) = delete;
  ConnectionPool& operator=(const ConnectionPool&) = delete;
  ~ConnectionPool() = default;

  /// A connection that one call uses. At the end it goes back to the pool.
  class Loan {
   public:
    explicit Loan(ConnectionPool& pool) : pool_(pool) {}
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    ~Loan() {
      if (connection_ != nullptr) pool_.put_back(std::move(connection_));
    }

    /// Takes a connection that is ready. Or says why there is none before the deadline, and in `refusal` what the server or
    /// the system said. A probe of the circuit breaker may connect before the pause after a failure is over.
    [[nodiscard]] Failure take(bool is_probe, Time now, Time deadline, Reply& refusal) {
      return pool_.take(is_probe, now, deadline, connection_, refusal);
    }

    /// Sends commands, and waits for the reply to the last.
    [[nodiscard]] Failure call(std::span<const Command> commands, Time now, Time deadline, Reply& last) const {
      return connection_->call(commands, now, deadline, last);
    }

    /// The connection must not be used again.
    void discard() {
      connection_.reset();
      pool_.put_back({});
    }

   private:
    ConnectionPool& pool_;
    std::unique_ptr<Connection> connection_;
  };

  /// In a child of the process that made the pool: closes what can be closed. No connection may be used any more.
  void close_files() {
    if (!mutex_.try_lock()) return;  // another thread of the parent held it, and nobody will ever unlock it
    idle_.clear();
    mutex_.unlock();
  }

 private:
  [[nodiscard]] Failure take(bool is_probe, Time now, Time deadline, std::unique_ptr<Connection>& connection,
                             Reply& refusal) {
    std::unique_lock lock(mutex_);
    const std::uint64_t refusals = refusals_;
    while (true) {
      if ((connection = idle_one(now)) != nullptr) {
        ++in_use_;
        return Failure::none;
      }
      const bool is_nothing_on_the_way = in_use_ == 0 && connecting_ == 0;
      if (refusals != refusals_ && is_nothing_on_the_way) {
        refusal = refusal_;
        return why_refused_;
      }
      if (may_connect(is_probe, now)) {
        connect();
      } else if (is_nothing_on_the_way) {
        return none_because(Failure::left_alone, refusal);
      }
      ++waiting_;
      const auto waited = changed_.wait_until(lock, deadline);
      --waiting_;
      now = std::chrono::steady_clock::now();
      if (waited == std::cv_status::timeout && idle_.empty()) {
        return in_use_ > 0 ? Failure::busy : none_because(Failure::refused, refusal);
      }
    }
  }

  /// Why a call gets no connection, if no connection could be made yet: a login that the server refused stays refused until
  /// another one succeeds. Needs the lock.
  [[nodiscard]] Failure none_because(Failure otherwise, Reply& refusal) const {
    if (why_refused_ != Failure::server_error || !is_mistake(refusal_)) return otherwise;
    refusal = refusal_;
    return why_refused_;
  }

  /// Null if there is none. Needs the lock.
  [[nodiscard]] std::unique_ptr<Connection> idle_one(Time now) {
    while (!idle_.empty()) {
      std::unique_ptr<Connection> connection = std::move(idle_.back());
      idle_.pop_back();
      if (connection->is_reusable(now)) return connection;
    }
    return nullptr;
  }

  /// Whether a call that found no idle connection should have one more made. Needs the lock.
  [[nodiscard]] bool may_connect(bool is_probe, Time now) const {
    const bool has_room = in_use_ + connecting_ < max_;
    return has_room && connecting_ <= waiting_ && (is_probe || now >= connect_at_);
  }

  /// Needs the lock.
  void connect() {
    connector_.connect(
        [this] {
          return std::make_unique<Connection>(endpoint_, greeting_, std::chrono::steady_clock::now(), kBounds);
        },
        [this](std::unique_ptr<Connection> connection) { connected(std::move(connection)); });
    ++connecting_;
    counters_.count(Event::connected);
  }

  /// Called by the connector's thread.
  void connected(std::unique_ptr<Connection> connection) {
    const std::lock_guard lock(mutex_);
    --connecting_;
    if (connection->is_ready()) {
      reconnect_.reset();
      connect_at_ = {};
      why_refused_ = Failure::refused;
      refusal_ = {};
      idle_.push_back(std::move(connection));
      changed_.notify_one();
      return;
    }
    connect_at_ = std::chrono::steady_clock::now() + reconnect_.next(randomness_.next());
    ++refusals_;
    why_refused_ = connection->failure();
    refusal_ = connection->refusal();
    changed_.notify_all();
  }

  /// Ends the use of a connection; `connection` is null if it was discarded. One with late replies is taken again last.
  void put_back(std::unique_ptr<Connection> connection) {
    if (connection != nullptr && !connection->is_ready()) connection.reset();  // closed before the lock is taken
    const std::lock_guard lock(mutex_);
    --in_use_;
    if (connection != nullptr) {
      const auto place = connection->outstanding() > 0 ? idle_.begin() : idle_.end();
      idle_.insert(place, std::move(connection));
    }
    if (waiting_ > 0) changed_.notify_one();
  }

  const Endpoint& endpoint_;
  const Greeting greeting_;
  const std::size_t max_;
  Connector& connector_;
  Counters& counters_;
  Randomness& randomness_;
  std::mutex mutex_;  ///< guards what follows
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Connection>> idle_;
  std::size_t in_use_ = 0;
  std::size_t connecting_ = 0;
  std::size_t waiting_ = 0;  ///< calls
  Backoff reconnect_;
  Time connect_at_{};                       ///< no new connection before
  std::uint64_t refusals_ = 0;              ///< connections that could not be made
  Failure why_refused_ = Failure::refused;  ///< the last of those
  Reply refusal_;                           ///< what the server or the system said then; null once one was made
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_CONNECTION_POOL_H
