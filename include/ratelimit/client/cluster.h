// All servers that a client knows, and the way of a call to the one that has its key.
//
// A client of one server has one node. In a cluster it learns from redirections which node has which slot; when a node
// does not answer, what was learnt of the slot is forgotten, and another node is asked, which knows the successor. Nodes
// are bounded: no server can make a client know more. Thread-safe. Depends on nodes and slots.
#ifndef RATELIMIT_CLIENT_CLUSTER_H
#define RATELIMIT_CLIENT_CLUSTER_H

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "ratelimit/client/node.h"
#include "ratelimit/client/slot_map.h"

namespace ratelimit::client {

/// A stream of random numbers that all threads may read (splitmix64).
class Randomness {
 public:
  explicit Randomness(std::uint64_t seed) : state_(seed) {}

  [[nodiscard]] std::uint64_t next() {
    std::uint64_t z = state_.fetch_add(0x9e37'79b9'7f4a'7c15U, std::memory_order_relaxed);
    z = (z ^ (z >> 30U)) * 0xbf58'476d'1ce4'e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d0'49bb'1331'11ebU;
    return z ^ (z >> 31U);
  }

 private:
  std::atomic<std::uint64_t> state_;
};

class Cluster {
 public:
  static constexpr std::size_t kMostNodes = 1024;
  static constexpr int kMostRedirections = 5;

  Cluster(const std::vector<Endpoint>& seeds, const NodeSettings& settings, Counters& counters, Randomness& randomness)
      : settings_(settings), counters_(counters), randomness_(randomness) {
    for (const Endpoint& seed : seeds) static_cast<void>(node_at(seed));
    if (seeds.empty()) static_cast<void>(node_at(Endpoint{}));
  }

  struct Called {
    Failure failure = Failure::none;
    Value reply;
  };

  /// Sends the words to whoever has the key.
  [[nodiscard]] Called call(std::string_view key, const Node::Question& question, Time deadline) {
    const std::size_t slot = slot_of(key);
    Called called;
    Node* node = node_for(slot);
    bool after_asking = false;
    for (int redirections = 0; redirections <= kMostRedirections; ++redirections) {
      called.reply = {};
      called.failure = node->call(question, after_asking, deadline, randomness_.next(), called.reply);
      if (called.failure != Failure::none) {
        if (called.failure != Failure::busy) forget(slot);
        return called;
      }
      const std::optional<Redirection> to =
          called.reply.kind == Value::Kind::error ? parse_redirection(called.reply.text) : std::nullopt;
      if (!to) return called;
      Node* next = follow(*to, slot, node->endpoint());
      if (next == nullptr) break;
      node = next;
      after_asking = to->is_ask;
    }
    called.failure = Failure::redirected;
    return called;
  }

  [[nodiscard]] std::vector<Node*> nodes() const {
    const std::lock_guard lock(mutex_);
    std::vector<Node*> all;
    for (const auto& node : nodes_) all.push_back(node.get());
    return all;
  }

 private:
  /// Who was last seen to have the slot, if that one may be asked; else the first who may be asked.
  Node* node_for(std::size_t slot) {
    const std::lock_guard lock(mutex_);
    if (nodes_.size() == 1) return nodes_.front().get();
    const Time now = std::chrono::steady_clock::now();
    if (const auto owner = slots_.owner_of(slot); owner && nodes_[*owner]->would_admit(now))
      return nodes_[*owner].get();
    for (const auto& node : nodes_) {
      if (node->would_admit(now)) return node.get();
    }
    return nodes_.front().get();
  }

  /// The node that a redirection names; null if there are too many nodes.
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

  std::optional<std::size_t> node_at(const Endpoint& endpoint) {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (nodes_[i]->endpoint() == endpoint) return i;
    }
    if (nodes_.size() >= kMostNodes) return std::nullopt;
    nodes_.push_back(std::make_unique<Node>(endpoint, settings_, counters_));
    return nodes_.size() - 1;
  }

  const NodeSettings& settings_;
  Counters& counters_;
  Randomness& randomness_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Node>> nodes_;  ///< never removed: they may be in use
  SlotMap slots_;
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_CLUSTER_H
