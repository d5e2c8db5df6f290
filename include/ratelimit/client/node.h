// SPDX-License-Identifier: MIT
// One server as the client sees it: its connections, and a circuit breaker that says whether it is asked at all.
// Thread-safe. Depends on the connection pool, the circuit breaker, redirections and counters.
#ifndef RATELIMIT_CLIENT_NODE_H
#define RATELIMIT_CLIENT_NODE_H

#include <array>
#include <chrono>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "ratelimit/client/answer.h"
#include "ratelimit/client/circuit_breaker.h"
#include "ratelimit/client/clock.h"
#include "ratelimit/client/command.h"
#include "ratelimit/client/connection_pool.h"
#include "ratelimit/client/connector.h"
#include "ratelimit/client/counters.h"
#include "ratelimit/client/endpoint.h"
#include "ratelimit/client/options.h"
#include "ratelimit/client/randomness.h"
#include "ratelimit/client/redirection.h"
#include "ratelimit/client/reply.h"

namespace ratelimit::client {

class Node {
 public:
  /// The arguments must outlive the node. The connector must end before the node does.
  Node(Endpoint endpoint, const NodeSettings& settings, Connector& connector, Counters& counters,
       Randomness& randomness)
      : endpoint_(std::move(endpoint)),
        counters_(counters),
        randomness_(randomness),
        pool_(endpoint_, settings, connector, counters, randomness),
        breaker_(settings.breaker) {}
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  ~Node() = default;

  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }

  [[nodiscard]] CircuitBreaker::State state() const {
    const std::lock_guard lock(mutex_);
    return breaker_.state();
  }

  /// Whether the circuit breaker would let a call pass at `now`.
  [[nodiscard]] bool would_admit(Time now) const {
    const std::lock_guard lock(mutex_);
    return breaker_.would_admit(now);
  }

  // --- the circuit breaker: `call` asks it, and so must whoever asks the server by a connection of his own.

  /// None if the server must not be asked.
  [[nodiscard]] std::optional<CircuitBreaker::Ticket> admit(Time now) {
    const std::lock_guard lock(mutex_);
    return breaker_.admit(now);
  }
  /// The server was not asked after all.
  void withdraw(const CircuitBreaker::Ticket& ticket) {
    const std::lock_guard lock(mutex_);
    breaker_.withdrew(ticket);
  }
  /// Whether the server answered.
  void report(const CircuitBreaker::Ticket& ticket, bool succeeded) {
    const Time now = std::chrono::steady_clock::now();
    const std::lock_guard lock(mutex_);
    if (succeeded) return breaker_.succeeded(ticket, now);
    const bool has_opened = breaker_.failed(ticket, now, randomness_.next());
    if (has_opened) counters_.count(Event::breaker_opened);
  }

  // --- calls -----------------------------------------------------------------------------------------

  /// Sends the command and waits for its reply until `deadline`. A redirection says whether ASKING is sent before. If the
  /// server replies that it cannot answer, that is a failure, and `reply` has the text.
  [[nodiscard]] Failure call(const Command& command, bool after_asking, Time now, Time deadline, Reply& reply) {
    Attempt attempt(*this, now);
    if (!attempt.is_admitted()) return Failure::left_alone;
    Failure failure = Failure::closed;
    {
      ConnectionPool::Loan loan(pool_);
      failure = loan.take(attempt.is_probe(), now, deadline, reply);
      if (failure == Failure::left_alone || failure == Failure::busy) return failure;
      if (failure == Failure::none) {
        failure = exchange(loan, command, after_asking, now, deadline, reply);
      } else if (failure == Failure::server_error) {
        // A login that the server refuses is a mistake, as a wrong argument is: nobody is let through for it.
        failure = failure_in(reply, {});
      }
    }
    attempt.report(failure == Failure::none);
    return failure;
  }

  /// What a reply to the command means.
  [[nodiscard]] static Failure failure_in(const Reply& reply, const Shape& shape) {
    if (reply.kind != Reply::Kind::error) return has_shape(reply, shape) ? Failure::none : Failure::garbage;
    return blame(reply.text) == Blame::server && !parse_redirection(reply.text) ? Failure::server_error : Failure::none;
  }

  /// In a child of the process that made the node.
  void close_files() { pool_.close_files(); }

 private:
  [[nodiscard]] static Failure exchange(ConnectionPool::Loan& loan, const Command& command, bool after_asking, Time now,
                                        Time deadline, Reply& reply) {
    Failure failure = Failure::none;
    if (after_asking) {
      const std::array<Command, 2> both{Command{"ASKING"}, command};
      failure = loan.call(both, now, deadline, reply);
    } else {
      failure = loan.call({&command, 1}, now, deadline, reply);
    }
    if (failure == Failure::none) failure = failure_in(reply, command.shape);
    if (failure == Failure::garbage) loan.discard();
    return failure;
  }

  /// A call that asks the circuit breaker, and then reports to it whether the server answered. Without a report the server
  /// was not asked.
  class Attempt {
   public:
    Attempt(Node& node, Time now) : node_(node), ticket_(node.admit(now)) {}
    Attempt(const Attempt&) = delete;
    Attempt& operator=(const Attempt&) = delete;
    ~Attempt() {
      if (ticket_) node_.withdraw(*ticket_);
    }

    [[nodiscard]] bool is_admitted() const { return ticket_.has_value(); }
    [[nodiscard]] bool is_probe() const { return ticket_ && ticket_->is_probe; }

    void report(bool succeeded) { node_.report(*std::exchange(ticket_, std::nullopt), succeeded); }

   private:
    Node& node_;
    std::optional<CircuitBreaker::Ticket> ticket_;
  };

  const Endpoint endpoint_;
  Counters& counters_;
  Randomness& randomness_;
  ConnectionPool pool_;
  mutable std::mutex mutex_;  ///< guards the breaker
  CircuitBreaker breaker_;
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_NODE_H
