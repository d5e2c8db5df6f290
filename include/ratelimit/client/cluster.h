// SPDX-License-Identifier: MIT
// All servers that a client knows, and the way of a command to the one that has its key. Thread-safe. Depends on nodes, the
// scout, inquiries and redirections.
//
// A client of one server has one node. In a cluster, the first redirection has the scout read the map of all slots. Later
// redirections are learnt, and have the map read again, and so have failures. When a node does not answer, the client
// forgets that the node has the slot, and asks another node, which knows the successor. With Sentinels there is one node at
// a time: the primary that they name, who are asked first, and again after failures. The number of nodes is bounded,
// whatever the servers say.
#ifndef RATELIMIT_CLIENT_CLUSTER_H
#define RATELIMIT_CLIENT_CLUSTER_H

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string_view>
#include <utility>
#include <vector>

#include "ratelimit/client/answer.h"
#include "ratelimit/client/clock.h"
#include "ratelimit/client/command.h"
#include "ratelimit/client/connector.h"
#include "ratelimit/client/counters.h"
#include "ratelimit/client/endpoint.h"
#include "ratelimit/client/inquiry.h"
#include "ratelimit/client/node.h"
#include "ratelimit/client/options.h"
#include "ratelimit/client/randomness.h"
#include "ratelimit/client/redirection.h"
#include "ratelimit/client/reply.h"
#include "ratelimit/client/scout.h"
#include "ratelimit/client/slot_map.h"
#include "ratelimit/client/topology.h"

namespace ratelimit::client {

class Cluster {
 public:
  static constexpr std::size_t kMaxNodes = 1024;
  static constexpr int kMaxRedirections = 5;

  /// The counters and the randomness must outlive the cluster.
  Cluster(const Options& options, Counters& counters, Randomness& randomness)
      : settings_(options.node),
        sentinels_(options.sentinels),
        counters_(counters),
        randomness_(randomness),
        scout_([this](const std::stop_token& stop) { sentinels_.is_used() ? ask_sentinels(stop) : read_map(stop); },
               kPause) {
    if (sentinels_.is_used()) return;
    for (const Endpoint& server : options.servers) static_cast<void>(node_at(server));
    if (options.servers.empty()) static_cast<void>(node_at(Endpoint{}));
  }
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;
  ~Cluster() = default;

  struct Result {
    Failure failure = Failure::none;
    Reply reply;  ///< also the error of a server that says that it cannot answer
  };

  /// Sends the command to the node that has the key, and follows redirections, until `deadline`.
  [[nodiscard]] Result call(std::string_view key, const Command& command, Time now, Time deadline) {
    const std::size_t slot = slot_of(key);
    Result result;
    Node* node = node_for(slot, now, deadline);
    bool after_asking = false;
    for (int redirections = 0; node != nullptr && redirections <= kMaxRedirections; ++redirections) {
      result.reply = {};
      result.failure = node->call(command, after_asking, now, deadline, result.reply);
      if (result.failure != Failure::none) {
        failed(slot, result.failure);
        return result;
      }
      const std::optional<Redirection> to = redirection_in(result.reply);
      if (!to) return result;
      node = follow(*to, slot, *node);
      after_asking = to->is_ask;
    }
    result.failure = node == nullptr ? no_node(result.reply) : Failure::redirected;
    return result;
  }

  // --- the steps of a call, for whoever asks nodes by connections of his own -------------------------------

  /// The node that was last seen to have the slot, if its circuit breaker lets calls pass; else the first that does. Null
  /// if no Sentinel has named a primary before `deadline`: then `no_node` says why.
  [[nodiscard]] Node* node_for(std::size_t slot, Time now, Time deadline) {
    std::unique_lock lock(mutex_);
    if (sentinels_.is_used()) return primary_node(lock, deadline);
    if (nodes_.size() == 1) return nodes_.front().get();
    if (const auto owner = slots_.owner_of(slot); owner && nodes_[*owner]->would_admit(now))
      return nodes_[*owner].get();
    for (const auto& node : nodes_) {
      if (node->would_admit(now)) return node.get();
    }
    return nodes_.front().get();
  }

  /// What becomes of a call without a node. A Sentinel or a server that refuses the client is a mistake, as an error to the
  /// call is: then `reply` has the error, and that is no failure.
  [[nodiscard]] Failure no_node(Reply& reply) const {
    if (!sentinels_.is_used()) return Failure::redirected;
    const std::lock_guard lock(mutex_);
    if (!is_mistake(refusal_)) return Failure::refused;
    reply = refusal_;
    return Failure::none;
  }

  [[nodiscard]] static std::optional<Redirection> redirection_in(const Reply& reply) {
    return reply.kind == Reply::Kind::error ? parse_redirection(reply.text) : std::nullopt;
  }

  /// The node that a redirection names. Null if there are too many nodes.
  [[nodiscard]] Node* follow(const Redirection& to, std::size_t slot, const Node& from) {
    counters_.count(to.is_ask ? Event::asked : Event::moved);
    if (!to.is_ask) scout_.want();
    const std::lock_guard lock(mutex_);
    const auto number = node_at({.host = to.host.empty() ? from.endpoint().host : to.host, .port = to.port});
    if (!number) return nullptr;
    if (!to.is_ask) slots_.learn(slot, *number);
    return nodes_[*number].get();
  }

  /// A node did not answer a call about the slot.
  void failed(std::size_t slot, Failure failure) {
    if (failure == Failure::busy) return;
    const std::lock_guard lock(mutex_);
    slots_.forget(slot);
    if (sentinels_.is_used() || nodes_.size() > 1) scout_.want();
  }

  // --- all primaries, for whoever asks each of them ------------------------------------------------------

  struct Primary {
    std::size_t first_slot = 0;  ///< the lowest of those that it has; 0 outside a cluster
    Node* node = nullptr;
  };
  struct Primaries {
    std::vector<Primary> nodes{};  ///< by their first slots. None if it is not known who they are
    Reply refusal{};               ///< then: what a server or a Sentinel said, if anything
  };
  /// Asks for the map of all slots, so that the answer is of now. Outside a cluster there is one primary.
  [[nodiscard]] Primaries primaries(Time until) {
    if (sentinels_.is_used()) return only_primary(until);
    Primaries found;
    const std::vector<Node*> known = nodes();
    for (Node* node : known) {
      if (!node->would_admit(std::chrono::steady_clock::now())) continue;
      found.refusal = map_of(*node, until, [] { return false; });
      const std::vector<SlotRange> ranges = parse_cluster_slots(found.refusal, node->endpoint().host);
      if (!ranges.empty()) {
        learn(ranges);
        found.nodes = primaries_of(ranges);
      } else if (is_alone(found.refusal, known.size())) {
        found.nodes = {{0, node}};
      }
      if (!found.nodes.empty() || is_mistake(found.refusal)) return found;
    }
    return found;
  }

  /// In a child of the process that made the cluster.
  void close_files() {
    connector_.close_files();
    if (!mutex_.try_lock()) return;  // another thread of the parent held it
    for (const auto& node : nodes_) node->close_files();
    mutex_.unlock();
  }

  /// Those that the client was given first; with Sentinels, the first of all is the primary. None as long as no Sentinel has
  /// named one. They live as long as the cluster.
  [[nodiscard]] std::vector<Node*> nodes() const {
    const std::lock_guard lock(mutex_);
    std::vector<Node*> all;
    for (const auto& node : nodes_) all.push_back(node.get());
    if (primary_) std::rotate(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(*primary_), all.end());
    return all;
  }

 private:
  /// Between two errands of the scout; and how long a server may take to tell where the others are.
  static constexpr Span kPause = std::chrono::milliseconds{100};
  static constexpr Span kPatience = std::chrono::milliseconds{500};

  /// The number of the node at that endpoint, which may be a new one. None if there are too many. Needs the lock.
  std::optional<std::size_t> node_at(const Endpoint& endpoint) {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (nodes_[i]->endpoint() == endpoint) return i;
    }
    if (nodes_.size() >= kMaxNodes) return std::nullopt;
    nodes_.push_back(std::make_unique<Node>(endpoint, settings_, connector_, counters_, randomness_));
    return nodes_.size() - 1;
  }

  /// What a server says, to the scout.
  [[nodiscard]] static Reply ask(const Endpoint& server, const Greeting& greeting, const Command& command,
                                 const std::stop_token& stop) {
    return inquire(server, greeting, command, std::chrono::steady_clock::now() + kPatience,
                   [&stop] { return stop.stop_requested(); });
  }

  /// What a node says of the map.
  template <class GivesUp>
  [[nodiscard]] Reply map_of(const Node& node, Time until, GivesUp gives_up) const {
    return inquire(node.endpoint(), {settings_.login, settings_.encryption}, cluster_slots_command(), until, gives_up);
  }

  // --- a cluster -------------------------------------------------------------------------------------

  /// Asks one node after the other, until one knows the map.
  void read_map(const std::stop_token& stop) {
    for (const Node* node : nodes()) {
      if (stop.stop_requested()) return;
      if (!node->would_admit(std::chrono::steady_clock::now())) continue;
      const Reply reply =
          map_of(*node, std::chrono::steady_clock::now() + kPatience, [&stop] { return stop.stop_requested(); });
      const std::vector<SlotRange> ranges = parse_cluster_slots(reply, node->endpoint().host);
      if (!ranges.empty()) return learn(ranges);
      if (reply.kind == Reply::Kind::error) return;  // it is not in a cluster, or refuses the client
    }
  }

  void learn(const std::vector<SlotRange>& ranges) {
    const std::lock_guard lock(mutex_);
    for (const SlotRange& range : ranges) {
      const auto number = node_at(range.primary);
      for (std::size_t slot = range.first; number && slot <= range.last; ++slot) slots_.learn(slot, *number);
    }
    counters_.count(Event::map_read);
  }

  /// Whether a node that told no map is in no cluster. A client may have no right to ask for one if it needs none.
  [[nodiscard]] static bool is_alone(const Reply& reply, std::size_t known) {
    return is_mistake(reply) &&
           (known == 1 || reply.text.starts_with("ERR This instance has cluster support disabled"));
  }

  [[nodiscard]] std::vector<Primary> primaries_of(const std::vector<SlotRange>& ranges) {
    const std::lock_guard lock(mutex_);
    std::vector<Primary> found;
    for (const SlotRange& range : ranges) {
      const auto number = node_at(range.primary);
      if (!number) continue;
      Node* const node = nodes_[*number].get();
      const auto known = std::find_if(found.begin(), found.end(), [&](const auto& each) { return each.node == node; });
      if (known == found.end()) {
        found.push_back({range.first, node});
      } else {
        known->first_slot = std::min(known->first_slot, range.first);
      }
    }
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first_slot < b.first_slot; });
    return found;
  }

  // --- Sentinels -------------------------------------------------------------------------------------

  [[nodiscard]] Primaries only_primary(Time until) {
    std::unique_lock lock(mutex_);
    if (Node* const node = primary_node(lock, until)) return {.nodes = {{0, node}}};
    return {.refusal = refusal_};
  }

  /// Needs the lock.
  [[nodiscard]] Node* primary_node(std::unique_lock<std::mutex>& lock, Time deadline) {
    if (!primary_) {
      scout_.want();
      sought_.wait_until(lock, deadline, [this] { return primary_ || is_mistake(refusal_); });
    }
    return primary_ ? nodes_[*primary_].get() : nullptr;
  }

  /// Asks one Sentinel after the other, until one names a server that says itself that it is the primary: a Sentinel that
  /// was cut off names the old one.
  void ask_sentinels(const std::stop_token& stop) {
    const Greeting to_sentinel{sentinels_.login, settings_.encryption};
    const Greeting to_server{settings_.login, settings_.encryption};
    Reply refusal;
    for (const Endpoint& sentinel : sentinels_.endpoints) {
      if (stop.stop_requested()) return;
      Reply said = ask(sentinel, to_sentinel, primary_of_command(sentinels_.primary), stop);
      const auto named = parse_primary(said);
      if (named) said = ask(*named, to_server, role_command(), stop);
      if (named && is_primary(said)) return go_over_to(*named);
      if (is_mistake(said)) refusal = std::move(said);
    }
    const std::lock_guard lock(mutex_);
    refusal_ = std::move(refusal);
    sought_.notify_all();
  }

  void go_over_to(const Endpoint& primary) {
    const std::lock_guard lock(mutex_);
    const auto number = node_at(primary);
    if (!number) return;
    if (primary_ && primary_ != number) counters_.count(Event::failed_over);
    primary_ = number;
    refusal_ = {};
    sought_.notify_all();
  }

  const NodeSettings settings_;
  const Sentinels sentinels_;
  Counters& counters_;
  Randomness& randomness_;
  mutable std::mutex mutex_;                  ///< guards what follows
  std::vector<std::unique_ptr<Node>> nodes_;  ///< none is ever removed: calls may be using it
  SlotMap slots_;
  std::optional<std::size_t> primary_;  ///< with Sentinels
  Reply refusal_;                       ///< of a Sentinel or a server, if the last search found no primary
  std::condition_variable sought_;      ///< a search has ended
  Connector connector_;                 ///< it ends before the nodes do
  Scout scout_;                         ///< last: it ends first
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_CLUSTER_H
