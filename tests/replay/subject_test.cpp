// SPDX-License-Identifier: MIT
#include "replay/subject.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ratelimit::replay::tests {
namespace {

/// The subject of an expression over the fields that it wants, in the order in which it wants them.
std::string subject_of(std::string_view expression, const std::vector<const char*>& values) {
  WantedFields fields;
  const std::optional<SubjectExpression> parsed = SubjectExpression::parse(expression, fields);
  if (!parsed) return "(no expression)";
  Entry entry;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] != nullptr) entry.values[i] = values[i];
  }
  std::string storage;
  return std::string(parsed->of(entry, storage).value_or("(none)"));
}

TEST(Subject, IsAField) { EXPECT_EQ(subject_of("user", {"ada"}), "ada"); }

TEST(Subject, IsTheSubnetOfAnAddress) {
  EXPECT_EQ(subject_of("address/24", {"203.0.113.9"}), "203.0.113.0/24");
  EXPECT_EQ(subject_of("address/24", {"2001:db8:1:2ff::9"}), "2001:db8:1:200::/56");
  EXPECT_EQ(subject_of("address/24,48", {"2001:db8:1:2ff::9"}), "2001:db8:1::/48");
}

TEST(Subject, IsAnAddressOrOfIPv6ItsSubnet) {
  EXPECT_EQ(subject_of("address", {"203.0.113.9"}), "203.0.113.9");
  EXPECT_EQ(subject_of("address", {"2001:db8:1:2ff::9"}), "2001:db8:1:200::/56");
  EXPECT_EQ(subject_of("address", {"::ffff:203.0.113.9"}), "203.0.113.9") << "as the middlewares have it";
  EXPECT_EQ(subject_of("address", {"host:80"}), "host:80") << "what is no address stays as it is";
  EXPECT_EQ(subject_of("user", {"2001:db8:1:2ff::9"}), "2001:db8:1:2ff::9") << "no other field is taken for an address";
  EXPECT_EQ(subject_of("address+path/1", {"2001:db8:1:2ff::9", "/a/b"}), "2001:db8:1:200::/56 /a");
}

TEST(Subject, IsTheWholeAddressIfTheCountSaysSo) {
  EXPECT_EQ(subject_of("address/128", {"2001:db8:1:2ff::9"}), "2001:db8:1:2ff::9");
  EXPECT_EQ(subject_of("address/128", {"203.0.113.9"}), "203.0.113.9");
  EXPECT_EQ(subject_of("address/64", {"2001:db8:1:2ff::9"}), "2001:db8:1:2ff::/64");
  EXPECT_EQ(subject_of("address/32,64", {"203.0.113.9"}), "203.0.113.9");
}

TEST(Subject, KnowsWhetherASubnetCountsThatNobodyNamed) {
  WantedFields fields;
  EXPECT_TRUE(SubjectExpression::parse("address", fields)->has_usual_subnet());
  EXPECT_TRUE(SubjectExpression::parse("user+address", fields)->has_usual_subnet());
  EXPECT_FALSE(SubjectExpression::parse("address/128", fields)->has_usual_subnet());
  EXPECT_FALSE(SubjectExpression::parse("user", fields)->has_usual_subnet());
}

TEST(Subject, IsTheBeginOfAPath) {
  EXPECT_EQ(subject_of("path/2", {"/api/v1/users/7"}), "/api/v1");
  EXPECT_EQ(subject_of("path/2", {"/api/v1"}), "/api/v1");
  EXPECT_EQ(subject_of("path/1", {"/"}), "/");
  EXPECT_EQ(subject_of("url/1", {"/api?x=/y"}), "/api");
}

TEST(Subject, HasSeveralParts) { EXPECT_EQ(subject_of("user+path/1", {"ada", "/api/v1"}), "ada /api"); }

TEST(Subject, HasNoBlankForAnEmptyPartAtTheEnd) {
  EXPECT_EQ(subject_of("key+for", {"api", ""}), "api");
  EXPECT_EQ(subject_of("key+for", {"", "ada"}), " ada");
}

TEST(Subject, IsNoneWithoutItsFields) {
  EXPECT_EQ(subject_of("user", {nullptr}), "(none)");
  EXPECT_EQ(subject_of("user", {""}), "(none)");
  EXPECT_EQ(subject_of("user+path", {"ada", nullptr}), "(none)");
}

TEST(Subject, RefusesWhatIsNoExpression) {
  for (const char* text :
       {"", "+", "user+", "/24", "address/", "address/0", "address/129", "address/x", "address/24,"}) {
    EXPECT_EQ(subject_of(text, {}), "(no expression)") << text;
  }
}

}  // namespace
}  // namespace ratelimit::replay::tests
