// SPDX-License-Identifier: MIT
#include "replay/busiest.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace ratelimit::replay::tests {
namespace {

using namespace std::chrono_literals;

constexpr Instant kNoon{1'700'049'600s};

struct Traffic {
  void call(Span at, const char* name, const char* prefix) {
    const SubjectNumber subject = names.number_of(name);
    asked.resize(names.size());
    ++asked[subject].calls;
    calls.push_back(
        {.at = kNoon + at, .subject = subject, .prefix = prefix == nullptr ? kNoPrefix : prefixes.number_of(prefix)});
  }
  [[nodiscard]] std::optional<Busiest> busiest(std::size_t most, bool ends = false) const {
    return find_busiest(names, prefixes, asked, most, [&](const std::function<void(const Call&)>& visit) {
      for (const Call& one : calls) visit(one);
      return !ends;
    });
  }

  SubjectNames names;
  SubjectNames prefixes;
  std::vector<Asked> asked;
  std::vector<Call> calls;
};

TEST(Busiest, NamesWhoAskedMostAndWhenAndForWhat) {
  Traffic traffic;
  for (const Span at : {0s, 59s, 61s, 62s, 119s, 200s}) traffic.call(at, "ada", at < Span{100s} ? "/a" : "/b");
  traffic.call(200s, "bob", "/c");
  traffic.call(201s, "eve", nullptr);
  traffic.call(202s, "eve", nullptr);
  const Busiest busiest = *traffic.busiest(2);
  ASSERT_EQ(busiest.subjects.size(), 2U);
  EXPECT_EQ(busiest.subjects[0].name, "ada");
  EXPECT_EQ(busiest.subjects[0].calls, 6U);
  EXPECT_EQ(busiest.subjects[0].minute, kNoon + 60s);
  EXPECT_EQ(busiest.subjects[0].calls_of_minute, 3U);
  EXPECT_EQ(busiest.subjects[0].prefix, "/a");
  EXPECT_EQ(busiest.subjects[0].calls_of_prefix, 4U);
  EXPECT_EQ(busiest.subjects[1].name, "eve");
  EXPECT_EQ(busiest.subjects[1].prefix, "");
  EXPECT_TRUE(busiest.subnets.empty());
}

TEST(Busiest, AddsUpTheSubjectsOfASubnet) {
  Traffic traffic;
  for (int i = 0; i < 6; ++i) traffic.call(i * 1s, i % 2 == 0 ? "203.0.113.7" : "203.0.113.9", "/product");
  for (int i = 0; i < 5; ++i) traffic.call(60s + i * 1s, "198.18.7.4", "/");
  const Busiest busiest = *traffic.busiest(5);
  EXPECT_EQ(busiest.subjects[0].name, "198.18.7.4");
  ASSERT_EQ(busiest.subnets.size(), 1U);
  EXPECT_EQ(busiest.subnets[0].name, "203.0.113.0/24");
  EXPECT_EQ(busiest.subnets[0].subjects, 2U);
  EXPECT_EQ(busiest.subnets[0].calls, 6U);
  EXPECT_EQ(busiest.subnets[0].calls_of_minute, 6U);
}

TEST(Busiest, IsNoneIfTheUserEndsIt) {
  Traffic traffic;
  traffic.call(0s, "ada", "/a");
  EXPECT_FALSE(traffic.busiest(5, true));
}

}  // namespace
}  // namespace ratelimit::replay::tests
