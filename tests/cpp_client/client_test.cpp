// SPDX-License-Identifier: MIT
// What the client says of a server that is well, and of a cluster.
#include "ratelimit/client.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "servers.h"

namespace ratelimit::client::tests {
namespace {

const Policy kTen{fixed(10, 1h)};

TEST(Client, AnswersWhatTheServerDecides) {
  const Server server;
  Client client(options_for(server.endpoint()));
  const Policy policy{as("burst", token_bucket(5, 1, 1h)), fixed(100, 24h)};
  const Answer answer = client.check("key", policy, {.cost = Units(3)});
  EXPECT_TRUE(answer.allowed());
  EXPECT_EQ(answer.granted, Units(3));
  EXPECT_EQ(answer.limit, Units(5));
  EXPECT_EQ(answer.remaining, Units(2));
  EXPECT_EQ(answer.label, "burst");
  EXPECT_EQ(answer.source, Source::server);
  const Answer denied = client.check("key", policy, {.cost = Units(3)});
  EXPECT_EQ(denied.outcome, Outcome::denied);
  EXPECT_GT(denied.wait, 0ms);
  EXPECT_LE(denied.wait, 1h);
  EXPECT_EQ(client.check("key", policy, {.cost = Units(6)}).outcome, Outcome::never);
}

TEST(Client, KnowsAllAlgorithmsAndOptions) {
  const Server server;
  Client client(options_for(server.endpoint()));
  const std::vector<LimitSpec> limits{token_bucket(9, 1, 1h),       leaky_bucket(9, 1, 1h), fixed(9, 1h),
                                      fixed_aligned(9, 1h),         sliding(9, 1h),         sliding_approx(9, 1h),
                                      quota(9, CalendarUnit::year), concurrent(9, 1h)};
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const std::string key = "key" + std::to_string(i);
    const Policy policy{as("mine", per_request(limits[i]))};
    const Answer answer = client.check(key, policy, {.subject = "alice", .cost = Units(7)});
    EXPECT_EQ(answer.error, "");
    EXPECT_EQ(answer.granted, Units(7));
    EXPECT_EQ(answer.remaining, Units(8));
    EXPECT_EQ(answer.label, "mine");
    EXPECT_EQ(client.peek(key, policy, {.subject = "bob"}).remaining, Units(9));
  }
}

TEST(Client, KnowsAllModes) {
  const Server server;
  Client client(options_for(server.endpoint()));
  const Policy policy{token_bucket(10, 10, 1h)};
  EXPECT_EQ(client.check("key", policy, {.cost = Units(15), .mode = Mode::partial}).granted, Units(10));
  const Answer turn = client.check("key", policy, {.cost = Units(5), .mode = Mode::may_wait, .longest_wait = 1h});
  EXPECT_TRUE(turn.allowed());
  EXPECT_GT(turn.wait, 20min);
  EXPECT_TRUE(client.check("other", policy, {.cost = Units(50), .mode = Mode::force}).allowed());
}

TEST(Client, PeeksWithoutTaking) {
  const Server server;
  Client client(options_for(server.endpoint()));
  EXPECT_EQ(client.peek("key", Policy::stored()).source, Source::error) << "there is no such limiter";
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.peek("key", kTen).remaining, Units(10));
  EXPECT_EQ(server.reply_to({"EXISTS", "key"}).integer, 0);
}

TEST(Client, SettlesWhatItReserved) {
  const Server server;
  Client client(options_for(server.endpoint()));
  const Answer hold = client.reserve("key", 1min, kTen, {.cost = Units(6)});
  ASSERT_TRUE(hold.allowed());
  EXPECT_EQ(hold.id.size(), 32U);
  const Answer settled = client.settle("key", hold.id, Units(2), kTen);
  EXPECT_TRUE(settled.was_held);
  EXPECT_EQ(settled.remaining, Units(8));
  EXPECT_FALSE(client.settle("key", hold.id, Units(0), kTen).was_held);
  EXPECT_EQ(client.reserve("key", 1min, kTen, {.cost = Units(99), .id = "mine"}).id, "");
  EXPECT_EQ(client.reserve("new", 1min, kTen, {.cost = Units(99), .id = "mine"}).granted, Units(10))
      << "an estimate is cut";
}

TEST(Client, RefundsAndReleases) {
  const Server server;
  Client client(options_for(server.endpoint()));
  static_cast<void>(client.check("key", kTen, {.cost = Units(4)}));
  EXPECT_EQ(client.refund("key", Units(9)).granted, Units(4));
  const Policy one{concurrent(1, 1h)};
  const Answer lease = client.check("export", one, {.id = "worker-1"});
  EXPECT_EQ(lease.id, "worker-1");
  EXPECT_FALSE(client.check("export", one, {.id = "worker-2"}).allowed());
  EXPECT_TRUE(client.release("export", "worker-1").was_held);
  EXPECT_FALSE(client.release("export", "worker-1").was_held);
  EXPECT_TRUE(client.check("export", one, {.id = "worker-2"}).allowed());
}

TEST(Client, CallsALimiterByItsName) {
  const Server server;
  Client client(options_for(server.endpoint()));
  static_cast<void>(server.reply_to({"RL.DEFINE", "api", "FIXED", "2", "1h", "AS", "stored"}));
  EXPECT_EQ(client.check("api", Policy::stored(), {.subject = "alice"}).label, "stored");
  EXPECT_EQ(client.check("api", Policy::stored(), {.subject = "bob"}).remaining, Units(1));
}

TEST(Client, LogsInAndChoosesADatabase) {
  const Server server({"--requirepass", "secret"});
  Options options = options_for(server.endpoint());
  options.node.login = {.user = "default", .password = "secret", .database = 3};
  EXPECT_TRUE(Client(options).check("key", kTen).allowed());
  options.node.login.password = "wrong";
  const Answer answer = Client(options).check("key", kTen);
  EXPECT_EQ(answer.failure, Failure::server_error);
  EXPECT_EQ(answer.error.substr(0, 10), "WRONGPASS ");
  options.node.login = {};
  EXPECT_EQ(Client(options).check("key", kTen).failure, Failure::server_error) << "NOAUTH";
}

TEST(Client, RefusesAUserWithoutAPassword) {
  Options options;
  options.node.login.user = "lim";
  EXPECT_THROW(Client{options}, std::invalid_argument) << "the server would take it for the user default";
}

// --- errors ------------------------------------------------------------------------------------------

TEST(Client, TellsTheCallersErrorsAndGoesOn) {
  const Server server;
  Options options = options_for(server.endpoint());
  options.without_server = Without::fail_open;
  options.node.breaker.failures = 1;
  options.node.breaker.lasting = {};
  Client client(options);
  static_cast<void>(server.reply_to({"SET", "text", "x"}));
  const std::string long_name(2000, 'x');
  const std::array wrong{client.check("text", kTen),
                         client.check("key", Policy::stored()),
                         client.check("key", kTen, {.subject = long_name}),
                         client.check("key", kTen, {.cost = Units(0)}),
                         client.check("key", kTen, {.mode = Mode::may_wait, .longest_wait = 1us}),
                         client.reserve("key", 1us, kTen, {})};
  for (const Answer& answer : wrong) {
    EXPECT_EQ(answer.source, Source::error);
    EXPECT_FALSE(answer.error.empty());
    EXPECT_FALSE(answer.allowed());
    EXPECT_EQ(answer.failure, Failure::none);
  }
  EXPECT_EQ(client.breaker(), CircuitBreaker::State::closed);
  EXPECT_EQ(client.counts().answered_by(Source::error), wrong.size());
}

TEST(Client, TakesAServerWithoutTheModuleForNone) {
  const Server server({}, false);
  Options options = options_for(server.endpoint());
  options.node.breaker.failures = 2;
  options.node.breaker.lasting = {};
  Client client(options);
  EXPECT_EQ(client.check("key", kTen).failure, Failure::server_error);
  EXPECT_NE(client.check("key", kTen).error.find("unknown command"), std::string::npos);
  EXPECT_EQ(client.breaker(), CircuitBreaker::State::open);
  EXPECT_EQ(client.check("key", kTen).failure, Failure::left_alone);
}

// --- denials -----------------------------------------------------------------------------------------

TEST(RememberedDenials, CostTheServerNothing) {
  std::atomic<int> commands{0};
  const Actor server([&](Peer& peer) {
    while (peer.command()) {
      ++commands;
      peer.say(kDenied);
    }
  });
  Client client(options_for(server.endpoint()));
  for (int i = 0; i < 1000; ++i) {
    const Answer answer = client.check("key", kTen);
    EXPECT_EQ(answer.outcome, Outcome::denied);
    EXPECT_GT(answer.wait, 0ms);
    EXPECT_LE(answer.wait, 1h);
  }
  EXPECT_EQ(commands, 1);
  EXPECT_EQ(client.counts().denied_by(Source::remembered), 999U);
  EXPECT_EQ(client.check("key", kTen, {.subject = "alice"}).source, Source::server);
  EXPECT_EQ(client.check("key", kTen, {.cost = Units(2)}).source, Source::server);
  EXPECT_EQ(client.check("key", {fixed(11, 1h)}).source, Source::server);
}

TEST(RememberedDenials, NeverDenyACheaperCall) {
  const Server server;
  Client client(options_for(server.endpoint()));
  static_cast<void>(client.check("key", kTen, {.cost = Units(8)}));
  EXPECT_FALSE(client.check("key", kTen, {.cost = Units(5)}).allowed());
  EXPECT_EQ(client.check("key", kTen, {.cost = Units(5)}).source, Source::remembered);
  EXPECT_TRUE(client.check("key", kTen, {.cost = Units(2)}).allowed());
}

TEST(RememberedDenials, AreOverWhenTheirWaitIs) {
  const Server server;
  Client client(options_for(server.endpoint()));
  const Policy policy{token_bucket(1, 1, 300ms)};
  EXPECT_TRUE(client.check("key", policy).allowed());
  Answer answer = client.check("key", policy);
  // Whoever waits as long as he is told is granted: by the server, since nothing else happens.
  for (int i = 0; i < 3; ++i) {
    while (!answer.allowed()) {
      std::this_thread::sleep_for(answer.wait);
      answer = client.check("key", policy);
      EXPECT_EQ(answer.source, Source::server);
    }
    answer = client.check("key", policy);
  }
}

TEST(RememberedDenials, AreForgottenWhenUnitsComeBack) {
  const Server server;
  Client client(options_for(server.endpoint()));
  static_cast<void>(client.check("key", kTen, {.cost = Units(10)}));
  EXPECT_FALSE(client.check("key", kTen).allowed());
  EXPECT_EQ(client.refund("key", Units(1)).granted, Units(1));
  EXPECT_TRUE(client.check("key", kTen).allowed());
}

TEST(RememberedDenials, OfLeasesAreNotRemembered) {
  const Server server;
  Client client(options_for(server.endpoint()));
  static_cast<void>(server.reply_to({"RL.DEFINE", "export", "CONCURRENT", "1", "1h", "AS", "slots"}));
  const Answer lease = client.check("export", Policy::stored());
  EXPECT_FALSE(client.check("export", Policy::stored()).allowed());
  static_cast<void>(server.reply_to({"RL.RELEASE", "export", lease.id}));
  EXPECT_TRUE(client.check("export", Policy::stored()).allowed());
}

TEST(RememberedDenials, CanBeSwitchedOff) {
  const Server server;
  Options options = options_for(server.endpoint());
  options.most_denials = 0;
  Client client(options);
  static_cast<void>(client.check("key", kTen, {.cost = Units(10)}));
  EXPECT_FALSE(client.check("key", kTen).allowed());
  static_cast<void>(server.reply_to({"DEL", "key"}));
  EXPECT_TRUE(client.check("key", kTen).allowed());
}

// --- many threads ------------------------------------------------------------------------------------

TEST(Client, IsSharedByManyThreads) {
  const Server server;
  Options options = options_for(server.endpoint());
  options.node.most_connections = 3;
  Client client(options);
  const Policy policy{fixed(500, 1h)};
  std::atomic<int> granted{0};
  std::vector<std::jthread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) granted += client.check("key", policy).allowed() ? 1 : 0;
    });
  }
  threads.clear();
  EXPECT_EQ(granted, 500);
  const Counts counts = client.counts();
  EXPECT_EQ(counts.calls(), 800U);
  EXPECT_EQ(counts.granted_by(Source::server), 500U);
  EXPECT_EQ(counts.denied_by(Source::server) + counts.denied_by(Source::remembered), 300U);
  EXPECT_LE(counts.of(Event::connected), 3U);
}

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
