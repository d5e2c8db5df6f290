// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <string>

#include "logs.h"

namespace ratelimit::replay::tests {
namespace {

constexpr std::string_view kCommon =
    R"(203.0.113.9 - frank [10/Oct/2000:13:55:36 -0700] "GET /a/b?c=d HTTP/1.1" 200 2326)";
const std::string kCombined = std::string(kCommon) + R"( "http://r.example/" "Agent \"x\" 1.0")";

TEST(CombinedLog, ReadsALineOfTheCommonFormat) {
  Log log(Format::combined, {"address", "user", "status", "bytes"});
  ASSERT_EQ(log.read(kCommon), Line::call);
  EXPECT_EQ(log.values(), (Values{"203.0.113.9", "frank", "200", "2326"}));
  EXPECT_EQ(log.unix_ns(), 971211336 * kSecond);
}

TEST(CombinedLog, TakesTheRequestApart) {
  Log log(Format::combined, {"request", "method", "url", "path", "query", "protocol"});
  ASSERT_EQ(log.read(kCommon), Line::call);
  EXPECT_EQ(log.values(), (Values{"GET /a/b?c=d HTTP/1.1", "GET", "/a/b?c=d", "/a/b", "c=d", "HTTP/1.1"}));
}

TEST(CombinedLog, ReadsRefererAgentAndForwarded) {
  Log log(Format::combined, {"referer", "agent", "forwarded"});
  const std::string line = kCombined + R"( "198.51.100.7")";
  ASSERT_EQ(log.read(line), Line::call);
  EXPECT_EQ(log.values(), (Values{"http://r.example/", R"(Agent \"x\" 1.0)", "198.51.100.7"}));
}

TEST(CombinedLog, HasNoAgentInACommonLine) {
  Log log(Format::combined, {"agent"});
  ASSERT_EQ(log.read(kCommon), Line::call);
  EXPECT_EQ(log.values(), Values{"(none)"});
}

TEST(CombinedLog, ReadsTheHostOfVhostCombined) {
  Log log(Format::combined, {"host", "address", "user"});
  const std::string line = "www.example:443 " + kCombined;
  ASSERT_EQ(log.read(line), Line::call);
  EXPECT_EQ(log.values(), (Values{"www.example:443", "203.0.113.9", "frank"}));
}

TEST(CombinedLog, ReadsAUserWithBlanks) {
  Log log(Format::combined, {"address", "user"});
  ASSERT_EQ(log.read(R"(::1 - Ada King [10/Oct/2000:13:55:36 +0000] "GET / HTTP/1.0" 200 1)"), Line::call);
  EXPECT_EQ(log.values(), (Values{"::1", "Ada King"}));
}

TEST(CombinedLog, ReadsARequestThatIsNone) {
  Log log(Format::combined, {"method", "path", "bytes"});
  ASSERT_EQ(log.read(R"(192.0.2.1 - - [10/Oct/2000:13:55:36 +0000] "" 400 -)"), Line::call);
  EXPECT_EQ(log.values(), (Values{"", "", "0"}));
  ASSERT_EQ(log.read(R"(192.0.2.1 - - [10/Oct/2000:13:55:36 +0000] "\x16\x03\x01" 400 150)"), Line::call);
  EXPECT_EQ(log.values(), (Values{R"(\x16\x03\x01)", "", "150"}));
}

TEST(CombinedLog, SaysWhatIsWrongWithALine) {
  Log log(Format::combined, {"address"});
  EXPECT_EQ(log.read(""), Line::no_call);
  EXPECT_EQ(log.read("nonsense"), Line::no_time);
  EXPECT_EQ(log.read("a - - [10/Oct/2000:13:55:36"), Line::no_time);
  EXPECT_EQ(log.read("a - - [99/Oct/2000:13:55:36 +0000] \"GET / HTTP/1.0\" 200 1"), Line::no_time);
  EXPECT_EQ(log.read("a - [10/Oct/2000:13:55:36 +0000] \"GET / HTTP/1.0\" 200 1"), Line::cut_short);
  EXPECT_EQ(log.read("a - - [10/Oct/2000:13:55:36 +0000] GET"), Line::not_quoted);
  EXPECT_EQ(log.read("a - - [10/Oct/2000:13:55:36 +0000] \"GET \\\""), Line::not_quoted);
  EXPECT_EQ(log.read("a - - [10/Oct/2000:13:55:36 +0000] \"GET / HTTP/1.0\" 200"), Line::cut_short);
}

TEST(CombinedLog, ReadsEveryBeginOfALineWithoutHarm) {
  Log log(Format::combined, {"address", "user", "path", "agent", "forwarded"});
  int calls = 0;
  for (std::size_t size = 0; size <= kCombined.size(); ++size) {
    const std::string begin = kCombined.substr(0, size);  // its own memory, so that sanitizers see its end
    calls += log.read(begin) == Line::call ? 1 : 0;
  }
  EXPECT_GT(calls, 10);
  EXPECT_LT(calls, 60);
}

}  // namespace
}  // namespace ratelimit::replay::tests
