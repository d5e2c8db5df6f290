// SPDX-License-Identifier: MIT
// A cluster of two real servers.
#ifndef RATELIMIT_TESTS_CLIENT_TWO_NODES_H
#define RATELIMIT_TESTS_CLIENT_TWO_NODES_H

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "servers.h"

namespace ratelimit::client::tests {

/// Two servers that share the slots.
class TwoNodes {
 public:
  TwoNodes() {
    for (int i = 0; i < 2; ++i) {
      ports_.push_back(free_port());
      const std::string bus = std::to_string(free_port());
      const std::string port = std::to_string(ports_.back());
      nodes_.push_back(std::make_unique<Server>(std::vector<std::string>{
          "--port", port, "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--cluster-port", bus}));
      buses_.push_back(bus);
    }
    static_cast<void>(nodes_[0]->reply_to({"CLUSTER", "ADDSLOTSRANGE", "0", "8191"}));
    static_cast<void>(nodes_[1]->reply_to({"CLUSTER", "ADDSLOTSRANGE", "8192", "16383"}));
    static_cast<void>(nodes_[1]->reply_to({"CLUSTER", "SET-CONFIG-EPOCH", "2"}));
    static_cast<void>(nodes_[0]->reply_to({"CLUSTER", "MEET", "127.0.0.1", std::to_string(ports_[1]), buses_[1]}));
    for (const auto& node : nodes_) {
      eventually(
          [&] {
            return node->reply_to({"CLUSTER", "INFO"}).text.starts_with("cluster_state:ok");
          },
          "the cluster");
    }
  }
  [[nodiscard]] Endpoint endpoint(std::size_t i) const { return {.host = "127.0.0.1", .port = ports_[i]}; }
  [[nodiscard]] const Server& node(std::size_t i) const { return *nodes_[i]; }
  [[nodiscard]] std::string id(std::size_t i) const { return nodes_[i]->reply_to({"CLUSTER", "MYID"}).text; }

 private:
  std::vector<int> ports_;
  std::vector<std::string> buses_;
  std::vector<std::unique_ptr<Server>> nodes_;
};

}  // namespace ratelimit::client::tests

#endif  // RATELIMIT_TESTS_CLIENT_TWO_NODES_H
