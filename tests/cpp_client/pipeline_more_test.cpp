// SPDX-License-Identifier: MIT
// What a pipeline does besides single checks: several keys at once, leases, refunds, a deadline of the call's own; and how it
// notices that a server has closed its connection.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "pipelines.h"
#include "ratelimit/client.h"
#include "ratelimit/client/pipeline.h"
#include "servers.h"

namespace ratelimit::client::tests {
namespace {

const Policy kFive{fixed(5, 1h)};
/// Nothing flows back while a test lasts.
const Policy kThousand{token_bucket(1000, 1, 24h)};

Answer check_all(Client& client, const std::vector<Part>& parts, const Call& call = {}) {
  Pipeline pipeline(client);
  Answers answers;
  pipeline.check_all(parts, call, answers.take());
  pipeline.wait();
  return answers.all.at(0);
}

// --- several keys ------------------------------------------------------------------------------------

TEST(CheckAll, ChargesAllKeysOrNone) {
  const Server server;
  Client client(options_for(server.endpoint()));
  const std::vector<Part> parts{{"user", "bob", kTen, Units(3)}, {"team", {}, kFive, Units(2)}};
  EXPECT_TRUE(check_all(client, parts).allowed());
  const Answer second = client.check_all(parts);
  EXPECT_TRUE(second.allowed());
  EXPECT_EQ(second.granted, Units(3)) << "the largest of the costs";
  const Answer third = check_all(client, parts);
  EXPECT_FALSE(third.allowed());
  ASSERT_EQ(third.each.size(), 2U);
  EXPECT_TRUE(third.each[0].allowed()) << "the user alone would be let through";
  EXPECT_FALSE(third.each[1].allowed());
  EXPECT_EQ(client.peek("user", kTen, {.subject = "bob"}).remaining, Units(4)) << "a denied call takes nothing";
}

TEST(CheckAll, OnlyLooksAtAKeyThatCostsNothing) {
  const Server server;
  Client client(options_for(server.endpoint()));
  const Answer answer = client.check_all(std::vector<Part>{{"a", {}, kTen, Units(4)}, {"b", {}, kFive, Units(0)}});
  EXPECT_TRUE(answer.allowed());
  EXPECT_EQ(answer.each.at(1).remaining, Units(5));
  EXPECT_TRUE(answer.each.at(1).allowed());
  EXPECT_TRUE(client.check_all(std::vector<Part>{{"a", {}, kTen, Units(0)}}).allowed());
}

TEST(CheckAll, RefusesWrongCallsItself) {
  const Server server;
  Client client(options_for(server.endpoint()));
  const Policy stored = Policy::stored();
  const Policy two{fixed(1, 1h), fixed(2, 2h)};
  EXPECT_EQ(client.check_all({}).error, "a call has 1 to 64 parts");
  EXPECT_EQ(client.check_all(std::vector<Part>{{"a", {}, kTen}, {"b", {}, stored}}).error,
            "either all parts are limiters, or none is");
  EXPECT_EQ(client.check_all(std::vector<Part>{{"a", {}, two}}).error, "a part has one limit");
  EXPECT_EQ(client.check_all(std::vector<Part>(65, Part{"a", {}, kTen})).error, "a call has 1 to 64 parts");
}

TEST(CheckAll, IsDecidedByTheShareOfThisProcessWithoutAServer) {
  Options options = options_for({.port = 1});
  options.deadline = 100ms;
  options.without_server = Without::local;
  options.share = {1, 2};
  Client client(options);
  const std::vector<Part> parts{{"user", "bob", kTen, Units(1)}, {"team", {}, kFive, Units(1)}};
  EXPECT_TRUE(check_all(client, parts).allowed());
  EXPECT_TRUE(check_all(client, parts).allowed());
  const Answer third = check_all(client, parts);
  EXPECT_FALSE(third.allowed()) << "half of five";
  EXPECT_EQ(third.source, Source::local);
  EXPECT_TRUE(third.each.empty());
  EXPECT_EQ(client.peek("user", kTen, {.subject = "bob"}).remaining, Units(3)) << "a denied call takes nothing";
}

// --- leases ------------------------------------------------------------------------------------------

TEST(PipelineLeases, ServeWithoutTheServer) {
  const Server server;
  Client client(with_leases(server, 1min));
  Pipeline pipeline(client);
  Answers answers;
  for (int i = 0; i < 50; ++i) {
    pipeline.check("key", kThousand, {.lease = Units(50)}, answers.take());
    pipeline.wait();
  }
  ASSERT_EQ(answers.all.size(), 50U);
  EXPECT_EQ(answers.all[0].source, Source::server);
  EXPECT_EQ(answers.all[0].granted, Units(1));
  for (std::size_t i = 1; i < 50; ++i) EXPECT_EQ(answers.all[i].source, Source::lease) << i;
  EXPECT_EQ(client.peek("key", kThousand).remaining, Units(950));
}

TEST(PipelineLeases, ThatTurnOutTooSmallAreRefundedAndTheCallIsMadeAgain) {
  const Server server;
  Client client(with_leases(server, 1min));
  Pipeline pipeline(client);
  Answers answers;
  pipeline.check("key", kTen, {.cost = Units(8)}, answers.take());
  pipeline.check("key", kTen, {.cost = Units(4), .lease = Units(9)}, answers.take());
  pipeline.wait();
  ASSERT_EQ(answers.all.size(), 2U);
  EXPECT_FALSE(answers.all[1].allowed());
  EXPECT_GT(answers.all[1].wait, 0ms);
  client.close_leases();
  EXPECT_EQ(client.peek("key", kTen).remaining, Units(2)) << "what was taken came back";
}

TEST(PipelineLeases, GrantNoMoreThanTheLimitTogether) {
  const Server server;
  Client client(with_leases(server, 1min));
  Pipeline one(client);
  Pipeline two(client);
  int granted = 0;
  for (int i = 0; i < 1500; ++i) {
    Pipeline& pipeline = i % 2 == 0 ? one : two;
    pipeline.check("key", kThousand, {.lease = Units(70)},
                   [&](const Answer& answer) { granted += answer.allowed() ? 1 : 0; });
    if (i % 50 == 0) {
      one.wait();
      two.wait();
    }
  }
  one.wait();
  two.wait();
  EXPECT_LE(granted, 1000);
  EXPECT_GE(granted, 930) << "at most a lease is left over";
}

// --- the rest ----------------------------------------------------------------------------------------

TEST(Pipeline, RefundsUnits) {
  const Server server;
  Client client(options_for(server.endpoint()));
  Pipeline pipeline(client);
  Answers answers;
  pipeline.check("key", kTen, {.subject = "bob", .cost = Units(6)}, answers.take());
  pipeline.refund("key", Units(4), "bob", answers.take());
  pipeline.wait();
  EXPECT_EQ(answers.all.at(1).granted, Units(4));
  EXPECT_EQ(client.peek("key", kTen, {.subject = "bob"}).remaining, Units(8));
}

TEST(Pipeline, AnswersACallAtItsOwnDeadline) {
  const Actor server([](Peer& peer) {
    if (peer.command()) peer.say(kGranted);
    peer.hold();
  });
  Client client(options_for(server.endpoint()));
  Pipeline pipeline(client);
  Answers answers;
  pipeline.check("key", kTen, {}, answers.take());  // connects
  pipeline.wait();
  const Elapsed elapsed;
  pipeline.check("key", kTen, {.deadline = 20ms}, answers.take());
  pipeline.wait();
  EXPECT_EQ(answers.all.at(1).failure, Failure::timeout);
  EXPECT_GE(elapsed.time(), 20ms);
  EXPECT_LT(elapsed.time(), kPatience);
}

TEST(Pipeline, NoticesThatAnIdleConnectionWasClosedAndLosesNoCall) {
  const Server server;
  Client client(options_for(server.endpoint()));
  Pipeline pipeline(client);
  Answers answers;
  pipeline.check("key", kTen, {}, answers.take());
  pipeline.wait();
  said_by(server.endpoint(), {"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
  const auto is_noticed = [&] {
    pipeline.work();
    std::vector<pollfd> files;
    pipeline.watch(files);
    return files.empty();
  };
  eventually(is_noticed, "the end of the connection");
  EXPECT_GT(pipeline.next_work(), std::chrono::steady_clock::now()) << "a loop of events may rest";
  pipeline.check("key", kTen, {}, answers.take());
  pipeline.wait();
  EXPECT_EQ(answers.all.at(1).source, Source::server);
}

}  // namespace
}  // namespace ratelimit::client::tests
