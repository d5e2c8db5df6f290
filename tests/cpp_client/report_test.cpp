// SPDX-License-Identifier: MIT
#include "ratelimit/client/report.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace ratelimit::client::tests {
namespace {

using namespace std::chrono_literals;

Reply number(std::int64_t value) { return {.kind = Reply::Kind::integer, .integer = value, .text = {}, .items = {}}; }
Reply text(std::string value) {
  return {.kind = Reply::Kind::text, .integer = 0, .text = std::move(value), .items = {}};
}
Reply list(std::vector<Reply> items) {
  return {.kind = Reply::Kind::list, .integer = 0, .text = {}, .items = std::move(items)};
}

std::string text_of(const Command& command) {
  std::string bytes;
  command.write_to(bytes);
  std::string words;
  for (std::size_t begin = bytes.find('\n') + 1; begin < bytes.size();) {
    begin = bytes.find('\n', begin) + 1;
    const std::size_t end = bytes.find('\r', begin);
    words += (words.empty() ? "" : " ") + bytes.substr(begin, end - begin);
    begin = end + 2;
  }
  return words;
}

TEST(Report, CommandsHaveTheWordsOfTheServer) {
  EXPECT_EQ(text_of(info_command("api", "")), "RL.INFO api");
  EXPECT_EQ(text_of(info_command("api", "bob")), "RL.INFO api FOR bob");
  EXPECT_EQ(text_of(top_command("api", 5, Top::denied)), "RL.TOP api 5");
  EXPECT_EQ(text_of(top_command("api", 5, Top::near)), "RL.TOP api 5 NEAR");
  EXPECT_EQ(text_of(log_command("api", 7)), "RL.LOG api 7");
  EXPECT_EQ(text_of(limiters_command(0, "", 10)), "RL.LIMITERS 0 COUNT 10");
  EXPECT_EQ(text_of(limiters_command(18446744073709551615U, "a*", 10)),
            "RL.LIMITERS 18446744073709551615 MATCH a* COUNT 10");
}

Reply limit_of_bob() {
  return list({text("label"), text("burst"), text("limit"), text("CONCURRENT 5 1m AS burst"), text("size"), number(5),
               text("used"), number(2), text("remaining"), number(3), text("reset_ms"), number(100),
               text("next_unit_ms"), number(-1), text("leases"), number(1), text("first_leases"),
               list({list({text("id"), text("x"), text("units"), number(2), text("ends_ms"), number(50)})})});
}

TEST(Report, OfASubjectHasItsLimits) {
  const auto info = parse_info(list({text("form"),
                                     text("subject"),
                                     text("limits"),
                                     list({limit_of_bob()}),
                                     text("blocked"),
                                     number(1500),
                                     text("status"),
                                     text("blocked"),
                                     text("binding"),
                                     text("blocked"),
                                     text("wait_ms"),
                                     number(-1),
                                     text("why"),
                                     text("because"),
                                     text("exception"),
                                     number(1),
                                     text("holds"),
                                     number(1),
                                     text("first_holds"),
                                     list({list({text("id"), text("h"), text("units"), number(3), text("ends_ms"),
                                                 number(9), text("settled"), number(1)})}),
                                     text("unknown"),
                                     list({})}));
  ASSERT_TRUE(info);
  EXPECT_TRUE(info->exists);
  EXPECT_EQ(info->blocked, 1500ms);
  EXPECT_FALSE(info->wait) << "never";
  EXPECT_TRUE(info->is_exception);
  ASSERT_EQ(info->limits.size(), 1U);
  const LimitInfo& limit = info->limits[0];
  EXPECT_EQ(limit.limit, "CONCURRENT 5 1m AS burst");
  EXPECT_EQ(limit.used, Units(2));
  EXPECT_EQ(limit.remaining, Units(3));
  EXPECT_EQ(limit.reset, 100ms);
  EXPECT_FALSE(limit.next_unit);
  EXPECT_EQ(limit.leases, 1);
  ASSERT_EQ(limit.first_leases.size(), 1U);
  EXPECT_EQ(limit.first_leases[0].units, Units(2));
  ASSERT_EQ(info->first_holds.size(), 1U);
  EXPECT_TRUE(info->first_holds[0].is_settled);
}

TEST(Report, OfAKeyHasItsCountersAndSaysWhichHaveStopped) {
  const auto info = parse_info(
      list({text("form"), text("single"), text("stored"), number(1), text("shadow"), number(1), text("granted"),
            text("1048575+"), text("denied"), number(4), text("since_ms"), number(7), text("counters"),
            list({list({text("label"), text("a"), text("granted"), number(1), text("denied"), number(2),
                        text("would_deny"), number(3), text("near"), number(4), text("since_ms"), number(5)})})}));
  ASSERT_TRUE(info);
  EXPECT_TRUE(info->is_stored && info->is_on_trial);
  EXPECT_EQ(info->granted.times, 1048575);
  EXPECT_TRUE(info->granted.has_stopped);
  EXPECT_EQ(info->denied.times, 4);
  EXPECT_FALSE(info->denied.has_stopped);
  EXPECT_EQ(info->since, 7ms);
  ASSERT_EQ(info->counters.size(), 1U);
  EXPECT_EQ(info->counters[0].near, 4);
}

TEST(Report, OfNothingSaysSo) {
  const auto info = parse_info({});
  ASSERT_TRUE(info);
  EXPECT_FALSE(info->exists);
}

TEST(Report, OfAnotherShapeIsGarbage) {
  EXPECT_FALSE(parse_info(list({}))) << "it has no form";
  EXPECT_FALSE(parse_info(list({text("form")})));
  EXPECT_FALSE(parse_info(list({text("form"), number(1)})));
  EXPECT_FALSE(parse_info(list({number(1), text("form")})));
  EXPECT_FALSE(parse_info(list({text("form"), text("single"), text("granted"), text("12x+")})));
  EXPECT_FALSE(parse_info(list({text("form"), text("single"), text("granted"), text("12")})));
  EXPECT_FALSE(parse_info(list({text("form"), text("single"), text("denied"), number(-1)})));
  EXPECT_FALSE(parse_info(list({text("form"), text("subject"), text("limits"), number(1)})));
  EXPECT_FALSE(parse_info(list({text("form"), text("subject"), text("limits"), list({text("label")})})));
  EXPECT_FALSE(parse_info(list({text("form"), text("subject"), text("wait_ms"), number(-2)})));
  EXPECT_FALSE(parse_top(list({list({text("bob"), number(1)})})));
  EXPECT_FALSE(parse_top(list({list({text("bob"), number(-1), number(0)})})));
  EXPECT_FALSE(parse_top(number(1)));
  EXPECT_FALSE(parse_log(list({list({text("bob"), text("a"), number(1), number(2), number(3), number(-2)})})));
  EXPECT_FALSE(parse_log(list({list({text("bob"), text("a"), number(1), number(2), number(3)})})));
  EXPECT_FALSE(parse_limiters(list({text("0")})));
  EXPECT_FALSE(parse_limiters(list({text("x"), list({})})));
  EXPECT_FALSE(parse_limiters(list({text("0"), list({number(1)})})));
}

TEST(Report, OfListsIsInTheirOrder) {
  const auto top =
      parse_top(list({list({text("eve"), number(9), number(1)}), list({text("bob"), number(2), number(0)})}));
  ASSERT_TRUE(top && top->size() == 2U);
  EXPECT_EQ((*top)[0].subject, "eve");
  EXPECT_EQ((*top)[0].overcount, 1);
  const auto log = parse_log(list({list({text("eve"), text("a"), number(1), number(2), number(3), number(-1)})}));
  ASSERT_TRUE(log && log->size() == 1U);
  EXPECT_EQ((*log)[0].last, 2ms);
  EXPECT_FALSE((*log)[0].wait);
  const auto step = parse_limiters(list({text("18446744073709551615"), list({text("a"), text("b")})}));
  ASSERT_TRUE(step);
  EXPECT_EQ(step->cursor, 18446744073709551615U);
  EXPECT_EQ(step->names, (std::vector<std::string>{"a", "b"}));
}

}  // namespace
}  // namespace ratelimit::client::tests
