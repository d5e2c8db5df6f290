// SPDX-License-Identifier: MIT
// Texts of JSON, correlation ids and traces.
#include <gtest/gtest.h>

#include <string>

#include "hot_subjects.h"
#include "json_text.h"
#include "query.h"
#include "trace.h"

namespace ratelimit::service {
namespace {

std::string json(std::string_view value) {
  std::string text;
  append_json_string(text, value);
  return text;
}

TEST(JsonText, IsJsonWhateverItIsMadeOf) {
  EXPECT_EQ(json("plain"), "\"plain\"");
  EXPECT_EQ(json("a\"b\\c\n\x01"), R"("a\"b\\c\u000a\u0001")");
  EXPECT_EQ(json("gr\xC3\xBC\xC3\x9F"
                 "e \xF0\x9F\x98\x80"),
            "\"gr\xC3\xBC\xC3\x9F"
            "e \xF0\x9F\x98\x80\"");
  for (const char* broken : {"\xFF", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82"}) {
    EXPECT_NE(json(broken).find("\xEF\xBF\xBD"), std::string::npos);
  }
}

TEST(Target, IsItsPathAndItsQuery) {
  const auto parts = [](std::string_view target) {
    const auto [path, query] = split_target(target);
    return std::string(path) + " " + std::string(query);
  };
  EXPECT_EQ(parts("/auth?a=b?c"), "/auth a=b?c");
  EXPECT_EQ(parts("/auth"), "/auth ");
  EXPECT_EQ(parts("http://x:80/auth?a=b"), "/auth a=b");
  EXPECT_EQ(parts("http://x"), " ");
  EXPECT_EQ(parts("http://x?a=b"), " a=b");
  EXPECT_EQ(parts("/auth?by=http://x/y"), "/auth by=http://x/y");
}

TEST(RequestId, IsTakenOverOnlyInItsForm) {
  EXPECT_TRUE(is_request_id("abc-DEF_1.2"));
  EXPECT_FALSE(is_request_id(""));
  EXPECT_FALSE(is_request_id("a b"));
  EXPECT_FALSE(is_request_id("a\"b"));
  EXPECT_FALSE(is_request_id(std::string(65, 'a')));
  EXPECT_EQ(make_request_id(1, 0xABCULL << 52U), "0000000000000001abc0000000000000");
}

TEST(Traceparent, HasTheFormOfW3c) {
  EXPECT_TRUE(is_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
  EXPECT_EQ(trace_id_of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_TRUE(is_traceparent("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-later"));
  for (const char* wrong : {"", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
                            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more"}) {
    EXPECT_FALSE(is_traceparent(wrong)) << wrong;
  }
}

TEST(HotSubjects, AreThoseThatAreAskedAboutOften) {
  HotSubjects hot(3);
  const HotSubjects::Time begin = HotSubjects::Time{} + std::chrono::hours{1};
  EXPECT_FALSE(hot.is_hot("k", "s", begin));
  EXPECT_FALSE(hot.is_hot("k", "s", begin));
  EXPECT_TRUE(hot.is_hot("k", "s", begin));
  EXPECT_TRUE(hot.is_hot("k", "s", begin + std::chrono::seconds{1})) << "it was hot in the second before";
  EXPECT_FALSE(hot.is_hot("k", "s", begin + std::chrono::seconds{5}));
}

}  // namespace
}  // namespace ratelimit::service
