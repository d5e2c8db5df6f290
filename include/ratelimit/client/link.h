// SPDX-License-Identifier: MIT
// The connection of one thread to one node, with the commands that are on the way over it. Depends on connections, nodes and
// pending calls.
//
// A link connects when it has something to send, and again after a pause when that failed. Commands wait until it is
// connected. Calls that were answered without the server stay on the link until their replies come: those are late, and are
// discarded by their place.
#ifndef RATELIMIT_CLIENT_LINK_H
#define RATELIMIT_CLIENT_LINK_H

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "ratelimit/client/backoff.h"
#include "ratelimit/client/clock.h"
#include "ratelimit/client/command.h"
#include "ratelimit/client/connection.h"
#include "ratelimit/client/counters.h"
#include "ratelimit/client/node.h"
#include "ratelimit/client/options.h"
#include "ratelimit/client/pending.h"
#include "ratelimit/client/randomness.h"
#include "ratelimit/client/reply.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

class Link {
 public:
  /// The references must outlive the link.
  Link(Node& node, const NodeSettings& settings, Counters& counters, Randomness& randomness)
      : node_(node),
        greeting_{settings.login, settings.encryption},
        counters_(counters),
        randomness_(randomness),
        reconnect_(settings.reconnect) {}

  [[nodiscard]] Node& node() const { return node_; }

  /// How many replies are outstanding, also those of calls that are answered already.
  [[nodiscard]] std::size_t on_the_way() const { return waiting_.size() + sent_.size(); }

  /// Whether the pause after a failure lasts: then nothing can be sent.
  [[nodiscard]] bool is_pausing(Time now) const { return connection_ == nullptr && now < connect_at_; }

  /// What the server said when it refused the login; null once a login has succeeded, or if it has not refused one.
  [[nodiscard]] const Reply& refusal() const { return refusal_; }

  /// Queues a command with the calls that it carries.
  void queue(Command command, Carried carried) { waiting_.push_back({std::move(command), std::move(carried)}); }

  /// Connects, sends, and takes what has come, without waiting. Gives each reply and its calls to `take(carried, reply)`. If
  /// the connection fails, gives the calls to `lose(carried, failure, error)`.
  template <class Take, class Lose>
  void advance(Time now, Take take, Lose lose) {
    if (connection_ == nullptr && !waiting_.empty() && now >= connect_at_) {
      connection_ = std::make_unique<Connection>(node_.endpoint(), greeting_, now);
      counters_.count(Event::connected);
    }
    if (connection_ == nullptr) return;
    if (!connection_->is_ready()) connection_->advance(now);
    if (connection_->is_ready()) {
      const bool is_idle = on_the_way() == 0;  // then it may have been closed, and whoever watches its file must know
      send(now);
      const bool may_have_come = is_idle || connection_->outstanding() > 0;
      if (connection_->flush() && may_have_come && connection_->receive()) take_replies(now, take);
    }
    if (!connection_->is_broken() && connection_->is_silent(now)) connection_->give_up();
    if (connection_->is_broken()) lose_all(now, lose);
  }

  /// Whether a command can be sent at once.
  [[nodiscard]] bool can_send() const {
    return !waiting_.empty() && (connection_ == nullptr || connection_->is_ready());
  }

  /// What to watch. Null if there is nothing to wait for but time.
  [[nodiscard]] const Connection* connection() const { return connection_.get(); }

  /// Calls `visit(carried, is_sent)` for each command. It may add commands.
  template <class Visit>
  void for_each(Visit visit) {
    // NOLINTBEGIN(modernize-loop-convert): the lists may grow meanwhile
    for (std::size_t i = 0; i < sent_.size(); ++i) visit(sent_[i], true);
    for (std::size_t i = 0; i < waiting_.size(); ++i) visit(waiting_[i].carried, false);
    // NOLINTEND(modernize-loop-convert)
  }

  /// Drops the commands that were not sent and whose calls are all answered.
  template <class IsOver>
  void drop_waiting(IsOver is_over) {
    while (!waiting_.empty() && is_over(waiting_.front().carried)) waiting_.pop_front();
  }

 private:
  struct Waiting {
    Command command;
    Carried carried;
  };

  void send(Time now) {
    reconnect_.reset();
    refusal_ = {};
    for (; !waiting_.empty(); waiting_.pop_front()) {
      Waiting& next = waiting_.front();
      if (next.carried.is_asking) connection_->queue({"ASKING"}, now);
      connection_->queue(next.command, now);
      sent_.push_back(std::move(next.carried));
    }
  }

  template <class Take>
  void take_replies(Time now, Take& take) {
    while (Reply* reply = connection_->next(now)) {
      if (std::exchange(sent_.front().is_asking, false)) continue;
      Carried carried = std::move(sent_.front());
      sent_.pop_front();
      if (!take(carried, *reply)) return connection_->give_up();
    }
  }

  template <class Lose>
  void lose_all(Time now, Lose& lose) {
    const Failure failure = connection_->failure();
    const std::string error = connection_->error();
    refusal_ = failure == Failure::server_error ? connection_->refusal() : Reply{};
    connection_.reset();
    if (on_the_way() == 0) return;  // a server may close what nobody uses: the next call connects at once
    connect_at_ = now + reconnect_.next(randomness_.next());
    std::deque<Carried> lost = std::exchange(sent_, {});
    for (Carried& carried : lost) lose(carried, failure, error);
    std::deque<Waiting> unsent = std::exchange(waiting_, {});
    const Failure of_unsent = failure == Failure::server_error ? failure : Failure::refused;
    for (Waiting& each : unsent) lose(each.carried, of_unsent, error);
  }

  Node& node_;
  const Greeting greeting_;
  Counters& counters_;
  Randomness& randomness_;
  std::unique_ptr<Connection> connection_;
  std::deque<Waiting> waiting_;  ///< for the connection
  std::deque<Carried> sent_;     ///< in the order of their replies
  Backoff reconnect_;
  Time connect_at_{};  ///< no new connection before
  Reply refusal_;
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_LINK_H
