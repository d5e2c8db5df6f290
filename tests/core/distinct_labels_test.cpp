// SPDX-License-Identifier: MIT
#include "ratelimit/distinct_labels.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <set>
#include <string>
#include <vector>

namespace ratelimit::tests {
namespace {

std::vector<std::string> distinct(const std::vector<std::string>& labels) {
  DistinctLabels all;
  std::vector<std::string> added;
  for (const std::string& label : labels) added.push_back(all.add(label));
  return added;
}

using Labels = std::vector<std::string>;

TEST(DistinctLabels, AreWhatTheyWereIfNoneIsThereTwice) {
  EXPECT_EQ(distinct({"fixed", "a", "fixed-2"}), (Labels{"fixed", "a", "fixed-2"}));
}

TEST(DistinctLabels, CountFromTwo) {
  EXPECT_EQ(distinct({"fixed", "a", "fixed", "a", "fixed"}), (Labels{"fixed", "a", "fixed-2", "a-2", "fixed-3"}));
}

TEST(DistinctLabels, TakeTheFirstNumberThatNobodyHas) {
  EXPECT_EQ(distinct({"a", "a-2", "a-4", "a", "a", "a"}), (Labels{"a", "a-2", "a-4", "a-3", "a-5", "a-6"}));
  EXPECT_EQ(distinct({"a", "a", "a-2", "a-2"}), (Labels{"a", "a-2", "a-2-2", "a-2-3"}));
}

TEST(DistinctLabels, AreDistinctHoweverManyAreAlike) {
  std::vector<std::string> labels;
  for (int i = 0; i < 20'000; ++i) labels.emplace_back(i % 3 == 0 ? "sliding" : i % 3 == 1 ? "fixed" : "fixed-2");
  const std::vector<std::string> added = distinct(labels);
  EXPECT_EQ(std::set<std::string>(added.begin(), added.end()).size(), labels.size());
}

}  // namespace
}  // namespace ratelimit::tests
