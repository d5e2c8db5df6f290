// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <string>

#include "logs.h"

namespace ratelimit::replay::tests {
namespace {

TEST(JsonLog, FindsMembersByName) {
  Log log(Format::json, {"client", "n"});
  ASSERT_EQ(log.read(R"({"time":"2026-11-30T13:26:40Z","client":"a","n":17})"), Line::call);
  EXPECT_EQ(log.values(), (Values{"a", "17"}));
  EXPECT_EQ(log.unix_ns(), 1'796'045'200 * kSecond);
}

TEST(JsonLog, FindsMembersOfMembersAndFirstElements) {
  Log log(Format::json, {"request.headers.X-Api-Key", "request.id"});
  ASSERT_EQ(log.read(R"({"ts":1700000000.25,"request":{"headers":{"X-Api-Key":["k1","k2"]},"id":7},"id":8})"),
            Line::call);
  EXPECT_EQ(log.values(), (Values{"k1", "7"}));
  EXPECT_EQ(log.unix_ns(), 1'700'000'000'250'000'000);
}

TEST(JsonLog, KnowsTheUsualNamesOfAnAddress) {
  Log log(Format::json, {"address"});
  ASSERT_EQ(log.read(R"({"ts":1,"request":{"remote_ip":"b"}})"), Line::call);
  EXPECT_EQ(log.values(), Values{"b"});
  ASSERT_EQ(log.read(R"({"ts":1,"request":{"remote_ip":"b","client_ip":"c"},"remote_addr":"a"})"), Line::call);
  EXPECT_EQ(log.values(), Values{"a"}) << "the first of the list wins, wherever it stands";
}

TEST(JsonLog, TakesTheTimeFromTheFieldThatIsNamed) {
  Log log(Format::json, {"u"}, "when");
  ASSERT_EQ(log.read(R"({"time":"2000-01-01T00:00:00Z","when":1700000000000,"u":"a"})"), Line::call);
  EXPECT_EQ(log.unix_ns(), 1'700'000'000 * kSecond);
}

TEST(JsonLog, UndoesEscapes) {
  Log log(Format::json, {"u"});
  ASSERT_EQ(log.read(R"({"ts":1,"u":"a\"\\\/\n\u00e9\u20ac\ud83d\ude00"})"), Line::call);
  EXPECT_EQ(log.values(), Values{"a\"\\/\n\u00e9\u20ac\U0001F600"});
}

TEST(JsonLog, SaysWhatIsWrongWithALine) {
  Log log(Format::json, {"u"});
  EXPECT_EQ(log.read("  "), Line::no_call);
  for (const char* line : {"x", "{", "{}x", "[1]", R"({"ts":1,"u":"a)", R"({"ts":1,"u":)", R"({"ts":1,"u":nul})",
                           R"({"ts":1 "u":2})", R"({"ts":1,})", R"({"ts":1,"u":[1,]})", R"({"ts":1,"u":"\)"}) {
    EXPECT_EQ(log.read(line), Line::not_json) << line;
  }
  EXPECT_EQ(log.read(R"({"u":"a"})"), Line::no_time);
  EXPECT_EQ(log.read(R"({"ts":"yesterday","u":"a"})"), Line::no_time);
}

TEST(JsonLog, HasNoValueOfAMemberThatIsMissingOrNull) {
  Log log(Format::json, {"u"});
  for (const char* line : {R"({"ts":1})", R"({"ts":1,"u":null})", R"({"ts":1,"u":{}})", R"({"ts":1,"u":[]})"}) {
    ASSERT_EQ(log.read(line), Line::call) << line;
    EXPECT_EQ(log.values(), Values{"(none)"}) << line;
  }
}

TEST(JsonLog, DoesNotFollowObjectsWithoutEnd) {
  Log log(Format::json, {"u"});
  std::string deep = R"({"ts":1,"u":"a","d":)";
  for (int i = 0; i < 100'000; ++i) deep += R"({"d":[)";
  EXPECT_EQ(log.read(deep), Line::not_json);
}

}  // namespace
}  // namespace ratelimit::replay::tests
