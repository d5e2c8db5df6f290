// One server as a client sees it: a bounded pool of connections that all threads share, a circuit breaker, and when to
// connect again. Thread-safe. Depends on connections, breakers and counters.
//
// A pool, and not a connection for each thread: a service has many threads that come and go, of which few ask at a time,
// and a server has to keep every connection. Who finds all in use waits, for no longer than its deadline.
#ifndef RATELIMIT_CLIENT_NODE_H
#define RATELIMIT_CLIENT_NODE_H

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "ratelimit/client/backoff.h"
#include "ratelimit/client/circuit_breaker.h"
#include "ratelimit/client/connection.h"
#include "ratelimit/client/counters.h"

namespace ratelimit::client {

struct NodeSettings {
  Login login{};
  std::size_t most_connections = 16;
  CircuitBreaker::Settings breaker{};
  Backoff::Settings reconnect{};
};

class Node {
 public:
  Node(Endpoint endpoint, const NodeSettings& settings, Counters& counters)
      : endpoint_(std::move(endpoint)),
        settings_(settings),
        counters_(counters),
        breaker_(settings.breaker),
        reconnect_(settings.reconnect) {}

  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }

  [[nodiscard]] CircuitBreaker::State state() const {
    const std::lock_guard lock(mutex_);
    return breaker_.state();
  }

  [[nodiscard]] bool would_admit(Time now) const {
    const std::lock_guard lock(mutex_);
    return breaker_.would_admit(now);
  }

  /// What is sent, and what may come back.
  struct Question {
    const Words& words;
    Shape shape;
  };

  /// Sends the words (after ASKING, if a redirection says so) and waits for the reply. A reply that is an error of the
  /// server is a failure; its text is in `reply` all the same. `random` is for the back-off.
  [[nodiscard]] Failure call(const Question& question, bool after_asking, Time deadline, std::uint64_t random,
                             Value& reply) {
    Visit visit(*this, random);
    if (!visit.is_admitted()) return Failure::left_alone;
    Failure failure = Failure::closed;
    {
      Loan loan(*this, random);
      if (const auto why = loan.take(visit.is_probe(), deadline)) return *why;
      const Words asking{"ASKING"};
      const std::array<Words, 2> both{asking, question.words};
      failure = loan.call(std::span(both).subspan(after_asking ? 0 : 1), deadline, reply);
      if (failure == Failure::none) failure = failure_in(reply, question.shape);
      if (failure == Failure::garbage) loan.spoil();
    }
    visit.report(failure == Failure::none);
    return failure;
  }

 private:
  [[nodiscard]] static Failure failure_in(const Value& reply, const Shape& shape) {
    if (reply.kind != Value::Kind::error) return has_shape(reply, shape) ? Failure::none : Failure::garbage;
    return blame(reply.text) == Blame::server && !parse_redirection(reply.text) ? Failure::server_error : Failure::none;
  }

  /// A call that the breaker let pass, and that must tell how it went.
  class Visit {
   public:
    Visit(Node& node, std::uint64_t random) : node_(node), random_(random) {
      const std::lock_guard lock(node_.mutex_);
      ticket_ = node_.breaker_.admit(std::chrono::steady_clock::now());
    }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;
    ~Visit() {
      if (!ticket_) return;
      const std::lock_guard lock(node_.mutex_);
      node_.breaker_.withdrew(*ticket_);
    }

    [[nodiscard]] bool is_admitted() const { return ticket_.has_value(); }
    [[nodiscard]] bool is_probe() const { return ticket_ && ticket_->is_probe; }

    void report(bool succeeded) {
      const std::lock_guard lock(node_.mutex_);
      const auto ticket = std::exchange(ticket_, std::nullopt);
      if (succeeded) {
        node_.breaker_.succeeded(*ticket);
      } else {
        node_.note_failure(*ticket, std::chrono::steady_clock::now(), random_);
      }
    }

   private:
    Node& node_;
    std::uint64_t random_;
    std::optional<CircuitBreaker::Ticket> ticket_;
  };

  void note_failure(const CircuitBreaker::Ticket& ticket, Time now, std::uint64_t random) {
    if (breaker_.failed(ticket, now, random)) counters_.count(Event::breaker_opened);
  }

  /// A connection that is in use by one call.
  class Loan {
   public:
    Loan(Node& node, std::uint64_t random) : node_(node), random_(random) {}
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    ~Loan() {
      if (is_counted_) node_.give_back(std::move(connection_), failure_, random_);
    }

    /// Takes one, used before or new; or says why there is none before the deadline. Whoever tries for all others need not
    /// wait until it is time to connect again.
    [[nodiscard]] std::optional<Failure> take(bool is_probe, Time deadline) {
      std::unique_lock lock(node_.mutex_);
      const std::size_t most = std::max<std::size_t>(node_.settings_.most_connections, 1);
      while (node_.in_use_ >= most) {
        if (node_.returned_.wait_until(lock, deadline) == std::cv_status::timeout && node_.in_use_ >= most) {
          return Failure::busy;
        }
      }
      const Time now = std::chrono::steady_clock::now();
      while (!node_.idle_.empty() && connection_ == nullptr) {
        if (node_.idle_.back()->is_fit(now)) connection_ = std::move(node_.idle_.back());
        node_.idle_.pop_back();
      }
      if (connection_ == nullptr && now < node_.connect_at_ && !is_probe) return Failure::left_alone;
      ++node_.in_use_;
      is_counted_ = true;
      lock.unlock();
      if (connection_ != nullptr) return std::nullopt;
      connection_ = std::make_unique<Connection>(node_.endpoint_, node_.settings_.login, now);
      node_.counters_.count(Event::connected);
      return std::nullopt;
    }

    [[nodiscard]] Failure call(std::span<const Words> requests, Time deadline, Value& last) {
      std::vector<Value> replies;
      failure_ = connection_->call(requests, deadline, replies);
      if (failure_ == Failure::none) last = std::move(replies.back());
      return failure_;
    }

    /// The connection is not to be used again.
    void spoil() { connection_.reset(); }

   private:
    Node& node_;
    std::uint64_t random_;
    std::unique_ptr<Connection> connection_;
    bool is_counted_ = false;
    Failure failure_ = Failure::closed;
  };

  void give_back(std::unique_ptr<Connection> connection, Failure failure, std::uint64_t random) {
    const Time now = std::chrono::steady_clock::now();
    const bool is_fit = connection != nullptr && connection->is_fit(now);
    if (!is_fit) connection.reset();  // closed before the lock
    const std::lock_guard lock(mutex_);
    --in_use_;
    if (is_fit) idle_.push_back(std::move(connection));
    if (failure == Failure::refused) {
      connect_at_ = now + reconnect_.next(random);
    } else if (failure == Failure::none) {
      reconnect_.reset();
      connect_at_ = {};
    }
    returned_.notify_one();
  }

  const Endpoint endpoint_;
  const NodeSettings& settings_;
  Counters& counters_;
  mutable std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<std::unique_ptr<Connection>> idle_;
  std::size_t in_use_ = 0;
  CircuitBreaker breaker_;
  Backoff reconnect_;
  Time connect_at_{};
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_NODE_H
