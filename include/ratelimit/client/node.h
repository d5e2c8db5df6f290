// SPDX-License-Identifier: MIT
// One server as the client sees it: its connections, and a circuit breaker that says whether it is asked at all.
// Thread-safe. Depends on the connection pool, the circuit breaker, redirections and counters.
#ifndef RATELIMIT_CLIENT_NODE_H
#define RATELIMIT_CLIENT_NODE_H

#include <array>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <utility>

#include "ratelimit/client/answer.h"
#include "ratelimit/client/circuit_breaker.h"
#include "ratelimit/client/clock.h"
#include "ratelimit/client/command.h"
#include "ratelimit/client/connection_pool.h"
#include "ratelimit/client/counters.h"
#include "ratelimit/client/endpoint.h"
#include "ratelimit/client/options.h"
#include "ratelimit/client/redirection.h"
#include "ratelimit/client/reply.h"

namespace ratelimit::client {

class Node {
 public:
  /// Settings and counters must outlive the node.
  Node(Endpoint endpoint, const NodeSettings& settings, Counters& counters)
      : endpoint_(std::move(endpoint)),
        counters_(counters),
        pool_(endpoint_, settings, counters),
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

  /// Sends the command and waits for its reply until `deadline`. A redirection says whether ASKING is sent before. If the
  /// server replies that it cannot answer, that is a failure, and `reply` has the text. `random` is for the back-off.
  [[nodiscard]] Failure call(const Command& command, bool after_asking, Time deadline, std::uint64_t random,
                             Reply& reply) {
    Attempt attempt(*this, random);
    if (!attempt.is_admitted()) return Failure::left_alone;
    Failure failure = Failure::closed;
    {
      ConnectionPool::Loan loan(pool_, random);
      if (const Failure none = loan.take(attempt.is_probe(), deadline); none != Failure::none) return none;
      if (after_asking) {
        const std::array<Command, 2> both{Command{"ASKING"}, command};
        failure = loan.call(both, deadline, reply);
      } else {
        failure = loan.call({&command, 1}, deadline, reply);
      }
      if (failure == Failure::none) failure = failure_in(reply, command.shape);
      if (failure == Failure::garbage) loan.discard();
    }
    attempt.report(failure == Failure::none);
    return failure;
  }

 private:
  [[nodiscard]] static Failure failure_in(const Reply& reply, const Shape& shape) {
    if (reply.kind != Reply::Kind::error) return has_shape(reply, shape) ? Failure::none : Failure::garbage;
    return blame(reply.text) == Blame::server && !parse_redirection(reply.text) ? Failure::server_error : Failure::none;
  }

  /// A call that asks the circuit breaker, and then reports to it whether the server answered. Without a report the server
  /// was not asked.
  class Attempt {
   public:
    Attempt(Node& node, std::uint64_t random) : node_(node), random_(random), ticket_(node.admit()) {}
    Attempt(const Attempt&) = delete;
    Attempt& operator=(const Attempt&) = delete;
    ~Attempt() {
      if (ticket_) node_.withdraw(*ticket_);
    }

    [[nodiscard]] bool is_admitted() const { return ticket_.has_value(); }
    [[nodiscard]] bool is_probe() const { return ticket_ && ticket_->is_probe; }

    void report(bool succeeded) { node_.report(*std::exchange(ticket_, std::nullopt), succeeded, random_); }

   private:
    Node& node_;
    std::uint64_t random_;
    std::optional<CircuitBreaker::Ticket> ticket_;
  };

  [[nodiscard]] std::optional<CircuitBreaker::Ticket> admit() {
    const std::lock_guard lock(mutex_);
    return breaker_.admit(std::chrono::steady_clock::now());
  }

  void withdraw(const CircuitBreaker::Ticket& ticket) {
    const std::lock_guard lock(mutex_);
    breaker_.withdrew(ticket);
  }

  void report(const CircuitBreaker::Ticket& ticket, bool succeeded, std::uint64_t random) {
    const std::lock_guard lock(mutex_);
    if (succeeded) return breaker_.succeeded(ticket);
    const bool has_opened = breaker_.failed(ticket, std::chrono::steady_clock::now(), random);
    if (has_opened) counters_.count(Event::breaker_opened);
  }

  const Endpoint endpoint_;
  Counters& counters_;
  ConnectionPool pool_;
  mutable std::mutex mutex_;  ///< guards the breaker
  CircuitBreaker breaker_;
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_NODE_H
