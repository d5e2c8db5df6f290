// SPDX-License-Identifier: MIT
#include "replay/roles.h"

#include <gtest/gtest.h>

#include <vector>

namespace ratelimit::replay::tests {
namespace {

TEST(Roles, AreNamedByPatternsAndSparingWins) {
  SubjectNames names;
  for (const char* name : {"203.0.113.9", "203.0.113.10", "bot:1", "ada", "203.0.114.9"}) {
    static_cast<void>(names.number_of(name));
  }
  const std::vector<Pattern> stop{*Pattern::parse("203.0.113.0/24"), *Pattern::parse("bot:*")};
  const std::vector<Pattern> spare{*Pattern::parse("203.0.113.10"), *Pattern::parse("a*")};
  const Roles roles(names, stop, spare);
  EXPECT_EQ(roles[0], Role::stopped);
  EXPECT_EQ(roles[1], Role::spared);
  EXPECT_EQ(roles[2], Role::stopped);
  EXPECT_EQ(roles[3], Role::spared);
  EXPECT_EQ(roles[4], Role::other);
  EXPECT_EQ(roles.count(Role::stopped), 2U);
  EXPECT_EQ(roles.count(Role::spared), 2U);
}

TEST(Roles, AreNobodysIfNobodyIsNamed) {
  SubjectNames names;
  static_cast<void>(names.number_of("ada"));
  const Roles roles(names, {}, {});
  EXPECT_EQ(roles[0], Role::other);
  EXPECT_EQ(roles.count(Role::stopped), 0U);
}

}  // namespace
}  // namespace ratelimit::replay::tests
