// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "logs.h"

namespace ratelimit::replay::tests {
namespace {

TEST(MonitorLog, ReadsACommandAndItsKey) {
  Log log(Format::monitor, {"address", "db", "command", "key", "arg2"});
  ASSERT_EQ(log.read(R"(1700000000.107412 [3 127.0.0.1:60866] "SET" "a b" "\"\x41\\")"), Line::call);
  EXPECT_EQ(log.values(), (Values{"127.0.0.1", "3", "SET", "a b", "\"A\\"}));
  EXPECT_EQ(log.unix_ns(), 1'700'000'000'107'412'000);
}

TEST(MonitorLog, FindsWhoACheckIsFor) {
  Log log(Format::monitor, {"key", "for"});
  ASSERT_EQ(log.read(R"(1.5 [0 [::1]:1] "RL.CHECK" "api" "for" "user:42" "COST" "2")"), Line::call);
  EXPECT_EQ(log.values(), (Values{"api", "user:42"}));
}

TEST(MonitorLog, TakesOnlyCommandsThatAskForALimit) {
  Log log(Format::monitor, {"key"});
  for (const char* command : {"RL.CHECK", "rl.checkeach", "RL.RESERVE", "RL.FIXED", "RL.CONCURRENT", "CL.THROTTLE"}) {
    ASSERT_EQ(log.read(R"(1.5 [0 a:1] ")" + std::string(command) + R"(" "api")"), Line::call) << command;
    EXPECT_EQ(log.values(), Values{"api"});
  }
  ASSERT_EQ(log.read(R"(1.5 [0 a:1] "RL.CHECKALL" "2" "api" "all")"), Line::call);
  EXPECT_EQ(log.values(), Values{"api"});
  ASSERT_EQ(log.read(R"(1.5 [0 a:1] "FCALL" "rl_check" "1" "api" "FIXED" "1" "1s")"), Line::call);
  EXPECT_EQ(log.values(), Values{"api"});
  for (const char* other : {R"("COMMAND" "DOCS")", R"("GET" "api")", R"("RL.PEEK" "api")", R"("RL.DEFINE" "api")",
                            R"("RL.SETTLE" "api")", R"("FCALL" "mine" "1" "api")", R"("FCALL" "rl_" "1" "api")"}) {
    EXPECT_EQ(log.read("1.5 [0 a:1] " + std::string(other)), Line::no_call) << other;
  }
}

TEST(MonitorLog, IsAboutTheKeyWithoutFor) {
  Wanted wanted;
  for (const char* name : {"key", "for"}) static_cast<void>(wanted.fields.want(name));
  const std::unique_ptr<LogReader> strict = make_reader(Format::monitor, wanted);
  Entry entry;
  EXPECT_EQ(strict->read(R"(1.5 [0 a:1] "RL.CHECK" "api")", entry), Line::no_call);
  wanted.may_lack_for = true;
  const std::unique_ptr<LogReader> reader = make_reader(Format::monitor, wanted);
  ASSERT_EQ(reader->read(R"(1.5 [0 a:1] "RL.CHECK" "api")", entry), Line::call);
  EXPECT_EQ(entry.values[0], "api");
  EXPECT_EQ(entry.values[1], "");
  ASSERT_EQ(reader->read(R"(1.5 [0 a:1] "RL.CHECK" "FOR" "FOR" "ada")", entry), Line::call);
  EXPECT_EQ(entry.values[0], "FOR") << "a key may have any name";
  EXPECT_EQ(entry.values[1], "ada");
}

TEST(MonitorLog, FindsTheKeyOfAScript) {
  Log log(Format::monitor, {"key", "command"});
  ASSERT_EQ(log.read(R"(1.5 [0 lua] "evalsha" "abc" "1" "k" "7")"), Line::call);
  EXPECT_EQ(log.values()[0], "k");
  EXPECT_EQ(log.read(R"(1.5 [0 lua] "EVAL" "return 1" "0")"), Line::no_call);
}

TEST(MonitorLog, LeavesOutWhatHasNoKey) {
  Log log(Format::monitor, {"key", "command"});
  EXPECT_EQ(log.read("OK"), Line::no_call);
  EXPECT_EQ(log.read(R"(1.5 [0 127.0.0.1:1] "PING")"), Line::no_call);
}

TEST(MonitorLog, SaysWhatIsWrongWithALine) {
  Log log(Format::monitor, {"key"});
  EXPECT_EQ(log.read("x [0 a:1] \"GET\" \"k\""), Line::no_time);
  EXPECT_EQ(log.read("1.5"), Line::cut_short);
  EXPECT_EQ(log.read("1.5 "), Line::cut_short);
  EXPECT_EQ(log.read("1.5 [0 a:1"), Line::cut_short);
  EXPECT_EQ(log.read("1.5 [0 a:1] GET"), Line::cut_short);
  EXPECT_EQ(log.read("1.5 [0 a:1] \"GET\" \"k"), Line::not_quoted);
  EXPECT_EQ(log.read("1.5 [0 a:1] \"GET\" \"k\\"), Line::not_quoted);
}

}  // namespace
}  // namespace ratelimit::replay::tests
