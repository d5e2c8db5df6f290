// SPDX-License-Identifier: MIT
// Real servers that lose a primary: with a Sentinel, and in a cluster. In both the replica takes its place by itself, once
// the primary is killed, and not before.
#ifndef RATELIMIT_TESTS_CLIENT_FAILOVER_H
#define RATELIMIT_TESTS_CLIENT_FAILOVER_H

#include <array>
#include <cstddef>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ratelimit/client.h"
#include "servers.h"

namespace ratelimit::client::tests {

inline std::vector<std::string> at_port(int port, std::vector<std::string> more = {}) {
  std::vector<std::string> options{"--port",    std::to_string(port),         "--bind",
                                   "127.0.0.1", "--repl-diskless-sync-delay", "0"};
  options.insert(options.end(), more.begin(), more.end());
  return options;
}

inline bool says(const Server& server, const Command& command, std::string_view text) {
  return server.reply_to(command).text.find(text) != std::string::npos;
}

/// Until what the primary does reaches the replica: a link that is up carries nothing yet until the replica has said so.
inline void wait_for_replication(const Server& primary, const Server& replica, std::string_view key) {
  eventually([&] { return says(replica, {"INFO", "replication"}, "master_link_status:up"); }, "the link");
  static_cast<void>(primary.reply_to({"RL.CHECK", key, "FIXED", "1", "1h"}));
  eventually([&] { return replica.reply_to({"DBSIZE"}).integer == 1; }, "the replica to have a key");
}

/// A primary, a replica, and the Sentinel that watches them.
class SentinelFailover {
 public:
  SentinelFailover()
      : primary_(at_port(ports_[0])),
        replica_(at_port(ports_[1], {"--replicaof", "127.0.0.1", std::to_string(ports_[0])})) {
    wait_for_replication(primary_, replica_, "first");
    const std::string path = folder_ / "sentinel.conf";
    std::ofstream file(path);
    file << "sentinel monitor mymaster 127.0.0.1 " << ports_[0] << " 1\n"
         << "sentinel down-after-milliseconds mymaster 60000\n";
    file.close();
    std::vector<std::string> options{path, "--sentinel"};
    for (const std::string& option : at_port(ports_[2])) options.push_back(option);
    sentinel_ = std::make_unique<Server>(Server::Sentinel{}, options);
    eventually(
        [&] {
          return sentinel_->reply_to({"SENTINEL", "REPLICAS", "mymaster"}).items.size() == 1;
        },
        "the Sentinel to know the replica");
  }

  [[nodiscard]] Sentinels sentinels() const { return {.endpoints = {at(2)}}; }
  [[nodiscard]] Endpoint replica() const { return at(1); }
  void kill_primary() {
    static_cast<void>(sentinel_->reply_to({"SENTINEL", "SET", "mymaster", "down-after-milliseconds", "300"}));
    primary_.kill();
  }

 private:
  [[nodiscard]] Endpoint at(std::size_t i) const { return {.host = "127.0.0.1", .port = ports_[i]}; }

  Folder folder_;
  std::array<int, 3> ports_{free_port(), free_port(), free_port()};
  Server primary_;
  Server replica_;
  std::unique_ptr<Server> sentinel_;
};

/// A cluster of three primaries, the least that can elect another one, and a replica of the first.
class ClusterFailover {
 public:
  ClusterFailover() {
    for (std::size_t i = 0; i < ports_.size(); ++i) {
      nodes_.push_back(std::make_unique<Server>(at_port(
          ports_[i], {"--cluster-enabled", "yes", "--cluster-port", std::to_string(buses_[i]), "--cluster-node-timeout",
                      "1000", "--cluster-replica-no-failover", "yes", "--cluster-require-full-coverage", "no"})));
    }
    constexpr std::array<std::pair<const char*, const char*>, 3> kSlots{
        {{"0", "5460"}, {"5461", "10922"}, {"10923", "16383"}}};
    for (std::size_t i = 0; i < kSlots.size(); ++i) {
      static_cast<void>(nodes_[i]->reply_to({"CLUSTER", "ADDSLOTSRANGE", kSlots[i].first, kSlots[i].second}));
      static_cast<void>(nodes_[i]->reply_to({"CLUSTER", "SET-CONFIG-EPOCH", std::to_string(i + 1)}));
    }
    for (std::size_t i = 1; i < ports_.size(); ++i) {
      static_cast<void>(
          nodes_[0]->reply_to({"CLUSTER", "MEET", "127.0.0.1", std::to_string(ports_[i]), std::to_string(buses_[i])}));
    }
    const std::string first = nodes_[0]->reply_to({"CLUSTER", "MYID"}).text;
    eventually(
        [&] {
          return says(*nodes_[3], {"CLUSTER", "REPLICATE", first}, "OK");
        },
        "the replica to know the first");
    for (const auto& node : nodes_) {
      const auto knows_all = [&] {
        return says(*node, {"CLUSTER", "INFO"}, "cluster_state:ok") &&
               says(*node, {"CLUSTER", "INFO"}, "cluster_known_nodes:4") && says(*node, {"CLUSTER", "NODES"}, "slave");
      };
      eventually(knows_all, "the cluster");
    }
    wait_for_replication(*nodes_[0], *nodes_[3], "{bar}first");
  }

  /// Its slot is one of the first primary.
  static constexpr std::string_view kKey = "{bar}key";
  [[nodiscard]] std::vector<Endpoint> primaries() const { return {at(0), at(1), at(2)}; }
  [[nodiscard]] Endpoint replica() const { return at(3); }
  void kill_primary() {
    static_cast<void>(nodes_[3]->reply_to({"CONFIG", "SET", "cluster-replica-no-failover", "no"}));
    nodes_[0]->kill();
  }

 private:
  [[nodiscard]] Endpoint at(std::size_t i) const { return {.host = "127.0.0.1", .port = ports_[i]}; }

  std::array<int, 4> ports_{free_port(), free_port(), free_port(), free_port()};
  std::array<int, 4> buses_{free_port(), free_port(), free_port(), free_port()};
  std::vector<std::unique_ptr<Server>> nodes_;
};

}  // namespace ratelimit::client::tests

#endif  // RATELIMIT_TESTS_CLIENT_FAILOVER_H
