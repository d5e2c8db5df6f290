// SPDX-License-Identifier: MIT
#include "ratelimit/client/reply.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <string>

namespace ratelimit::client::tests {
namespace {

using namespace std::chrono_literals;

Reply number(std::int64_t value) { return {.kind = Reply::Kind::integer, .integer = value, .text = {}, .items = {}}; }
Reply text(std::string value) {
  return {.kind = Reply::Kind::text, .integer = 0, .text = std::move(value), .items = {}};
}

Reply reply(std::initializer_list<std::int64_t> numbers, std::string label = "fixed") {
  Reply list{.kind = Reply::Kind::list, .integer = 0, .text = {}, .items = {}};
  for (const std::int64_t each : numbers) list.items.push_back(number(each));
  list.items.push_back(text(std::move(label)));
  return list;
}

TEST(Reply, IsReadAsWhatItSays) {
  const auto answer = parse_answer(reply({3, 10, 7, 0, 1500}, "burst"), {Units(3)});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->outcome, Outcome::granted);
  EXPECT_EQ(answer->granted, Units(3));
  EXPECT_EQ(answer->limit, Units(10));
  EXPECT_EQ(answer->remaining, Units(7));
  EXPECT_EQ(answer->reset, 1500ms);
  EXPECT_EQ(answer->label, "burst");
  EXPECT_EQ(answer->source, Source::server);
  EXPECT_TRUE(answer->allowed());
}

TEST(Reply, OfADenialSaysHowLongToWaitOrThatItIsForEver) {
  EXPECT_EQ(parse_answer(reply({0, 10, 0, 250, 9000}), {Units(1)})->wait, 250ms);
  EXPECT_EQ(parse_answer(reply({0, 10, 0, 250, 9000}), {Units(1)})->outcome, Outcome::denied);
  EXPECT_EQ(parse_answer(reply({0, 10, 10, -1, 0}), {Units(11)})->outcome, Outcome::never);
}

TEST(Reply, MayHaveAnIdOrNone) {
  Reply with = reply({1, 10, 9, 0, 10});
  with.items.push_back(text("worker"));
  EXPECT_EQ(parse_answer(with, {Units(1)})->id, "worker");
  EXPECT_TRUE(has_lease_id(with));
  Reply without = reply({0, 10, 0, 10, 10});
  EXPECT_FALSE(has_lease_id(without));
  without.items.emplace_back();
  EXPECT_EQ(parse_answer(without, {Units(1)})->id, "");
}

TEST(Reply, ThatGrantsWhatWasNotAskedForIsGarbage) {
  EXPECT_FALSE(parse_answer(reply({2, 10, 7, 0, 0}), {Units(1)}));
  EXPECT_FALSE(parse_answer(reply({1, 10, 7, 0, 0}), {Units(2)})) << "a part, without PARTIAL";
  EXPECT_TRUE(parse_answer(reply({1, 10, 7, 0, 0}), {.cost = Units(2), .may_be_part = true}));
  EXPECT_FALSE(parse_answer(reply({3, 10, 7, 0, 0}), {.cost = Units(2), .may_be_part = true}));
  EXPECT_TRUE(parse_answer(reply({9, 10, 1, 0, 0}), {.cost = Units(2), .may_be_held = true}));
}

TEST(Reply, MayHaveTheLargestCounts) {
  const std::int64_t most = 9'007'199'254'740'991;
  const auto answer = parse_answer(reply({most, most, 0, 0, 0}), {Units(most)});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->granted, Units(most));
  EXPECT_FALSE(parse_answer(reply({1, most + 1, 0, 0, 0}), {Units(1)}));
  EXPECT_EQ(parse_answer(reply({0, 0, 0, -1, 0}), {Units(1)})->outcome, Outcome::never) << "a closed limit";
}

TEST(Reply, ThatIsNoDecisionIsGarbage) {
  const Expected one{Units(1)};
  EXPECT_FALSE(parse_answer(Reply{}, one));
  EXPECT_FALSE(parse_answer(number(1), one));
  EXPECT_FALSE(parse_answer(text("OK"), one));
  EXPECT_FALSE(parse_answer(reply({1, 10, 9, 0}), one)) << "too short";
  EXPECT_FALSE(parse_answer(reply({1, 10, 9, 0, 0, 0, 0}), one)) << "too long";
  for (std::size_t i = 0; i < 5; ++i) {
    for (const Reply& wrong : {text("1"), Reply{}, number(-2), number(INT64_MAX), number(INT64_MIN), reply({1})}) {
      Reply broken = reply({1, 10, 9, 0, 0});
      broken.items[i] = wrong;
      EXPECT_FALSE(parse_answer(broken, one)) << i;
    }
  }
  EXPECT_FALSE(parse_answer(reply({1, 10, 9, -1, 0}), one)) << "granted, and never";
  EXPECT_FALSE(parse_answer(reply({0, 10, 9, 0, -1}), one));
  Reply label = reply({1, 10, 9, 0, 0});
  label.items[5] = number(7);
  EXPECT_FALSE(parse_answer(label, one));
}

TEST(Reply, AboutSeveralKeysHasWhatEachSays) {
  const Shape shape{.kind = Shape::Kind::all, .expected = {.cost = Units(3)}, .costs = {Units(3), Units(0)}};
  Reply all = reply({3, 10, 7, 0, 1500});
  Reply each{.kind = Reply::Kind::list, .integer = 0, .text = {}, .items = {}};
  each.items = {reply({3, 10, 7, 0, 1500}), reply({0, 5, 0, 250, 9000})};
  all.items.push_back(each);
  const auto answer = parse_answer_to_all(all, shape);
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->allowed());
  ASSERT_EQ(answer->each.size(), 2U);
  EXPECT_FALSE(answer->each[1].allowed()) << "a look that must wait";
  EXPECT_TRUE(has_shape(all, shape));
  all.items.back().items.pop_back();
  EXPECT_FALSE(has_shape(all, shape)) << "one answer is missing";
  all.items.pop_back();
  EXPECT_FALSE(has_shape(all, shape));
}

TEST(Reply, HasTheShapeOfItsCommand) {
  EXPECT_TRUE(has_shape(number(3), {.kind = Shape::Kind::integer}));
  EXPECT_FALSE(has_shape(number(-1), {.kind = Shape::Kind::integer}));
  EXPECT_FALSE(has_shape(text("3"), {.kind = Shape::Kind::integer}));
  EXPECT_TRUE(has_shape(Reply{}, {.kind = Shape::Kind::answer_or_null}));
  EXPECT_FALSE(has_shape(Reply{}, {.kind = Shape::Kind::answer}));
}

TEST(Blame, IsTheCallersIfTheCallIsWrong) {
  for (const char* error :
       {"ERR capacity must be an integer from 0 to 4294967295", "NOLIMITS this call names no limits",
        "WRONGTYPE Operation", "NOPERM this user has no permissions", "CROSSSLOT Keys in request",
        "ERR the key stores other limits: name none", "NOAUTH Authentication required.", "WRONGPASS invalid username",
        "ERR unknown command 'RL.CHECK', with args beginning with: ", "ERR"}) {
    EXPECT_EQ(blame(error), Blame::caller) << error;
  }
}

TEST(Blame, IsTheServersIfItCannotAnswerNow) {
  for (const char* error :
       {"OOM command not allowed when used memory > 'maxmemory'.", "LOADING Redis is loading the dataset",
        "READONLY You can't write against a read only replica.", "BUSY Redis is busy", "MISCONF Redis",
        "CLUSTERDOWN Hash slot not served", "TRYAGAIN Multiple keys", "MASTERDOWN Link with MASTER",
        "NOREPLICAS Not enough", "MOVED 5 127.0.0.1:1", "", "ERR max number of clients reached"}) {
    EXPECT_EQ(blame(error), Blame::server) << error;
  }
}

}  // namespace
}  // namespace ratelimit::client::tests
