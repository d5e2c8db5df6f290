// SPDX-License-Identifier: MIT
// Many calls of one thread on the way at once.
#include "ratelimit/client/pipeline.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "pipelines.h"
#include "ratelimit/client.h"
#include "servers.h"

namespace ratelimit::client::tests {
namespace {

TEST(Pipeline, GivesEachCallItsOwnAnswer) {
  const Server server;
  Client client(options_for(server.endpoint()));
  Pipeline pipeline(client);
  int right = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::string key = "key" + std::to_string(i);
    pipeline.check(key, {fixed(10'000, 1h)}, {.cost = Units(i + 1)},
                   [&right, i](const Answer& answer) { right += answer.remaining == Units(10'000 - i - 1) ? 1 : 0; });
  }
  pipeline.wait();
  EXPECT_EQ(right, 1000);
  EXPECT_EQ(pipeline.pending(), 0U);
  EXPECT_EQ(client.counts().granted_by(Source::server), 1000U);
  EXPECT_EQ(client.counts().of(Event::connected), 1U);
}

TEST(Pipeline, KnowsTheCallsOfAClient) {
  const Server server;
  Client client(options_for(server.endpoint()));
  Pipeline pipeline(client);
  Answers answers;
  pipeline.reserve("key", 1min, kTen, {.cost = Units(6), .id = "job"}, answers.take());
  pipeline.settle("key", "job", Units(2), kTen, {}, answers.take());
  pipeline.check("key", kTen, {.cost = Units(3)}, answers.take());
  pipeline.peek("key", kTen, {}, answers.take());
  pipeline.check("key", kTen, {.cost = Units(0)}, answers.take());
  EXPECT_EQ(answers.all.size(), 1U) << "a call that is wrong is answered at once";
  EXPECT_EQ(answers.all[0].source, Source::error);
  pipeline.wait();
  ASSERT_EQ(answers.all.size(), 5U);
  EXPECT_EQ(answers.all[1].id, "job");
  EXPECT_TRUE(answers.all[2].was_held);
  EXPECT_EQ(answers.all[3].remaining, Units(5));
  EXPECT_EQ(answers.all[4].remaining, Units(5)) << "in the order of the calls";
}

TEST(Pipeline, LetsNobodyThroughIfTheServerRefusesTheLogin) {
  const Server server({"--requirepass", "secret"});
  Options options = options_for(server.endpoint());
  options.node.login.password = "wrong";
  options.without_server = Without::fail_open;
  options.node.reconnect = {.first = 1h, .longest = 1h};
  Client client(options);
  Pipeline pipeline(client);
  Answers answers;
  for (int i = 0; i < 3; ++i) {  // the first finds out, and the others come in the pause behind it
    pipeline.check("key", kTen, {}, answers.take());
    pipeline.wait();
  }
  ASSERT_EQ(answers.all.size(), 3U);
  for (const Answer& answer : answers.all) {
    EXPECT_EQ(answer.source, Source::error);
    EXPECT_FALSE(answer.allowed());
    EXPECT_EQ(answer.error.substr(0, 10), "WRONGPASS ");
  }
  EXPECT_EQ(client.counts().of(Event::connected), 1U);
}

TEST(Pipeline, LetsNobodyThroughIfTheNextLoginIsNotAnsweredInTime) {
  std::atomic<int> logins{0};
  const Actor server(refuses_one_login(logins));
  Client client(options_of_refused(server.endpoint()));
  Pipeline pipeline(client);
  Answer answer;
  const auto ask = [&] {
    pipeline.check("key", kTen, {}, [&answer](Answer given) { answer = std::move(given); });
    pipeline.wait();
    return answer.source;
  };
  eventually([&] { return ask() == Source::error; }, "the login to be refused");
  while (logins < 2) EXPECT_EQ(ask(), Source::error);
}

TEST(Pipeline, AnswersARememberedDenialAtOnce) {
  const Server server;
  Client client(options_for(server.endpoint()));
  Pipeline pipeline(client);
  Answers answers;
  pipeline.check("key", kTen, {.cost = Units(10)}, answers.take());
  pipeline.check("key", kTen, {}, answers.take());
  pipeline.wait();
  pipeline.check("key", kTen, {}, answers.take());
  ASSERT_EQ(answers.all.size(), 3U);
  EXPECT_EQ(answers.all[2].source, Source::remembered);
}

TEST(Pipeline, MayBeUsedByTheFunctionsThatGetAnswers) {
  const Server server;
  Client client(options_for(server.endpoint()));
  Pipeline pipeline(client);
  int left = 500;
  std::function<void(Answer)> next = [&](const Answer& answer) {
    EXPECT_EQ(answer.source, Source::server);
    if (left-- > 0) pipeline.check("key" + std::to_string(left), kTen, {}, next);
  };
  for (int i = 0; i < 100; ++i) pipeline.check("first" + std::to_string(i), kTen, {}, next);
  pipeline.wait();
  EXPECT_EQ(client.counts().calls(), 600U);
}

TEST(Pipeline, SaysWhenItIsFull) {
  std::atomic<bool> replies{false};
  const Actor server([&](Peer& peer) {
    while (peer.command()) {
      while (!replies) std::this_thread::sleep_for(1ms);
      peer.say(kGranted);
    }
  });
  Client client(options_for(server.endpoint()));
  Answers answers;
  Pipeline pipeline(client, 10);
  for (int i = 0; i < 12; ++i) pipeline.check("key", kTen, {}, answers.take());
  ASSERT_EQ(answers.all.size(), 2U);
  EXPECT_EQ(answers.all[0].failure, Failure::busy);
  EXPECT_EQ(answers.all[0].source, Source::fail_closed);
  replies = true;
  pipeline.wait();
  EXPECT_EQ(answers.all.size(), 12U);
}

TEST(Pipeline, CanBeWatchedByALoopOfEvents) {
  const Server server;
  Client client(options_for(server.endpoint()));
  Pipeline pipeline(client);
  Answers answers;
  for (int i = 0; i < 10; ++i) pipeline.check("key" + std::to_string(i), kTen, {}, answers.take());
  while (pipeline.pending() > 0) {
    pipeline.work();
    std::vector<pollfd> files;
    pipeline.watch(files);
    ASSERT_LE(files.size(), 1U);
    if (pipeline.pending() > 0) static_cast<void>(wait_for(files, pipeline.next_work()));
  }
  EXPECT_EQ(answers.all.size(), 10U);
}

TEST(Pipeline, IsOneOfManyOfOneClient) {
  const Server server;
  Client client(options_for(server.endpoint()));
  const Policy policy{fixed(500, 1h)};
  std::atomic<int> granted{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        Pipeline pipeline(client);
        for (int i = 0; i < 200; ++i) {
          pipeline.check("key", policy, {}, [&](const Answer& answer) { granted += answer.allowed() ? 1 : 0; });
          pipeline.wait_for_fewer(20);
        }
      });
    }
  }
  EXPECT_EQ(granted, 500);
  EXPECT_EQ(client.counts().calls(), 800U);
}

// --- gathering ---------------------------------------------------------------------------------------

TEST(GatheredCalls, AreDecidedAsIfEachWereAlone) {
  const Server server;
  Client client(options_for(server.endpoint()));
  Pipeline pipeline(client);
  std::map<std::string, std::vector<Answer>> answers;
  const Policy two{fixed(2, 1h)};
  for (int i = 0; i < 3; ++i) {
    for (const char* subject : {"alice", "bob", "carol"}) {
      pipeline.check("key", two, {.subject = subject, .brief = true},
                     [&answers, subject](Answer answer) { answers[subject].push_back(std::move(answer)); });
    }
  }
  pipeline.wait();
  for (const auto& [subject, all] : answers) {
    ASSERT_EQ(all.size(), 3U);
    EXPECT_EQ(all[0].remaining, Units(1));
    EXPECT_EQ(all[1].granted, Units(1));
    EXPECT_EQ(all[1].remaining, Units(0));
    EXPECT_EQ(all[2].outcome, Outcome::denied);
    EXPECT_GT(all[2].wait, 59min);
    EXPECT_EQ(all[2].source, Source::server);
  }
  Answers never;
  for (const char* subject : {"dave", "erin"}) {
    pipeline.check("key", two, {.subject = subject, .cost = Units(3), .brief = true}, never.take());
  }
  pipeline.wait();
  EXPECT_EQ(never.all.at(1).outcome, Outcome::never);
}

TEST(GatheredCalls, AreOneCommandForEachKeyPolicyAndCost) {
  Noting noting;
  const Actor server(noting.play("*2\r\n:5\r\n:5\r\n"));
  Client client(options_for(server.endpoint()));
  Pipeline pipeline(client);
  Answers answers;
  for (const char* subject : {"x", "y"}) {
    pipeline.check("a", kTen, {.subject = subject, .brief = true}, answers.take());
    pipeline.check("b", kTen, {.subject = subject, .brief = true}, answers.take());
    pipeline.check("b", kTen, {.subject = subject, .cost = Units(2), .brief = true}, answers.take());
  }
  pipeline.wait();
  EXPECT_EQ(noting.commands(),
            (std::vector<std::string>{"RL.CHECKEACH a FIXED 10 1h FOR x y", "RL.CHECKEACH b FIXED 10 1h FOR x y",
                                      "RL.CHECKEACH b FIXED 10 1h COST 2 FOR x y"}));
  EXPECT_EQ(answers.all.size(), 6U);
}

TEST(GatheredCalls, AreOnlyThoseThatWantIt) {
  Noting noting;
  const Actor server(noting.play(kGranted));
  Client client(options_for(server.endpoint()));
  Pipeline pipeline(client);
  Answers answers;
  const Policy turns{leaky_bucket(10, 1, 1h)};
  const Policy slots{concurrent(10, 1h)};
  for (const char* subject : {"x", "y"}) {
    pipeline.check("key", kTen, {.subject = subject}, answers.take());
    pipeline.check("key", kTen, {.subject = subject, .mode = Mode::partial, .brief = true}, answers.take());
    pipeline.check("key", turns, {.subject = subject, .brief = true}, answers.take());
    pipeline.check("key", slots, {.subject = subject, .brief = true}, answers.take());
    pipeline.check("key", kTen, {.brief = true}, answers.take());
    pipeline.check("key", kTen, {.subject = subject, .id = "id", .brief = true}, answers.take());
  }
  pipeline.wait();
  EXPECT_EQ(noting.commands().size(), 12U);
  for (const std::string& command : noting.commands()) EXPECT_EQ(command.substr(0, 9), "RL.CHECK ") << command;
}

TEST(GatheredCalls, ShareAnErrorOfTheirCommand) {
  const Server server;
  Client client(options_for(server.endpoint()));
  Pipeline pipeline(client);
  Answers answers;
  for (const char* subject : {"x", "y"}) {
    pipeline.check("key", Policy::stored(), {.subject = subject, .brief = true}, answers.take());
  }
  pipeline.wait();
  ASSERT_EQ(answers.all.size(), 2U);
  for (const Answer& answer : answers.all) {
    EXPECT_EQ(answer.source, Source::error);
    EXPECT_EQ(answer.error.substr(0, 9), "NOLIMITS ");
  }
}

}  // namespace
}  // namespace ratelimit::client::tests
