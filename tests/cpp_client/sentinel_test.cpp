// SPDX-License-Identifier: MIT
// A primary outside a cluster, and another that takes its place: the client goes over to it.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include "failover.h"
#include "pipelines.h"
#include "ratelimit/client.h"
#include "ratelimit/client/pipeline.h"
#include "servers.h"

namespace ratelimit::client::tests {
namespace {

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

TEST(Sentinels, ThatRefuseTheClientLetNobodyThrough) {
  std::atomic<bool> refuses{true};
  const std::atomic<bool> yes{true};
  const Actor primary(server_of(yes, "p"));
  const std::atomic<int> named{primary.port()};
  const Actor sentinel([&](Peer& peer) {
    if (!refuses) return sentinel_for(named)(peer);
    while (peer.command()) peer.say("-NOAUTH Authentication required.\r\n");
  });
  Options options = options_with({sentinel.endpoint()});
  options.without_server = Without::fail_open;
  Client client(options);
  for (int i = 0; i < 3; ++i) {
    const Answer answer = client.check("key", kTen);
    EXPECT_EQ(answer.source, Source::error);
    EXPECT_FALSE(answer.allowed());
    EXPECT_EQ(answer.error.substr(0, 7), "NOAUTH ");
  }
  Answers answers;
  Pipeline pipeline(client);
  pipeline.check("key", kTen, {}, answers.take());
  pipeline.wait();
  EXPECT_EQ(answers.all.at(0).source, Source::error);
  EXPECT_FALSE(client.wait_for_server(kPatience)) << "at once";
  refuses = false;
  eventually([&] { return client.check("key", kTen).label == "p"; }, "the primary");
}

TEST(Sentinels, NameAPrimaryThatRefusesTheLoginAndNobodyIsLetThrough) {
  const Actor primary(always("-WRONGPASS invalid username-password pair\r\n"));
  const std::atomic<int> named{primary.port()};
  const Actor sentinel(sentinel_for(named));
  Options options = options_with({sentinel.endpoint()});
  options.without_server = Without::fail_open;
  options.node.login.password = "wrong";
  Client client(options);
  for (int i = 0; i < 3; ++i) {
    const Answer answer = client.check("key", kTen);
    EXPECT_EQ(answer.source, Source::error);
    EXPECT_EQ(answer.error.substr(0, 10), "WRONGPASS ");
  }
}

// --- real ones ---------------------------------------------------------------------------------------

TEST(Sentinels, OfRealServersGoOverToTheReplicaAndItsCountsGoOn) {
  SentinelFailover servers;
  Options options = options_for({});
  options.sentinels = servers.sentinels();
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
