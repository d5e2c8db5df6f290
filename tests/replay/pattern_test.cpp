// SPDX-License-Identifier: MIT
#include "replay/pattern.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace ratelimit::replay::tests {
namespace {

bool matches(std::string_view pattern, std::string_view value) {
  const std::optional<Pattern> parsed = Pattern::parse(pattern);
  EXPECT_TRUE(parsed) << pattern;
  return parsed && parsed->matches(value);
}

TEST(Pattern, IsATextByItself) {
  EXPECT_TRUE(matches("GET", "GET"));
  EXPECT_FALSE(matches("GET", "GETS"));
  EXPECT_FALSE(matches("GET", ""));
  EXPECT_TRUE(matches("", ""));
  EXPECT_FALSE(matches("", "a"));
}

TEST(Pattern, HasAnyTextForAStarWhereverItIs) {
  const struct {
    const char* pattern;
    std::vector<const char*> yes;
    std::vector<const char*> no;
  } cases[] = {{"/api/*", {"/api/", "/api/v1"}, {"/api", "/img/api/"}},
               {"*bot", {"bot", "Googlebot"}, {"bots", "bo"}},
               {"*bot*", {"bot", "a bot/2.1 (x)"}, {"b ot", ""}},
               {"4*9", {"49", "409"}, {"4", "9", "4090"}},
               {"ab*ba", {"abba", "abxba"}, {"aba", "ab", "ba"}},
               {"a*b*c", {"abc", "axbxbxc", "abbc"}, {"acb", "ab", "ac"}},
               {"*ab*ab*", {"abab", "xabyabz"}, {"ab", "aab", "aba"}},
               {"a**c", {"ac", "abc"}, {"a", "c"}},
               {"*", {"", "x"}, {}},
               {"**", {"", "x"}, {}}};
  for (const auto& one : cases) {
    for (const char* value : one.yes) EXPECT_TRUE(matches(one.pattern, value)) << one.pattern << " on " << value;
    for (const char* value : one.no) EXPECT_FALSE(matches(one.pattern, value)) << one.pattern << " on " << value;
  }
}

/// All short patterns on all short texts, against the obvious definition.
bool obviously_matches(std::string_view pattern, std::string_view value) {
  if (pattern.empty()) return value.empty();
  if (pattern[0] != '*')
    return !value.empty() && value[0] == pattern[0] && obviously_matches(pattern.substr(1), value.substr(1));
  return obviously_matches(pattern.substr(1), value) || (!value.empty() && obviously_matches(pattern, value.substr(1)));
}

std::vector<std::string> all_texts(std::string_view letters, std::size_t longest) {
  std::vector<std::string> all{""};
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].size() == longest) continue;
    for (const char c : letters) all.push_back(all[i] + c);
  }
  return all;
}

TEST(Pattern, AgreesWithTheObviousDefinition) {
  const std::vector<std::string> values = all_texts("ab", 5);
  for (const std::string& pattern : all_texts("ab*", 5)) {
    for (const std::string& value : values) {
      ASSERT_EQ(matches(pattern, value), obviously_matches(pattern, value)) << pattern << " on " << value;
    }
  }
}

TEST(Pattern, TakesNoLongTimeForManyStars) {
  std::string pattern = "*";
  for (int i = 0; i < 200; ++i) pattern += "a*";
  pattern += "b*a*b*c";
  const std::string value(1U << 20U, 'a');
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(matches(pattern, value + "c"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5)) << "each byte is looked at a few times";
}

TEST(Pattern, IsASubnet) {
  EXPECT_TRUE(matches("66.249.66.0/24", "66.249.66.3"));
  EXPECT_TRUE(matches("66.249.66.7/24", "66.249.66.3")) << "any address of it names a subnet";
  EXPECT_FALSE(matches("66.249.66.0/24", "66.249.67.3"));
  EXPECT_TRUE(matches("66.249.66.0/24", "::ffff:66.249.66.3"));
  EXPECT_TRUE(matches("66.249.66.0/24", "66.249.66.128/25")) << "a subnet in it";
  EXPECT_FALSE(matches("66.249.66.0/24", "66.249.0.0/16")) << "a subnet around it";
  EXPECT_FALSE(matches("66.249.66.0/24", "crawler"));
  EXPECT_TRUE(matches("2001:db8::/32", "2001:DB8:1::9"));
  EXPECT_TRUE(matches("2001:db8::/32", "2001:db8:1:200::/56"));
  EXPECT_FALSE(matches("2001:db8::/32", "2001:db9::1"));
  EXPECT_FALSE(matches("::/0", "1.2.3.4")) << "another version of IP";
  EXPECT_TRUE(matches("0.0.0.0/0", "1.2.3.4"));
}

TEST(Pattern, IsAnAddressHoweverItIsWritten) {
  EXPECT_TRUE(matches("2001:db8::1", "2001:0DB8:0:0:0:0:0:1"));
  EXPECT_FALSE(matches("2001:db8::1", "2001:db8::2"));
  EXPECT_TRUE(matches("1.2.3.4", "1.2.3.4"));
}

TEST(Pattern, RefusesASubnetThatIsNone) {
  for (const char* text : {"1.2.3.4/33", "1.2.3.4/", "1.2.3.4/x", "::/129", "1.2.3.4/-1", "1.2.3.4/2 "}) {
    EXPECT_FALSE(Pattern::parse(text)) << text;
  }
  EXPECT_TRUE(Pattern::parse("1.2.3.4/*")) << "a text with a star is no subnet";
  EXPECT_TRUE(Pattern::parse("/api/24"));
}

}  // namespace
}  // namespace ratelimit::replay::tests
