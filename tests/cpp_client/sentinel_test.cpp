// SPDX-License-Identifier: MIT
// A primary outside a cluster, and another that takes its place: the client goes over to it.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "ratelimit/client.h"
#include "servers.h"

namespace ratelimit::client::tests {
namespace {

const Policy kTen{fixed(10, 1h)};

/// A server that says that it is a primary, or a replica, and grants as a primary only.
Actor::Play server_of(const std::atomic<bool>& is_primary, std::string_view label) {
  return [&is_primary, label](Peer& peer) {
    while (const auto command = peer.command()) {
      if (*command == "ROLE") {
        peer.say(is_primary ? "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n" : "*1\r\n$5\r\nslave\r\n");
      } else if (is_primary) {
        peer.say("*6\r\n:1\r\n:10\r\n:9\r\n:0\r\n:1000\r\n$1\r\n" + std::string(label) + "\r\n");
      } else {
        peer.say("-READONLY You can't write against a read only replica.\r\n");
      }
    }
  };
}

/// A Sentinel that names the server at this port; 0: none.
Actor::Play sentinel_for(const std::atomic<int>& port) {
  return [&port](Peer& peer) {
    while (const auto command = peer.command()) {
      const std::string digits = std::to_string(port);
      peer.say(port == 0 || *command != "SENTINEL GET-MASTER-ADDR-BY-NAME limits"
                   ? "*-1\r\n"
                   : "*2\r\n$9\r\n127.0.0.1\r\n$" + std::to_string(digits.size()) + "\r\n" + digits + "\r\n");
    }
  };
}

Options options_with(const std::vector<Endpoint>& sentinels) {
  Options options = options_for({});
  options.sentinels = {.endpoints = sentinels, .primary = "limits"};
  return options;
}

TEST(Sentinels, AreAskedForThePrimaryAndAgainWhenItIsOneNoMore) {
  std::atomic<bool> is_a_primary{true};
  std::atomic<bool> is_b_primary{false};
  const Actor a(server_of(is_a_primary, "a"));
  const Actor b(server_of(is_b_primary, "b"));
  std::atomic<int> named{a.port()};
  const Actor sentinel(sentinel_for(named));
  Client client(options_with({sentinel.endpoint()}));
  EXPECT_EQ(client.check("key", kTen).label, "a");
  is_a_primary = false;
  EXPECT_EQ(client.check("key", kTen).failure, Failure::server_error) << "nobody is a primary";
  is_b_primary = true;
  named = b.port();
  eventually([&] { return client.check("key", kTen).label == "b"; }, "the other primary");
  EXPECT_EQ(client.counts().of(Event::failed_over), 1U);
  EXPECT_EQ(client.nodes().front().endpoint, b.endpoint());
}

TEST(Sentinels, ThatNameAServerThatIsNoPrimaryAreNotBelieved) {
  const std::atomic<bool> yes{true};
  const std::atomic<bool> no{false};
  const Actor replica(server_of(no, "r"));
  const Actor primary(server_of(yes, "p"));
  const std::atomic<int> old{replica.port()};
  const std::atomic<int> right{primary.port()};
  const std::atomic<int> none{0};
  const Actor cut_off(sentinel_for(old));
  const Actor forgetful(sentinel_for(none));
  const Actor well(sentinel_for(right));
  const Endpoint gone{.host = "127.0.0.1", .port = free_port()};
  Client client(options_with({gone, forgetful.endpoint(), cut_off.endpoint(), well.endpoint()}));
  EXPECT_EQ(client.check("key", kTen).label, "p");
}

TEST(Sentinels, ThatNameNobodyLeaveTheChoice) {
  const std::atomic<int> none{0};
  const Actor sentinel(sentinel_for(none));
  Options options = options_with({sentinel.endpoint()});
  options.deadline = 20ms;
  options.without_server = Without::fail_open;
  Client client(options);
  const Answer answer = client.check("key", kTen);
  EXPECT_TRUE(answer.allowed());
  EXPECT_EQ(answer.failure, Failure::refused);
  EXPECT_TRUE(client.nodes().empty());
  EXPECT_EQ(client.breaker(), CircuitBreaker::State::closed);
}

// --- real ones ---------------------------------------------------------------------------------------

std::vector<std::string> at_port(int port) { return {"--port", std::to_string(port), "--bind", "127.0.0.1"}; }

/// A primary, a replica, and the Sentinel that watches them.
class Failover {
 public:
  Failover() : primary_(at_port(ports_[0])), replica_(of_primary()) {
    eventually(
        [&] {
          return replica_.reply_to({"INFO", "replication"}).text.find("master_link_status:up") != npos;
        },
        "the replica");
    std::ofstream file(sentinel_file());
    file << "sentinel monitor mymaster 127.0.0.1 " << ports_[0] << " 1\n"
         << "sentinel down-after-milliseconds mymaster 500\n";
    file.close();
    std::vector<std::string> options = at_port(ports_[2]);
    options.insert(options.begin(), {sentinel_file(), "--sentinel"});
    sentinel_ = std::make_unique<Server>(Server::Sentinel{}, options);
    eventually(
        [&] {
          return sentinel_->reply_to({"SENTINEL", "REPLICAS", "mymaster"}).items.size() == 1;
        },
        "the Sentinel to know the replica");
  }

  [[nodiscard]] Endpoint sentinel() const { return {.host = "127.0.0.1", .port = ports_[2]}; }
  [[nodiscard]] Endpoint replica() const { return {.host = "127.0.0.1", .port = ports_[1]}; }
  void kill_primary() { primary_.kill(); }

 private:
  static constexpr auto npos = std::string::npos;
  [[nodiscard]] std::vector<std::string> of_primary() const {
    std::vector<std::string> options = at_port(ports_[1]);
    options.insert(options.end(), {"--replicaof", "127.0.0.1", std::to_string(ports_[0])});
    return options;
  }
  [[nodiscard]] std::string sentinel_file() const { return folder_ / "sentinel.conf"; }

  Folder folder_;
  std::vector<int> ports_{free_port(), free_port(), free_port()};
  Server primary_;
  Server replica_;
  std::unique_ptr<Server> sentinel_;
};

TEST(Sentinels, OfRealServersGoOverToTheReplicaAndItsCountsGoOn) {
  Failover servers;
  Options options = options_for({});
  options.sentinels = {.endpoints = {servers.sentinel()}};
  options.deadline = 100ms;
  Client client(options);
  ASSERT_TRUE(client.wait_for_server(kPatience));
  eventually([&] { return client.check("key", kTen, {.cost = Units(4)}).source == Source::server; }, "the primary");
  eventually([&] { return said_by(servers.replica(), {"EXISTS", "key"}).integer == 1; }, "the replica to have it");
  servers.kill_primary();
  eventually([&] { return client.check("other", kTen).source == Source::server; }, "the replica to be the primary");
  EXPECT_EQ(client.nodes().front().endpoint, servers.replica());
  Answer after;
  eventually([&] { return (after = client.peek("key", kTen)).source == Source::server; }, "an answer");
  EXPECT_LE(after.remaining, Units(6));
}

}  // namespace
}  // namespace ratelimit::client::tests
