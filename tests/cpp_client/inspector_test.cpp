// SPDX-License-Identifier: MIT
// What the inspector tells of real servers, and of those that do not answer.
#include "ratelimit/client/inspector.h"

#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <string>
#include <utility>

#include "servers.h"
#include "two_nodes.h"

namespace ratelimit::client::tests {
namespace {

Time soon() { return std::chrono::steady_clock::now() + kPatience; }

/// All names of a walk by steps of `count`.
std::multiset<std::string> walk(Inspector& inspector, std::string_view pattern, std::size_t count) {
  std::multiset<std::string> names;
  std::optional<LimiterCursor> cursor = LimiterCursor{};
  while (cursor) {
    const auto step = inspector.limiters(*cursor, pattern, count, soon());
    EXPECT_TRUE(step.report) << step.error;
    if (!step.report) return names;
    names.insert(step.report->names.begin(), step.report->names.end());
    cursor = step.report->next;
  }
  return names;
}

TEST(Inspector, SaysWhoIsDeniedAndWhy) {
  const Server server;
  Options options = options_for(server.endpoint());
  options.most_denials = 0;  // each denial is the server's
  Client client(options);
  ASSERT_TRUE(client.define("api", "FIXED 2 1h AS total").allowed());
  for (int i = 0; i < 5; ++i) client.check("api", Policy::stored(), {.subject = "eve"});
  Inspector inspector(client);
  const auto why = inspector.info("api", "eve", soon());
  ASSERT_TRUE(why.report) << why.error;
  EXPECT_EQ(why.report->status, "denied");
  EXPECT_EQ(why.report->binding, "total");
  EXPECT_GT(*why.report->wait, 59min);
  EXPECT_EQ(why.report->limits.at(0).used, Units(2));
  const auto key = inspector.info("api", "", soon());
  ASSERT_TRUE(key.report);
  EXPECT_TRUE(key.report->is_stored);
  EXPECT_EQ(key.report->granted.times, 2);
  EXPECT_EQ(key.report->denied.times, 3);
  EXPECT_EQ(key.report->limits.at(0).limit, "FIXED 2 1h AS total");
  const auto top = inspector.top("api", 10, Top::denied, soon());
  ASSERT_TRUE(top.report && top.report->size() == 1U);
  EXPECT_EQ(top.report->at(0).subject, "eve");
  EXPECT_EQ(top.report->at(0).times, 3);
  EXPECT_TRUE(inspector.top("api", 10, Top::near, soon()).report.has_value());
  const auto log = inspector.log("api", 10, soon());
  ASSERT_TRUE(log.report && log.report->size() == 1U);
  EXPECT_EQ(log.report->at(0).label, "total");
  EXPECT_EQ(log.report->at(0).times, 3);
}

TEST(Inspector, KnowsWhatIsNotThere) {
  const Server server;
  Client client(options_for(server.endpoint()));
  Inspector inspector(client);
  EXPECT_FALSE(inspector.info("nothing", "", soon()).report->exists);
  EXPECT_TRUE(inspector.log("nothing", 10, soon()).report->empty());
  static_cast<void>(server.reply_to({"SET", "text", "x"}));
  const auto wrong = inspector.info("text", "", soon());
  EXPECT_FALSE(wrong.report);
  EXPECT_EQ(wrong.failure, Failure::none);
  EXPECT_TRUE(wrong.error.starts_with("WRONGTYPE"));
}

TEST(Inspector, WalksThroughAllLimiters) {
  const Server server;
  Client client(options_for(server.endpoint()));
  std::multiset<std::string> all;
  for (int i = 0; i < 100; ++i) {
    const std::string name = std::string("a\0b:", 4) + std::to_string(i);
    all.insert(name);
    ASSERT_TRUE(client.define(name, "FIXED 1 1h").allowed());
    static_cast<void>(server.reply_to({"SET", "text:" + std::to_string(i), "x"}));
  }
  Inspector inspector(client);
  EXPECT_EQ(walk(inspector, "", 10), all);
  EXPECT_EQ(walk(inspector, "*:7?", 1000).size(), 10U);
}

TEST(Inspector, WalksThroughAllNodesOfACluster) {
  const TwoNodes cluster;
  Client client(options_for(cluster.endpoint(1)));
  std::multiset<std::string> all;
  for (int i = 0; i < 40; ++i) {
    all.insert("{" + std::to_string(i) + "}api");
    ASSERT_TRUE(client.define("{" + std::to_string(i) + "}api", "FIXED 1 1h").allowed());
  }
  Inspector inspector(client);
  EXPECT_EQ(walk(inspector, "", 5), all);
  for (const std::string& name : all) EXPECT_TRUE(inspector.info(name, "", soon()).report->is_stored);
  // A walk that began before the slots were as they are now goes on at the next primary.
  const auto step = inspector.limiters({.slot = 100, .cursor = 3}, "", 1000, soon());
  ASSERT_TRUE(step.report);
  EXPECT_FALSE(step.report->names.empty());
  EXPECT_FALSE(step.report->next);
}

TEST(Inspector, ReadsTheLongestReply) {
  const Server server;
  Client client(options_for(server.endpoint()));
  std::string limits;
  for (int i = 0; i < 8; ++i) limits += " CONCURRENT 1000 1h AS l" + std::to_string(i);
  ASSERT_TRUE(client.define("api", limits).allowed());
  for (int i = 0; i < 200; ++i) {
    const std::string id(kMaxIdBytes - 8, 'x');
    EXPECT_TRUE(client.check("api", Policy::stored(), {.subject = "eve", .id = id + std::to_string(i)}).allowed());
  }
  Inspector inspector(client);
  const auto info = inspector.info("api", "eve", soon());
  ASSERT_TRUE(info.report);
  EXPECT_EQ(info.report->limits.size(), 8U);
  EXPECT_EQ(info.report->limits.at(7).leases, 200);
  EXPECT_EQ(info.report->limits.at(7).first_leases.size(), 128U);
}

TEST(Inspector, SaysWhenTheServerDoesNotAnswer) {
  const Actor silent([](Peer& peer) { peer.hold(); });
  Client client(options_for(silent.endpoint()));
  Inspector inspector(client);
  const auto info = inspector.info("api", "", std::chrono::steady_clock::now() + 20ms);
  EXPECT_FALSE(info.report);
  EXPECT_NE(info.failure, Failure::none);
  EXPECT_FALSE(inspector.limiters({}, "", 10, std::chrono::steady_clock::now() + 20ms).report);
  EXPECT_GE(client.counts().of(Failure::timeout) + client.counts().of(Failure::refused), 2U);
}

TEST(Inspector, TakesAServerThatIsNotThereForNoMistake) {
  Client client(options_for({.host = "127.0.0.1", .port = free_port()}));
  Inspector inspector(client);
  EXPECT_NE(inspector.info("api", "", soon()).failure, Failure::none);
  EXPECT_NE(inspector.limiters({}, "", 10, std::chrono::steady_clock::now() + 100ms).failure, Failure::none);
}

TEST(Inspector, TakesNoReplyThatMakesNoSense) {
  const Actor odd(always("*1\r\n:1\r\n"));
  Client client(options_for(odd.endpoint()));
  Inspector inspector(client);
  EXPECT_EQ(inspector.info("api", "", soon()).failure, Failure::garbage);
  EXPECT_EQ(inspector.log("api", 10, soon()).failure, Failure::garbage);
}

TEST(Inspector, SaysWhatTheServerRefuses) {
  const Server server;
  static_cast<void>(server.reply_to({"ACL", "SETUSER", "blind", "on", ">p", "~*", "+ping"}));
  Options options = options_for(server.endpoint());
  options.node.login = {.user = "blind", .password = "p"};
  Client client(options);
  Inspector inspector(client);
  const auto info = inspector.info("api", "", soon());
  EXPECT_EQ(info.failure, Failure::none);
  EXPECT_TRUE(info.error.starts_with("NOPERM")) << info.error;
  EXPECT_TRUE(inspector.limiters({}, "", 10, soon()).error.starts_with("NOPERM"));
}

}  // namespace
}  // namespace ratelimit::client::tests
