// SPDX-License-Identifier: MIT
// Servers that are slow, gone, restarted, full, or that answer garbage.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "ratelimit/client.h"
#include "servers.h"

namespace ratelimit::client::tests {
namespace {

using State = CircuitBreaker::State;

/// A breaker that opens at once and stays open as long as a test takes; or one that is never in the way.
CircuitBreaker::Settings opens_after(std::uint64_t failures) {
  return {.failures = failures, .lasting = {}, .pause = {.first = 1h, .longest = 1h}};
}

Options quick(Endpoint endpoint, Without without_server = Without::fail_closed) {
  Options options = options_for(std::move(endpoint));
  options.deadline = 20ms;
  options.without_server = without_server;
  options.node.breaker = opens_after(1'000'000);
  options.node.reconnect = {.first = 1ms, .longest = 2ms};
  return options;
}

void silent(Peer& peer) { peer.hold(); }

// --- slow --------------------------------------------------------------------------------------------

/// A client that is connected.
struct Connected {
  explicit Connected(const Options& options) : client(options) { EXPECT_TRUE(client.wait_for_server(kPatience)); }
  Client client;
};

TEST(SlowServer, IsWaitedForNoLongerThanTheDeadline) {
  const Actor server(silent);
  Connected connected(quick(server.endpoint()));
  Client& client = connected.client;
  const Time before = std::chrono::steady_clock::now();
  const Answer answer = client.check("key", kTen);
  EXPECT_GE(std::chrono::steady_clock::now() - before, 20ms);
  EXPECT_EQ(answer.failure, Failure::timeout);
  EXPECT_EQ(answer.source, Source::fail_closed);
  EXPECT_EQ(answer.wait, 1000ms);
}

TEST(SlowServer, HasTenMillisecondsUnlessSaidOtherwise) {
  EXPECT_EQ(Options{}.deadline, 10ms);
  const Actor server(silent);
  Connected connected({.servers = {server.endpoint()}});
  const Answer answer = connected.client.check("key", kTen);
  EXPECT_EQ(answer.failure, Failure::timeout);
  EXPECT_TRUE(answer.allowed()) << "fail open is what is done unless said otherwise";
}

TEST(SlowServer, MustBeGivenTime) {
  for (const Span none : {Span{}, Span{-1}}) {
    EXPECT_THROW(Client({.deadline = none}), std::invalid_argument);
  }
}

TEST(SlowServer, IsNotGivenMoreTimeByEachByteThatItSends) {
  std::atomic<bool> ends{false};
  const Actor server([&](Peer& peer) {
    static_cast<void>(peer.command());
    while (!ends) {  // each byte comes long before the deadline
      peer.say("*1\r\n");
      std::this_thread::sleep_for(2ms);
    }
  });
  Options options = quick(server.endpoint());
  options.deadline = 100ms;
  {
    Connected connected(options);
    EXPECT_NE(connected.client.check("key", kTen).failure, Failure::none);
  }
  ends = true;
}

TEST(SlowServer, KeepsItsConnectionAndNeverAnswersAnotherCallWithALateReply) {
  // Each reply names the key that it is for. The first ones are held back until the deadlines of their calls are over.
  std::atomic<bool> replies{false};
  const Actor server([&](Peer& peer) {
    while (const auto command = peer.command()) {
      while (!replies) std::this_thread::sleep_for(1ms);
      peer.say("*6\r\n:1\r\n:10\r\n:9\r\n:0\r\n:1000\r\n$1\r\n" + command->substr(9, 1) + "\r\n");
    }
  });
  Connected connected(quick(server.endpoint()));
  const Elapsed elapsed;
  Client& client = connected.client;
  for (const char* key : {"a", "b", "c"}) EXPECT_EQ(client.check(key, kTen).failure, Failure::timeout);
  replies = true;
  for (const char* key : {"d", "e"}) {
    Answer answer;
    eventually([&] { return (answer = client.check(key, kTen)).failure == Failure::none; }, "an answer");
    EXPECT_EQ(answer.label, key);
  }
  EXPECT_TRUE(server.connections() == 1 || elapsed.may_cost_connections());
}

TEST(SlowServer, IsNotSentMoreThanItMayOweOnOneConnection) {
  std::atomic<int> commands{0};
  const Actor server([&](Peer& peer) {
    while (peer.command()) ++commands;
  });
  Options options = quick(server.endpoint());
  options.deadline = 1ms;
  options.node.most_connections = 1;
  Connected connected(options);
  for (int i = 0; i < 200; ++i) static_cast<void>(connected.client.check("key", kTen));
  const auto most = static_cast<int>(Connection::kMostLate) + 1;
  EXPECT_LE(commands, most * server.connections()) << "then another connection is made";
}

TEST(SlowServer, IsLeftAloneAfterSomeFailures) {
  const Actor server(silent);
  Options options = quick(server.endpoint());
  options.node.breaker = opens_after(3);
  Connected connected(options);
  const Elapsed elapsed;
  Client& client = connected.client;
  for (int i = 0; i < 4 && client.breaker() == State::closed; ++i) {
    EXPECT_EQ(client.check("key", kTen).failure, Failure::timeout);
  }
  EXPECT_EQ(client.breaker(), State::open);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(client.check("key", kTen).failure, Failure::left_alone);
  EXPECT_EQ(client.counts().of(Event::breaker_opened), 1U);
  EXPECT_TRUE(server.connections() == 1 || elapsed.may_cost_connections());
}

TEST(SlowServer, HasNoMoreConnectionsThanItMayHave) {
  const Actor server(silent);
  Options options = quick(server.endpoint());
  options.node.most_connections = 2;
  Client client(options);
  std::vector<std::jthread> threads;
  for (int t = 0; t < 10; ++t) threads.emplace_back([&] { static_cast<void>(client.check("key", kTen)); });
  threads.clear();
  const Counts counts = client.counts();
  EXPECT_EQ(counts.of(Failure::timeout) + counts.of(Failure::busy) + counts.of(Failure::refused), 10U);
  EXPECT_LE(server.connections(), 2);
}

TEST(SlowServer, MayChargeACallThatIsNotAnswered) {
  const Server server;
  Options options = quick(server.endpoint());
  options.deadline = kPatience;
  Client client(options);
  EXPECT_EQ(client.check("key", kTen).remaining, Units(9));
  Connected connected(quick(server.endpoint()));
  Client& hurried = connected.client;
  server.pause();
  EXPECT_EQ(hurried.check("key", kTen).failure, Failure::timeout);
  server.go_on();
  const Answer after = client.check("key", kTen);
  EXPECT_TRUE(after.remaining == Units(7) || after.remaining == Units(8))
      << "once, or not at all, and never asked again";
}

TEST(SlowServer, ThatConnectsSlowlyIsReachedInTheEnd) {
  // The greeting takes longer than a deadline. No deadline ends it.
  std::atomic<bool> greets{false};
  const Actor server([&](Peer& peer) {
    static_cast<void>(peer.command());
    while (!greets) std::this_thread::sleep_for(1ms);
    peer.say("+OK\r\n");
    while (peer.command()) peer.say(kGranted);
  });
  Options options = quick(server.endpoint());
  options.node.login.password = "secret";
  Client client(options);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(client.check("key", kTen).failure, Failure::refused);
  greets = true;
  eventually([&] { return client.check("key", kTen).source == Source::server; }, "the connection");
  EXPECT_EQ(server.connections(), 1);
}

// --- gone --------------------------------------------------------------------------------------------

TEST(GoneServer, LetsEveryCallThroughIfThatIsTheChoice) {
  Client client(quick({.socket = "/nowhere/at/all"}, Without::fail_open));
  for (int i = 0; i < 100; ++i) {
    const Answer answer = client.check("key", kTen, {.cost = Units(3)});
    EXPECT_TRUE(answer.allowed());
    EXPECT_EQ(answer.granted, Units(3));
    EXPECT_EQ(answer.source, Source::fail_open);
  }
  EXPECT_TRUE(client.peek("key", kTen).allowed());
  EXPECT_EQ(client.counts().granted_by(Source::fail_open), 101U);
}

TEST(GoneServer, LetsNoCallThroughIfThatIsTheChoice) {
  Client client(quick({.socket = "/nowhere/at/all"}, Without::fail_closed));
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(client.check("key", kTen).allowed());
  EXPECT_EQ(client.counts().denied_by(Source::fail_closed), 100U);
}

TEST(GoneServer, LeavesTheShareOfTheLimitIfThatIsTheChoice) {
  Options options = quick({.socket = "/nowhere/at/all"}, Without::local);
  options.share = {1, 4};
  Client client(options);
  const Policy policy{fixed(20, 1h)};
  int granted = 0;
  for (int i = 0; i < 100; ++i) granted += client.check("key", policy, {.subject = "alice"}).allowed() ? 1 : 0;
  EXPECT_EQ(granted, 5);
  EXPECT_EQ(client.check("key", policy, {.subject = "alice"}).label, "fixed");
  EXPECT_TRUE(client.check("key", policy, {.subject = "bob"}).allowed());
  EXPECT_FALSE(client.check("key", Policy::stored()).allowed()) << "nobody knows those limits";
  EXPECT_EQ(client.counts().of(Event::local_undecided), 1U);
}

TEST(GoneServer, LeavesHoldsToBeSettledHere) {
  Client client(quick({.socket = "/nowhere/at/all"}, Without::local));
  const Answer hold = client.reserve("key", 1min, kTen, {.cost = Units(8)});
  EXPECT_TRUE(hold.allowed());
  EXPECT_EQ(hold.source, Source::local);
  const Answer settled = client.settle("key", hold.id, Units(3), kTen);
  EXPECT_TRUE(settled.was_held);
  EXPECT_EQ(settled.source, Source::nobody);
  EXPECT_EQ(client.peek("key", kTen).remaining, Units(7));
  EXPECT_EQ(client.refund("key", Units(1)).source, Source::nobody);
  EXPECT_EQ(client.release("key", "id").source, Source::nobody);
  EXPECT_EQ(client.define("key", "FIXED 1 1s").source, Source::nobody);
  EXPECT_FALSE(client.define("key", "FIXED 1 1s").allowed());
}

TEST(GoneServer, IsNotConnectedToByEveryCall) {
  Options options = quick({.socket = "/nowhere/at/all"});
  options.node.reconnect = {.first = 1h, .longest = 1h};
  options.deadline = kPatience;
  Client client(options);
  EXPECT_EQ(client.check("key", kTen).failure, Failure::refused);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(client.check("key", kTen).failure, Failure::left_alone);
  EXPECT_EQ(client.counts().of(Event::connected), 1U);
}

// --- restarted ---------------------------------------------------------------------------------------

TEST(RestartedServer, IsFoundAgainAndTheBreakerCloses) {
  Server server;
  Options options = quick(server.endpoint(), Without::local);
  options.deadline = kPatience;
  options.node.breaker = {.failures = 2, .lasting = {}, .pause = {.first = 1ms, .longest = 5ms}};
  Client client(options);
  EXPECT_EQ(client.check("key", kTen).source, Source::server);
  server.kill();
  eventually([&] { return client.check("key", kTen).failure == Failure::left_alone; }, "the breaker to open");
  EXPECT_NE(client.breaker(), State::closed);
  server.start();
  eventually([&] { return client.check("other", kTen).source == Source::server; }, "the server to be found again");
  EXPECT_EQ(client.breaker(), State::closed);
  EXPECT_EQ(client.check("key", kTen).source, Source::server);
}

TEST(RestartedServer, CostsNoCallIfNobodyAskedMeanwhile) {
  Server server;
  Client client(options_for(server.endpoint()));
  EXPECT_EQ(client.check("key", kTen).source, Source::server);
  server.kill();
  server.start();
  EXPECT_EQ(client.check("key", kTen).source, Source::server) << "the old connection is not tried";
  EXPECT_EQ(client.counts().of(Event::connected), 2U);
}

// --- full --------------------------------------------------------------------------------------------

TEST(FullServer, IsOneThatDoesNotAnswer) {
  const Server server({"--maxmemory", "1", "--maxmemory-policy", "noeviction"});
  Options options = options_for(server.endpoint());
  options.without_server = Without::local;
  options.node.breaker = opens_after(3);
  Client client(options);
  for (int i = 0; i < 3; ++i) {
    const Answer answer = client.check("key", kTen);
    EXPECT_EQ(answer.failure, Failure::server_error);
    EXPECT_EQ(answer.error.substr(0, 4), "OOM ");
    EXPECT_EQ(answer.source, Source::local);
    EXPECT_EQ(answer.remaining, Units(9 - i));
  }
  EXPECT_EQ(client.breaker(), State::open);
}

TEST(FullServer, AnswersAgainWhenThereIsRoom) {
  const Server server({"--maxmemory", "1", "--maxmemory-policy", "noeviction"});
  Options options = options_for(server.endpoint());
  options.node.breaker = {.failures = 1, .lasting = {}, .pause = {.first = 1ms, .longest = 2ms}};
  Client client(options);
  EXPECT_FALSE(client.check("key", kTen).allowed());
  static_cast<void>(server.reply_to({"CONFIG", "SET", "maxmemory", "0"}));
  eventually([&] { return client.check("key", kTen).allowed(); }, "the server to be asked again");
}

// --- garbage -----------------------------------------------------------------------------------------

TEST(Garbage, IsNoAnswer) {
  for (const std::string_view said :
       {"HTTP/1.1 400 Bad Request\r\n\r\n", "+OK\r\n", ":1\r\n", "$-1\r\n", "*-1\r\n", "*0\r\n",
        "*6\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n", "*6\r\n:5\r\n:10\r\n:9\r\n:0\r\n:0\r\n$1\r\nx\r\n",
        "*2147483647\r\n", "*4294967296\r\n", "*-7\r\n", "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
        "\r\n\r\n\r\n", "%2\r\n+a\r\n+b\r\n", "-\r\n",
        "*6\r\n:1\r\n:10\r\n:9\r\n:0\r\n:0\r\n*6\r\n+a\r\n+a\r\n+a\r\n+a\r\n+a\r\n+a\r\n"}) {
    const Actor server(always(said));
    Options options = quick(server.endpoint());
    options.deadline = 500ms;  // for what may go on, and does not
    options.node.breaker = opens_after(2);
    Client client(options);
    for (int i = 0; i < 2; ++i) {
      const Answer answer = client.check("key", kTen);
      EXPECT_NE(answer.failure, Failure::none) << said;
      EXPECT_EQ(answer.source, Source::fail_closed) << said;
    }
    EXPECT_EQ(client.breaker(), State::open) << said;
  }
}

TEST(Garbage, WithoutEndIsCutOff) {
  const Actor server([](Peer& peer) {
    static_cast<void>(peer.command());
    const std::string much(1 << 16, 'x');
    peer.say("$1000000000\r\n");
    for (int i = 0; i < 4; ++i) peer.say(much);
    peer.hold();
  });
  Client client(options_for(server.endpoint()));
  EXPECT_EQ(client.check("key", kTen).failure, Failure::garbage) << "long before the deadline";
}

TEST(Garbage, AfterAnAnswerSpoilsTheConnectionAndNotTheAnswer) {
  const std::string twice = std::string(kGranted) + std::string(kDenied);
  const Actor server(always(twice));
  Client client(options_for(server.endpoint()));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(client.check("key", kTen).allowed());
  EXPECT_EQ(server.connections(), 3);
}

TEST(Garbage, MayBeAnAnswerThatBreaksOff) {
  const Actor server([](Peer& peer) {
    static_cast<void>(peer.command());
    peer.say(kGranted.substr(0, 20));
  });
  Client client(options_for(server.endpoint()));
  EXPECT_EQ(client.check("key", kTen).failure, Failure::closed);
}

TEST(Garbage, NamesNoMoreNodesThanMayBeKnown) {
  std::atomic<int> host{0};
  const Actor server([&](Peer& peer) {
    while (peer.command()) {
      const int number = ++host;
      peer.say("-MOVED 1 127.1." + std::to_string(number / 250) + "." + std::to_string(number % 250 + 1) + ":1\r\n");
    }
  });
  Options options = options_for(server.endpoint());
  options.node.breaker = opens_after(1'000'000);
  Client client(options);
  for (int i = 0; i < 1100; ++i) EXPECT_FALSE(client.check("key" + std::to_string(i), kTen).allowed());
  EXPECT_EQ(client.nodes().size(), Cluster::kMaxNodes);
}

TEST(AServerThatHangsUp, RaisesNoSignal) {
  const Actor server([](Peer&) {});
  Client client(quick(server.endpoint()));
  for (int i = 0; i < 20; ++i) EXPECT_NE(client.check("key", kTen).failure, Failure::none);
}

}  // namespace
}  // namespace ratelimit::client::tests
