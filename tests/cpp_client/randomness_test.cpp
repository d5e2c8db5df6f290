// SPDX-License-Identifier: MIT
#include "ratelimit/client/randomness.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace ratelimit::client::tests {
namespace {

TEST(Randomness, RepeatsItselfFromTheSameSeedOnly) {
  Randomness one(1);
  Randomness same(1);
  Randomness other(2);
  const auto first = one.next();
  EXPECT_EQ(first, same.next());
  EXPECT_NE(first, other.next());
  EXPECT_NE(first, one.next());
}

TEST(RandomId, HasThirtyTwoDigitsAndIsNew) {
  Randomness randomness;
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) ids.insert(random_id(randomness));
  EXPECT_EQ(ids.size(), 1000U);
  for (const std::string& id : ids) {
    EXPECT_EQ(id.size(), 32U);
    EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos);
  }
}

}  // namespace
}  // namespace ratelimit::client::tests
