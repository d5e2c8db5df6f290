// SPDX-License-Identifier: MIT
// What the client says of a server that is well.
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

TEST(Client, DefinesALimiter) {
  const Server server;
  Client client(options_for(server.endpoint()));
  EXPECT_TRUE(client.define("api", "FIXED 2 1h AS stored").allowed());
  EXPECT_EQ(client.check("api", Policy::stored(), {.subject = "alice"}).label, "stored");
  EXPECT_TRUE(client.define("api", "QUOTA 1 MONTH TZ Europe/Berlin", true).allowed());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(client.check("api", Policy::stored(), {.subject = "alice"}).allowed());
  const Answer wrong = client.define("api", "FIXED 0 1h 2");
  EXPECT_EQ(wrong.source, Source::error);
  EXPECT_FALSE(wrong.allowed());
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
  EXPECT_EQ(answer.source, Source::error) << "a mistake, for which nobody is let through";
  EXPECT_FALSE(answer.allowed());
  EXPECT_EQ(answer.error.substr(0, 10), "WRONGPASS ");
  options.node.login = {};
  EXPECT_EQ(Client(options).check("key", kTen).source, Source::error) << "NOAUTH";
}

TEST(Client, LetsNobodyThroughUntilALoginThatWasRefusedIsMended) {
  const Server server({"--requirepass", "secret"});
  Options options = options_for(server.endpoint());
  options.node.login.password = "mended";
  options.without_server = Without::fail_open;
  options.node.reconnect = {.first = 50ms, .longest = 100ms};
  Client client(options);
  const Elapsed elapsed;
  for (int i = 0; i < 1000; ++i) {  // most of them in the pause after a connection that failed
    const Answer answer = client.check("key", kTen);
    ASSERT_EQ(answer.source, Source::error);
    ASSERT_FALSE(answer.allowed());
    ASSERT_EQ(answer.error.substr(0, 10), "WRONGPASS ");
  }
  EXPECT_FALSE(client.wait_for_server(kPatience)) << "at once";
  const auto pauses = static_cast<std::uint64_t>(elapsed.time() / 25ms);  // half of the first pause is the shortest
  EXPECT_LE(client.counts().of(Event::connected), pauses + 3);
  EXPECT_EQ(client.breaker(), CircuitBreaker::State::closed);
  const Login right{.user = {}, .password = "secret"};
  const Command mend{"CONFIG", "SET", "requirepass", "mended"};
  const Reply mended =
      inquire(server.endpoint(), {right, {}}, mend, std::chrono::steady_clock::now() + kPatience, [] { return false; });
  ASSERT_EQ(mended.text, "OK");
  eventually([&] { return client.check("key", kTen).source == Source::server; }, "the login to succeed");
}

TEST(Client, LetsNobodyThroughIfTheNextLoginIsNotAnsweredInTime) {
  std::atomic<int> logins{0};
  const Actor server(refuses_one_login(logins));
  Client client(options_of_refused(server.endpoint()));
  eventually([&] { return client.check("key", kTen).source == Source::error; }, "the login to be refused");
  while (logins < 2) EXPECT_EQ(client.check("key", kTen).source, Source::error);
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

TEST(Client, LetsNobodyThroughIfTheServerLacksTheModule) {
  const Server server({}, false);
  Options options = options_for(server.endpoint());
  options.node.breaker.failures = 2;
  options.node.breaker.lasting = {};
  Client client(options);
  for (int i = 0; i < 3; ++i) {
    const Answer answer = client.check("key", kTen);
    EXPECT_EQ(answer.source, Source::error);
    EXPECT_FALSE(answer.allowed());
    EXPECT_NE(answer.error.find("unknown command"), std::string::npos);
  }
  EXPECT_EQ(client.breaker(), CircuitBreaker::State::closed) << "the server does answer";
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

}  // namespace
}  // namespace ratelimit::client::tests
