// SPDX-License-Identifier: MIT
#include "ratelimit/client/command.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>

namespace ratelimit::client::tests {
namespace {

using namespace std::chrono_literals;

const Policy kPolicy{fixed(10, 1h)};

/// The words of a command, one space between them, from the bytes that are sent.
std::string text_of(const Command& command) {
  std::string bytes;
  command.write_to(bytes);
  std::string text;
  std::size_t at = bytes.find("\r\n") + 2;
  int words = 0;
  for (; at < bytes.size(); ++words) {
    const std::size_t end = bytes.find("\r\n", at);
    const std::size_t size = std::stoul(bytes.substr(at + 1, end - at - 1));
    text += (text.empty() ? "" : " ") + bytes.substr(end + 2, size);
    at = end + 2 + size + 2;
  }
  EXPECT_EQ(bytes.substr(0, bytes.find("\r\n")), "*" + std::to_string(words));
  return text;
}

std::string check(const Call& call, const Policy& policy = kPolicy) {
  return text_of(check_command({"key", policy, call}));
}

TEST(Command, IsSentAsTheProtocolHasIt) {
  std::string bytes;
  Command{"GET", "", std::string_view("\r\n\0", 3)}.write_to(bytes);
  EXPECT_EQ(bytes, std::string("*3\r\n$3\r\nGET\r\n$0\r\n\r\n$3\r\n\r\n\0\r\n", 28));
}

TEST(Command, OfACheckHasWhatTheCallSays) {
  EXPECT_EQ(check({}), "RL.CHECK key FIXED 10 1h");
  EXPECT_EQ(check({.subject = "alice", .cost = Units(3)}), "RL.CHECK key FIXED 10 1h FOR alice COST 3");
  EXPECT_EQ(check({.mode = Mode::partial}), "RL.CHECK key FIXED 10 1h PARTIAL");
  EXPECT_EQ(check({.mode = Mode::force}), "RL.CHECK key FIXED 10 1h FORCE");
  EXPECT_EQ(check({.mode = Mode::may_wait, .longest_wait = 2s}), "RL.CHECK key FIXED 10 1h MAXWAIT 2s");
  EXPECT_EQ(check({.id = "me"}), "RL.CHECK key FIXED 10 1h ID me");
  EXPECT_EQ(check({.subject = "alice"}, Policy::stored({fixed(10, 1h)})), "RL.CHECK key FOR alice");
}

TEST(Command, OfEachKindHasItsWords) {
  const Call call{.subject = "alice", .cost = Units(6), .id = "id"};
  const Question question{"key", kPolicy, call};
  EXPECT_EQ(text_of(peek_command(question)), "RL.PEEK key FIXED 10 1h FOR alice COST 6");
  EXPECT_EQ(text_of(reserve_command(question, 1min)), "RL.RESERVE key 1m FIXED 10 1h FOR alice COST 6 ID id");
  EXPECT_EQ(text_of(settle_command(question)), "RL.SETTLE key id 6 FIXED 10 1h FOR alice");
  EXPECT_EQ(text_of(refund_command("key", Units(2), "alice")), "RL.REFUND key 2 FOR alice");
  EXPECT_EQ(text_of(refund_command("key", Units(2), "")), "RL.REFUND key 2");
  EXPECT_EQ(text_of(release_command("key", "id", "alice")), "RL.RELEASE key id FOR alice");
}

TEST(Command, OfADefinitionHasTheWordsOfItsLimits) {
  EXPECT_EQ(text_of(define_command("key", "FIXED 10 1h AS a", false)), "RL.DEFINE key FIXED 10 1h AS a");
  EXPECT_EQ(text_of(define_command("key", " QUOTA 5  MONTH TZ Europe/Berlin ", true)),
            "RL.DEFINE key QUOTA 5 MONTH TZ Europe/Berlin SHADOW");
}

TEST(Command, AboutSeveralKeysHasALimitASubjectAndACostForEach) {
  const Part parts[] = {{"a", "bob", kPolicy, Units(3)}, {"b", {}, kPolicy, Units(0)}};
  EXPECT_EQ(text_of(check_all_command(parts)), "RL.CHECKALL 2 a b FIXED 10 1h FIXED 10 1h FOR bob  COSTS 3 0 EACH");
  const Policy stored = Policy::stored();
  const Part limiters[] = {{"a", {}, stored}};
  EXPECT_EQ(text_of(check_all_command(limiters)), "RL.CHECKALL 1 a COSTS 1 EACH");
}

TEST(Command, SaysWhichRepliesItMayGet) {
  const Call call{.cost = Units(6)};
  const Call part{.cost = Units(6), .mode = Mode::partial};
  const Policy stored = Policy::stored();
  EXPECT_EQ(check_command({"key", kPolicy, call}).shape.expected.cost, Units(6));
  EXPECT_FALSE(check_command({"key", kPolicy, call}).shape.expected.may_be_part);
  EXPECT_TRUE(check_command({"key", kPolicy, part}).shape.expected.may_be_part);
  EXPECT_EQ(peek_command({"key", kPolicy, call}).shape.kind, Shape::Kind::answer);
  EXPECT_EQ(peek_command({"key", stored, call}).shape.kind, Shape::Kind::answer_or_null);
  EXPECT_TRUE(reserve_command({"key", kPolicy, call}, 1s).shape.expected.may_be_held);
  EXPECT_EQ(settle_command({"key", kPolicy, call}).shape.kind, Shape::Kind::answer_or_null);
  EXPECT_EQ(refund_command("key", Units(1), "").shape.kind, Shape::Kind::integer);
  EXPECT_EQ(release_command("key", "id", "").shape.kind, Shape::Kind::integer);
  EXPECT_EQ(define_command("key", "FIXED 1 1s", false).shape.kind, Shape::Kind::text);
}

}  // namespace
}  // namespace ratelimit::client::tests
