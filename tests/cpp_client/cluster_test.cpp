// SPDX-License-Identifier: MIT
// A cluster: redirections, the map of its slots, and a node that is gone.
#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ratelimit/client.h"
#include "servers.h"
#include "two_nodes.h"

namespace ratelimit::client::tests {
namespace {

// --- redirections ------------------------------------------------------------------------------------

TEST(Cluster, FollowsMovedOnceAndThenGoesThereAtOnce) {
  const Actor owner(always(kGranted));
  const std::string moved =
      "-MOVED " + std::to_string(slot_of("key")) + " 127.0.0.1:" + std::to_string(owner.port()) + "\r\n";
  std::atomic<int> asked{0};
  const Actor seed([&](Peer& peer) {
    while (peer.command()) {
      ++asked;
      peer.say(moved);
    }
  });
  Client client(options_for(seed.endpoint()));
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(client.check("key", kTen).allowed());
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(client.counts().of(Event::moved), 1U);
  EXPECT_EQ(client.nodes().size(), 2U);
}

TEST(Cluster, FollowsAskWithAskingAndRemembersNothing) {
  std::atomic<int> askings{0};
  const Actor target([&](Peer& peer) {
    while (const auto command = peer.command()) {
      if (*command == "ASKING") {
        ++askings;
        peer.say("+OK\r\n");
      } else {
        peer.say(kGranted);
      }
    }
  });
  const std::string ask = "-ASK 1 127.0.0.1:" + std::to_string(target.port()) + "\r\n";
  const Actor seed(always(ask));
  Client client(options_for(seed.endpoint()));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(client.check("key", kTen).allowed());
  EXPECT_EQ(askings, 3);
  EXPECT_EQ(client.counts().of(Event::asked), 3U);
}

TEST(Cluster, GivesUpWhenItIsSentRoundInCircles) {
  std::string moved;
  const Actor seed([&](Peer& peer) {
    while (peer.command()) peer.say(moved);
  });
  moved = "-MOVED 1 127.0.0.1:" + std::to_string(seed.port()) + "\r\n";
  Client client(options_for(seed.endpoint()));
  const Answer answer = client.check("key", kTen);
  EXPECT_EQ(answer.failure, Failure::redirected);
  EXPECT_EQ(answer.source, Source::fail_closed);
  EXPECT_EQ(client.counts().of(Event::moved), static_cast<std::uint64_t>(Cluster::kMaxRedirections) + 1);
}

TEST(Cluster, TellsAllSlotsAtOnce) {
  const TwoNodes cluster;
  Client client(options_for(cluster.endpoint(0)));
  EXPECT_EQ(client.check("foo", kTen).source, Source::server) << "of the second node";
  EXPECT_EQ(client.counts().of(Event::moved), 1U);
  eventually([&] { return client.counts().of(Event::map_read) > 0; }, "the map");
  for (int i = 0; i < 2000; ++i) {
    EXPECT_EQ(client.check("key" + std::to_string(i), kTen).source, Source::server);
  }
  EXPECT_EQ(client.counts().of(Event::moved), 1U);
}

TEST(Cluster, OfRealServersIsOneLimiterAlsoWhileASlotMoves) {
  const TwoNodes cluster;
  Client client(options_for(cluster.endpoint(0)));
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(client.check("key" + std::to_string(i), kTen).source, Source::server);
  }
  EXPECT_EQ(client.nodes().size(), 2U);
  // "foo" is of slot 12182, on the second node. Its slot moves to the first; the key is not there yet: ASK.
  EXPECT_EQ(client.check("foo", kTen).remaining, Units(9));
  static_cast<void>(cluster.node(1).reply_to({"DEL", "foo"}));
  static_cast<void>(cluster.node(0).reply_to({"CLUSTER", "SETSLOT", "12182", "IMPORTING", cluster.id(1)}));
  static_cast<void>(cluster.node(1).reply_to({"CLUSTER", "SETSLOT", "12182", "MIGRATING", cluster.id(0)}));
  EXPECT_EQ(client.check("foo", kTen).remaining, Units(9)) << "asked of the first, for this call only";
  EXPECT_EQ(client.check("foo", kTen).remaining, Units(8));
  EXPECT_GE(client.counts().of(Event::asked), 2U);
  for (const std::size_t i : {0U, 1U}) {
    static_cast<void>(cluster.node(i).reply_to({"CLUSTER", "SETSLOT", "12182", "NODE", cluster.id(0)}));
  }
  EXPECT_EQ(client.check("foo", kTen).remaining, Units(7));
  EXPECT_EQ(client.counts().of(Failure::none), 0U);
  EXPECT_EQ(client.counts().answered_by(Source::server), client.counts().calls());
}

TEST(Cluster, LosesOneNodeAndTheOtherGoesOn) {
  const std::string gone =
      "-MOVED " + std::to_string(slot_of("gone")) + " 127.0.0.1:" + std::to_string(free_port()) + "\r\n";
  const Actor seed([&](Peer& peer) {
    while (const auto command = peer.command())
      peer.say(command->find("gone") != std::string::npos ? std::string_view(gone) : kGranted);
  });
  Options options = options_for(seed.endpoint());
  options.node.breaker.failures = 1;
  options.node.breaker.lasting = {};
  options.node.breaker.pause = {.first = 1h, .longest = 1h};
  Client client(options);
  EXPECT_EQ(client.check("gone", kTen).failure, Failure::refused);
  EXPECT_EQ(client.check("gone", kTen).failure, Failure::left_alone);
  EXPECT_TRUE(client.check("here", kTen).allowed());
  const auto nodes = client.nodes();
  ASSERT_EQ(nodes.size(), 2U);
  EXPECT_EQ(nodes[0].breaker, CircuitBreaker::State::closed);
  EXPECT_EQ(nodes[1].breaker, CircuitBreaker::State::open);
}

}  // namespace
}  // namespace ratelimit::client::tests
