// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "logs.h"

namespace ratelimit::replay::tests {
namespace {

TEST(CsvLog, HasTimeSubjectAndCostWithoutNames) {
  Log log(Format::csv, {"subject", "cost"});
  ASSERT_EQ(log.read("1700000000.5,user:42,3"), Line::call);
  EXPECT_EQ(log.values(), (Values{"user:42", "3"}));
  EXPECT_EQ(log.unix_ns(), 1'700'000'000 * kSecond + kSecond / 2);
}

TEST(CsvLog, FindsColumnsByTheNamesOfTheFirstLine) {
  Log log(Format::csv, {"who", "bytes"});
  EXPECT_EQ(log.read("bytes,who,time"), Line::no_call);
  ASSERT_EQ(log.read("17,ada,2026-11-30 13:26:40"), Line::call);
  EXPECT_EQ(log.values(), (Values{"ada", "17"}));
}

TEST(CsvLog, FindsColumnsByNumbers) {
  Log log(Format::csv, {"3"}, "2");
  ASSERT_EQ(log.read("x,1700000000,ada"), Line::call);
  EXPECT_EQ(log.values(), Values{"ada"});
}

TEST(CsvLog, ReadsQuotedValues) {
  Log log(Format::csv, {"subject", "cost"});
  ASSERT_EQ(log.read(R"(1700000000,"a, ""b"" c",5)"), Line::call);
  EXPECT_EQ(log.values(), (Values{R"(a, "b" c)", "5"}));
  ASSERT_EQ(log.read(R"("1700000000","plain","6")"), Line::call);
  EXPECT_EQ(log.values(), (Values{"plain", "6"}));
}

TEST(CsvLog, SaysWhatIsWrongWithALine) {
  Log log(Format::csv, {"subject"});
  ASSERT_EQ(log.read("1700000000,a"), Line::call);
  EXPECT_EQ(log.read(""), Line::no_call);
  EXPECT_EQ(log.read("1700000000"), Line::cut_short);
  EXPECT_EQ(log.read("never,a"), Line::no_time);
  EXPECT_EQ(log.read("1700000000,\"a"), Line::not_quoted);
  EXPECT_EQ(log.read("1700000000,\"a\"b"), Line::not_quoted);
}

TEST(CsvLog, HasNoFieldThatTheFirstLineDoesNotName) {
  Log log(Format::csv, {"user"});
  EXPECT_EQ(log.read("time,subject"), Line::no_call);
  ASSERT_EQ(log.read("1700000000,a"), Line::call);
  EXPECT_EQ(log.values(), Values{"(none)"});
}

}  // namespace
}  // namespace ratelimit::replay::tests
