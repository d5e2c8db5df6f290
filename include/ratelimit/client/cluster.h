// SPDX-License-Identifier: MIT
// All servers that a client knows, and the way of a command to the one that has its key. Thread-safe. Depends on nodes and
// redirections.
//
// A client of one server has one node. In a cluster the client learns from redirections which node has which slot. When a
// node does not answer, the client forgets that the node has the slot, and asks another node, which knows the successor.
// The number of nodes is bounded, whatever the servers say.
#ifndef RATELIMIT_CLIENT_CLUSTER_H
#define RATELIMIT_CLIENT_CLUSTER_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "ratelimit/client/answer.h"
#include "ratelimit/client/clock.h"
#include "ratelimit/client/command.h"
#include "ratelimit/client/connector.h"
#include "ratelimit/client/counters.h"
#include "ratelimit/client/endpoint.h"
#include "ratelimit/client/node.h"
#include "ratelimit/client/options.h"
#include "ratelimit/client/randomness.h"
#include "ratelimit/client/redirection.h"
#include "ratelimit/client/reply.h"
#include "ratelimit/client/slot_map.h"

namespace ratelimit::client {

class Cluster {
 public:
  static constexpr std::size_t kMaxNodes = 1024;
  static constexpr int kMaxRedirections = 5;

  /// The references must outlive the cluster, but the connector must end before.
  Cluster(const std::vector<Endpoint>& seeds, NodeSettings settings, Connector& connector, Counters& counters,
          Randomness& randomness)
      : settings_(std::move(settings)), connector_(connector), counters_(counters), randomness_(randomness) {
    for (const Endpoint& seed : seeds) static_cast<void>(node_at(seed));
    if (seeds.empty()) static_cast<void>(node_at(Endpoint{}));
  }

  struct Result {
    Failure failure = Failure::none;
    Reply reply;  ///< also the error of a server that says that it cannot answer
  };

  /// Sends the command to the node that has the key, and follows redirections, until `deadline`.
  [[nodiscard]] Result call(std::string_view key, const Command& command, Time now, Time deadline) {
    const std::size_t slot = slot_of(key);
    Result result;
    Node* node = node_for(slot, now);
    bool after_asking = false;
    for (int redirections = 0; redirections <= kMaxRedirections; ++redirections) {
      result.reply = {};
      result.failure = node->call(command, after_asking, now, deadline, result.reply);
      if (result.failure != Failure::none) {
        if (result.failure != Failure::busy) forget(slot);
        return result;
      }
      const std::optional<Redirection> to =
          result.reply.kind == Reply::Kind::error ? parse_redirection(result.reply.text) : std::nullopt;
      if (!to) return result;
      Node* next = follow(*to, slot, node->endpoint());
      if (next == nullptr) break;
      node = next;
      after_asking = to->is_ask;
    }
    result.failure = Failure::redirected;
    return result;
  }

  /// In a child of the process that made the cluster.
  void close_files() {
    if (!mutex_.try_lock()) return;  // another thread of the parent held it
    for (const auto& node : nodes_) node->close_files();
    mutex_.unlock();
  }

  /// Those that the client was given first. They live as long as the cluster.
  [[nodiscard]] std::vector<Node*> nodes() const {
    const std::lock_guard lock(mutex_);
    std::vector<Node*> all;
    for (const auto& node : nodes_) all.push_back(node.get());
    return all;
  }

 private:
  /// The node that was last seen to have the slot, if its circuit breaker lets calls pass; else the first that does.
  Node* node_for(std::size_t slot, Time now) {
    const std::lock_guard lock(mutex_);
    if (nodes_.size() == 1) return nodes_.front().get();
    if (const auto owner = slots_.owner_of(slot); owner && nodes_[*owner]->would_admit(now))
      return nodes_[*owner].get();
    for (const auto& node : nodes_) {
      if (node->would_admit(now)) return node.get();
    }
    return nodes_.front().get();
  }

  /// The node that a redirection names. Null if there are too many nodes.
  Node* follow(const Redirection& to, std::size_t slot, const Endpoint& from) {
    counters_.count(to.is_ask ? Event::asked : Event::moved);
    const std::lock_guard lock(mutex_);
    const auto number = node_at({.host = to.host.empty() ? from.host : to.host, .port = to.port});
    if (!number) return nullptr;
    if (!to.is_ask) slots_.learn(slot, *number);
    return nodes_[*number].get();
  }

  void forget(std::size_t slot) {
    const std::lock_guard lock(mutex_);
    slots_.forget(slot);
  }

  /// The number of the node at that endpoint, which may be a new one. None if there are too many. Needs the lock.
  std::optional<std::size_t> node_at(const Endpoint& endpoint) {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (nodes_[i]->endpoint() == endpoint) return i;
    }
    if (nodes_.size() >= kMaxNodes) return std::nullopt;
    nodes_.push_back(std::make_unique<Node>(endpoint, settings_, connector_, counters_, randomness_));
    return nodes_.size() - 1;
  }

  const NodeSettings settings_;
  Connector& connector_;
  Counters& counters_;
  Randomness& randomness_;
  mutable std::mutex mutex_;                  ///< guards what follows
  std::vector<std::unique_ptr<Node>> nodes_;  ///< none is ever removed: calls may be using it
  SlotMap slots_;
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_CLUSTER_H
