// SPDX-License-Identifier: MIT
// Pipelines to servers that are late, gone, or that name another node.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "pipelines.h"
#include "ratelimit/client.h"
#include "ratelimit/client/pipeline.h"
#include "servers.h"

namespace ratelimit::client::tests {
namespace {

/// Asks about the key until the server answers.
Answer eventually_answered(Pipeline& pipeline, std::string_view key) {
  Answer answer;
  const auto is_answered = [&] {
    pipeline.check(key, kTen, {}, [&answer](Answer given) { answer = std::move(given); });
    pipeline.wait();
    return answer.source == Source::server;
  };
  eventually(is_answered, "an answer");
  return answer;
}

// --- without the server ------------------------------------------------------------------------------

TEST(LatePipeline, AnswersEachCallAtItsDeadlineAndDiscardsTheReplies) {
  std::atomic<bool> replies{true};
  const Actor server([&](Peer& peer) {
    while (const auto command = peer.command()) {
      while (!replies) std::this_thread::sleep_for(1ms);
      peer.say("*6\r\n:1\r\n:10\r\n:9\r\n:0\r\n:1000\r\n$1\r\n" + command->substr(9, 1) + "\r\n");
    }
  });
  Options options = options_for(server.endpoint());
  options.deadline = 200ms;
  Client client(options);
  Pipeline pipeline(client);
  static_cast<void>(eventually_answered(pipeline, "-"));  // connects
  replies = false;
  Answers answers;
  const Elapsed elapsed;
  for (const char* key : {"a", "b", "c"}) pipeline.check(key, kTen, {}, answers.take());
  pipeline.wait();
  EXPECT_GE(elapsed.time(), 200ms);
  ASSERT_EQ(answers.all.size(), 3U);
  for (const Answer& answer : answers.all) EXPECT_EQ(answer.failure, Failure::timeout);
  replies = true;
  EXPECT_EQ(eventually_answered(pipeline, "d").label, "d");
  EXPECT_TRUE(server.connections() == 1 || elapsed.may_cost_connections());
}

TEST(LatePipeline, GivesUpAConnectionThatStaysSilent) {
  std::atomic<int> connection{0};
  const Actor server([&](Peer& peer) {
    if (++connection == 1) return peer.hold();
    while (peer.command()) peer.say(kGranted);
  });
  Options options = options_for(server.endpoint());
  options.deadline = 50ms;
  options.node.breaker.failures = 1'000'000;
  options.node.reconnect = {.first = 1ms, .longest = 1ms};
  Client client(options);
  Pipeline pipeline(client);
  static_cast<void>(eventually_answered(pipeline, "key"));
  EXPECT_GE(server.connections(), 2);
}

TEST(LostPipeline, AnswersEachCallOnceByTheChoice) {
  for (const Without choice : {Without::fail_open, Without::fail_closed, Without::local}) {
    const Actor server([](Peer& peer) {
      for (int i = 0; i < 5 && peer.command(); ++i) peer.say(kGranted);
    });
    Options options = options_for(server.endpoint());
    options.without_server = choice;
    options.node.breaker.failures = 1'000'000;
    Client client(options);
    Answers answers;
    {
      Pipeline pipeline(client);
      for (int i = 0; i < 20; ++i) pipeline.check("key" + std::to_string(i), kTen, {}, answers.take());
    }
    ASSERT_EQ(answers.all.size(), 20U);
    for (std::size_t i = 0; i < 20; ++i) {
      EXPECT_EQ(answers.all[i].source == Source::server, i < 5);
      EXPECT_EQ(answers.all[i].allowed(), i < 5 || choice != Without::fail_closed);
    }
    EXPECT_EQ(client.counts().of(Failure::closed), 15U);
  }
}

TEST(LostPipeline, LeavesAServerThatIsGoneAlone) {
  Options options = options_for({.socket = "/nowhere/at/all"});
  options.node.reconnect = {.first = 1h, .longest = 1h};
  Client client(options);
  Pipeline pipeline(client);
  Answers answers;
  for (int i = 0; i < 100; ++i) {
    pipeline.check("key", kTen, {}, answers.take());
    pipeline.wait();
  }
  ASSERT_EQ(answers.all.size(), 100U);
  EXPECT_EQ(client.counts().of(Failure::refused), 1U);
  EXPECT_EQ(client.counts().of(Failure::left_alone), 99U);
}

TEST(LostPipeline, TrustsNothingBehindGarbage) {
  const Actor server([](Peer& peer) {
    static_cast<void>(peer.command());
    peer.say("+OK\r\n" + std::string(kGranted));
    peer.hold();
  });
  Options options = options_for(server.endpoint());
  options.node.reconnect = {.first = 1h, .longest = 1h};
  Client client(options);
  Pipeline pipeline(client);
  Answers answers;
  for (int i = 0; i < 2; ++i) pipeline.check("key", kTen, {}, answers.take());
  pipeline.wait();
  EXPECT_EQ(answers.all.at(0).failure, Failure::garbage);
  EXPECT_EQ(answers.all.at(1).failure, Failure::closed);
}

// --- redirections ------------------------------------------------------------------------------------

TEST(RedirectedPipeline, FollowsMovedAndAsk) {
  Noting noting;
  const Actor owner(noting.play(kGranted));
  const std::string port = std::to_string(owner.port());
  const Actor seed([&](Peer& peer) {
    while (const auto command = peer.command()) {
      const bool is_ask = command->find("ask") != std::string::npos;
      peer.say(std::string(is_ask ? "-ASK" : "-MOVED") + " 1 127.0.0.1:" + port + "\r\n");
    }
  });
  Client client(options_for(seed.endpoint()));
  Pipeline pipeline(client);
  Answers answers;
  pipeline.check("ask", kTen, {}, answers.take());
  pipeline.wait();
  EXPECT_EQ(noting.commands(), (std::vector<std::string>{"ASKING", "RL.CHECK ask FIXED 10 1h"}));
}

TEST(RedirectedPipeline, SendsGatheredCallsOnTogether) {
  Noting noting;
  const Actor owner(noting.play("*2\r\n:5\r\n:-1000\r\n"));
  const std::string moved =
      "-MOVED " + std::to_string(slot_of("key")) + " 127.0.0.1:" + std::to_string(owner.port()) + "\r\n";
  const Actor seed(always(moved));
  Client client(options_for(seed.endpoint()));
  Pipeline pipeline(client);
  Answers answers;
  for (const char* subject : {"x", "y"}) {
    pipeline.check("key", kTen, {.subject = subject, .brief = true}, answers.take());
  }
  pipeline.wait();
  ASSERT_EQ(answers.all.size(), 2U);
  EXPECT_EQ(answers.all[0].remaining, Units(5));
  EXPECT_EQ(answers.all[1].wait, 1s);
  EXPECT_EQ(noting.commands().size(), 1U);
}

TEST(RedirectedPipeline, GivesUpWhenItIsSentRoundInCircles) {
  std::string moved;
  const Actor seed([&](Peer& peer) {
    while (peer.command()) peer.say(moved);
  });
  moved = "-MOVED 1 127.0.0.1:" + std::to_string(seed.port()) + "\r\n";
  Client client(options_for(seed.endpoint()));
  Pipeline pipeline(client);
  Answers answers;
  pipeline.check("key", kTen, {}, answers.take());
  pipeline.wait();
  EXPECT_EQ(answers.all.at(0).failure, Failure::redirected);
}

}  // namespace
}  // namespace ratelimit::client::tests
