// SPDX-License-Identifier: MIT
#include "replay/shared_subnet.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <numeric>
#include <string>
#include <vector>

namespace ratelimit::replay::tests {
namespace {

struct Named {
  explicit Named(std::initializer_list<const char*> all) {
    for (const char* name : all) subjects.push_back(names.number_of(name));
  }
  [[nodiscard]] std::string shared() const {
    const std::optional<Group> group = shared_subnet(subjects, names);
    return group ? text_of(group->subnet) + " " + std::to_string(group->subjects.size()) : "(none)";
  }

  SubjectNames names;
  std::vector<SubjectNumber> subjects;
};

TEST(SharedSubnet, IsThatOfMoreThanHalf) {
  EXPECT_EQ(Named({"203.0.113.9", "198.18.7.4", "203.0.113.7", "203.0.113.1", "ada"}).shared(), "203.0.113.0/24 3");
  EXPECT_EQ(Named({"203.0.113.9", "198.18.7.4", "203.0.113.7", "203.0.113.1", "ada", "bob"}).shared(), "(none)");
  EXPECT_EQ(Named({"203.0.113.9", "203.0.113.7"}).shared(), "(none)") << "two may be neighbours";
  EXPECT_EQ(Named({}).shared(), "(none)");
}

TEST(SharedSubnet, IsWideOfIPv6) {
  EXPECT_EQ(Named({"2001:db8:1:100::/56", "2001:db8:1:200::/56", "2001:db8:1:3ff::9"}).shared(), "2001:db8:1::/48 3");
}

TEST(SharedSubnet, IsNoneOfSubjectsThatAreSubnetsAsWide) {
  EXPECT_EQ(Named({"203.0.113.0/24", "203.0.114.0/24", "203.0.0.0/16"}).shared(), "(none)");
}

TEST(Groups, HaveTwoSubjectsAtLeast) {
  const Named named({"203.0.113.9", "198.18.7.4", "203.0.113.7", "198.18.8.4", "ada", "198.18.8.5"});
  const std::vector<Group> groups = groups_of(named.subjects, named.names);
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(text_of(groups[0].subnet), "198.18.8.0/24");
  EXPECT_EQ(groups[1].subjects, (std::vector<SubjectNumber>{0, 2}));
}

}  // namespace
}  // namespace ratelimit::replay::tests
