// SPDX-License-Identifier: MIT
// The server as the calls of a client see it, whichever node has the key: a command goes out, and an answer comes back
// within the deadline, or a failure. Nothing is sent twice. Thread-safe. Depends on the cluster, options and counters.
#ifndef RATELIMIT_CLIENT_REMOTE_H
#define RATELIMIT_CLIENT_REMOTE_H

#include <chrono>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "ratelimit/client/answer.h"
#include "ratelimit/client/clock.h"
#include "ratelimit/client/cluster.h"
#include "ratelimit/client/command.h"
#include "ratelimit/client/counters.h"
#include "ratelimit/client/node.h"
#include "ratelimit/client/options.h"
#include "ratelimit/client/randomness.h"
#include "ratelimit/client/reply.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

/// What came of a command.
struct Exchange {
  Failure failure = Failure::none;
  Answer answer;              ///< of the server. After a failure only `error` counts
  bool has_lease_id = false;  ///< the limits that answered include CONCURRENT
  Time asked_at;              ///< no later than the server decided
  Time answered_at;           ///< no earlier than the server decided
};

class Remote {
 public:
  /// Counters and randomness must outlive it.
  Remote(const Options& options, Counters& counters, Randomness& randomness)
      : deadline_(options.deadline), counters_(counters), cluster_(options, counters, randomness) {}

  /// Of each call.
  [[nodiscard]] Span deadline() const { return deadline_; }

  /// Sends a command about `key`. The answer to a command whose reply is a number has it in `granted`.
  [[nodiscard]] Exchange ask(std::string_view key, const Command& command) {
    Exchange exchange;
    exchange.asked_at = std::chrono::steady_clock::now();
    Cluster::Result result = cluster_.call(key, command, exchange.asked_at, exchange.asked_at + deadline_);
    exchange.answered_at = std::chrono::steady_clock::now();
    conclude(exchange, result.failure, result.reply, command.shape);
    return exchange;
  }

  /// Notes what came of a command, which has the times already, and counts it.
  void conclude(Exchange& exchange, Failure failure, Reply& reply, const Shape& shape) {
    counters_.count(failure);
    if (failure == Failure::none) counters_.count_latency(exchange.answered_at - exchange.asked_at);
    exchange.failure = failure;
    exchange.has_lease_id = has_lease_id(reply);
    if (failure == Failure::none || reply.kind == Reply::Kind::error) exchange.answer = answer_of(reply, shape);
  }

  [[nodiscard]] Cluster& cluster() { return cluster_; }

  /// Asks for nothing, until the server answers or `until`. False if it did not.
  [[nodiscard]] bool reach(Time until) {
    constexpr Span kPause = std::chrono::milliseconds{5};
    Command ping{"PING"};
    ping.shape.kind = Shape::Kind::text;
    while (true) {
      const Time now = std::chrono::steady_clock::now();
      if (now >= until) return false;
      const Cluster::Result result = cluster_.call({}, ping, now, until);
      if (result.failure == Failure::none) return result.reply.kind == Reply::Kind::text;
      std::this_thread::sleep_for(kPause);
    }
  }

  /// In a child of the process that made it: closes the files that it has from its parent. It must not be used then.
  void close_files() { cluster_.close_files(); }

  /// The nodes that are known, those of the options first.
  [[nodiscard]] std::vector<Node*> nodes() const { return cluster_.nodes(); }

 private:
  static Answer answer_of(Reply& reply, const Shape& shape) {
    if (reply.kind == Reply::Kind::error) return wrong_call(std::move(reply.text));
    if (reply.kind == Reply::Kind::null && shape.kind != Shape::Kind::brief)
      return wrong_call("the key does not exist, and this call names no limits");
    if (shape.kind == Shape::Kind::all) return *parse_answer_to_all(reply, shape);
    if (shape.kind == Shape::Kind::brief) return *parse_brief_answer(reply, shape.expected.cost);
    if (shape.kind != Shape::Kind::integer && shape.kind != Shape::Kind::text)
      return *parse_answer(reply, shape.expected);
    Answer answer;
    answer.outcome = Outcome::granted;
    if (shape.kind == Shape::Kind::integer) answer.granted = Units(reply.integer);
    return answer;
  }

  const Span deadline_;
  Counters& counters_;
  Cluster cluster_;
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_REMOTE_H
