// SPDX-License-Identifier: MIT
#include "ratelimit/heavy_hitters.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "random.h"

namespace ratelimit {

inline void PrintTo(const HeavyHitters::Entry& entry, std::ostream* out) {
  *out << entry.name << ": " << entry.count << " (" << entry.error << ')';
}

}  // namespace ratelimit

namespace ratelimit::tests {
namespace {

using Entry = HeavyHitters::Entry;
using Entries = std::vector<Entry>;

constexpr std::size_t kCounters = HeavyHitters::kCounters;

/// Different for different numbers, and in no order.
std::uint64_t hash_of(std::uint64_t number) { return (number + 1) * 0x9e37'79b9'7f4a'7c15U; }

/// Names of any length, some of which lie within their string.
std::string name_of(std::uint64_t number) { return std::to_string(number) + std::string(number % 40, '.'); }

/// Notes every name in an exact list as well.
class Noted {
 public:
  void note(std::uint64_t number) {
    const std::string name = name_of(number);
    hitters_.note(hash_of(number), name);
    ++exact_[name];
    ++total_;
  }

  [[nodiscard]] const HeavyHitters& hitters() const { return hitters_; }
  [[nodiscard]] Entries top() const { return hitters_.top(kCounters); }

  void expect_guarantee() const {
    const Entries entries = top();
    std::map<std::string_view, std::uint64_t> counts;
    std::uint64_t sum = 0;
    for (const Entry& entry : entries) {
      const std::uint64_t exact = exact_.at(std::string(entry.name));
      ASSERT_LE(exact, entry.count) << entry.name;
      ASSERT_GE(exact, entry.count - entry.error) << entry.name;
      ASSERT_LE(entry.error, total_ / kCounters) << entry.name;
      ASSERT_TRUE(counts.emplace(entry.name, entry.count).second) << entry.name << " is there twice";
      sum += entry.count;
    }
    ASSERT_EQ(sum, total_) << "a counter that is taken over goes on from its count";
    ASSERT_EQ(entries.size(), std::min(kCounters, exact_.size()));
    for (const auto& [name, exact] : exact_) {
      ASSERT_TRUE(exact <= total_ / kCounters || counts.contains(name)) << name << " was noted " << exact << " times";
    }
  }

 private:
  HeavyHitters hitters_;
  std::map<std::string, std::uint64_t> exact_;
  std::uint64_t total_ = 0;
};

/// Notes of a stream, with the guarantee checked every now and then.
template <class Next>
void expect_guarantee_on(Next next) {
  Noted noted;
  const std::uint64_t steps = test_steps() / 10;
  for (std::uint64_t step = 0; step < steps; ++step) {
    noted.note(next(step));
    if (step % (steps / 20 + 1) != 0) continue;
    ASSERT_NO_FATAL_FAILURE(noted.expect_guarantee()) << "step " << step;
  }
  noted.expect_guarantee();
}

TEST(HeavyHitters, AreNoneBeforeTheFirstNote) {
  const HeavyHitters hitters;
  EXPECT_TRUE(hitters.top(kCounters).empty());
  EXPECT_EQ(hitters.heap_bytes(), 0U);
}

TEST(HeavyHitters, AreCountedExactlyAsLongAsThereAreCounters) {
  HeavyHitters hitters;
  for (const std::string_view name : {"alice", "bob", "alice", "carol", "bob", "alice"}) hitters.note(name[0], name);
  EXPECT_EQ(hitters.top(10), (Entries{{"alice", 3, 0}, {"bob", 2, 0}, {"carol", 1, 0}}));
}

TEST(HeavyHitters, AreInTheOrderOfNamesWhenTheirCountsAreEqual) {
  HeavyHitters hitters;
  for (const std::string_view name : {"d", "b", "a", "c", "d"}) hitters.note(name[0], name);
  EXPECT_EQ(hitters.top(10), (Entries{{"d", 2, 0}, {"a", 1, 0}, {"b", 1, 0}, {"c", 1, 0}}));
}

TEST(HeavyHitters, AreTheFirstOnesWhenFewerAreAskedFor) {
  HeavyHitters hitters;
  for (const std::string_view name : {"a", "b", "b", "c", "c", "c"}) hitters.note(name[0], name);
  EXPECT_EQ(hitters.top(2), (Entries{{"c", 3, 0}, {"b", 2, 0}}));
  EXPECT_TRUE(hitters.top(0).empty());
}

TEST(HeavyHitters, AreToldApartByTheirHashes) {
  HeavyHitters hitters;
  hitters.note(1, "first");
  hitters.note(1, "second");
  EXPECT_EQ(hitters.top(10), (Entries{{"first", 2, 0}})) << "a name is copied when a counter is taken";
  hitters.note(0, "first");
  EXPECT_EQ(hitters.top(10), (Entries{{"first", 2, 0}, {"first", 1, 0}}));
}

TEST(HeavyHitters, MayHaveAnyName) {
  HeavyHitters hitters;
  const std::string longest(1024, '\0');
  hitters.note(1, longest);
  hitters.note(1, longest);
  hitters.note(2, "");
  EXPECT_EQ(hitters.top(10), (Entries{{longest, 2, 0}, {"", 1, 0}}));
}

TEST(HeavyHitters, GoOnFromTheLeastCountWhenTheyTakeACounterOver) {
  Noted noted;
  for (std::uint64_t number = 0; number < kCounters; ++number) noted.note(number);
  for (std::uint64_t number = 1; number < kCounters; ++number) noted.note(number);
  noted.note(1000);
  const Entries entries = noted.top();
  const auto taken = std::find(entries.begin(), entries.end(), Entry{name_of(1000), 2, 1});
  EXPECT_NE(taken, entries.end());
  EXPECT_EQ(entries.size(), kCounters);
  EXPECT_TRUE(
      std::none_of(entries.begin(), entries.end(), [](const Entry& entry) { return entry.name == name_of(0); }));
}

TEST(HeavyHitters, AreNotPushedOutByAnyNumberOfNamesThatComeOnce) {
  Noted noted;
  for (std::uint64_t step = 0; step < 100'000; ++step) noted.note(step % 100 == 0 ? 7 : 1000 + step);
  noted.expect_guarantee();
  const Entry first = noted.top().front();
  EXPECT_EQ(first.name, name_of(7));
  EXPECT_GE(first.count, 1000U);
}

TEST(HeavyHitters, KeepTheirGuaranteeWhenFewAreFrequentAndManyRare) {
  Random random(test_seed());
  SCOPED_TRACE(test_seed());
  expect_guarantee_on([&random](std::uint64_t) {
    return static_cast<std::uint64_t>(random.magnitude_between(1, random.magnitude_between(1, 100'000)));
  });
}

TEST(HeavyHitters, KeepTheirGuaranteeWhenEveryNameIsAnother) {
  expect_guarantee_on([](std::uint64_t step) { return step; });
}

TEST(HeavyHitters, KeepTheirGuaranteeWhenNamesComeInTurns) {
  for (const std::uint64_t names : {kCounters - 1, kCounters, kCounters + 1, 2 * kCounters}) {
    expect_guarantee_on([names](std::uint64_t step) { return step % names; });
  }
}

TEST(HeavyHitters, KeepTheirGuaranteeWhenTheFrequentOnesChange) {
  Random random(test_seed());
  SCOPED_TRACE(test_seed());
  expect_guarantee_on(
      [&random](std::uint64_t step) { return random.one_in(2) ? step / 1000 : 1'000'000 + random.below(10'000); });
}

TEST(HeavyHitters, HoldABoundedNumberOfBytes) {
  Noted noted;
  std::size_t most = 0;
  for (std::uint64_t number = 0; number < 10'000; ++number) {
    noted.note(number);
    most = std::max(most, noted.hitters().heap_bytes());
  }
  EXPECT_GT(most, kCounters * sizeof(std::uint64_t));
  EXPECT_LT(most, kCounters * 200);
}

TEST(HeavyHitters, CountTheBytesOfLongNames) {
  HeavyHitters hitters;
  hitters.note(1, "short");
  const std::size_t before = hitters.heap_bytes();
  hitters.note(2, std::string(1024, 'x'));
  EXPECT_GT(hitters.heap_bytes(), before + 1024);
}

TEST(HeavyHitters, AreTheSameAfterTheSameNotes) {
  const auto walk = [] {
    Random random(test_seed());
    Noted noted;
    for (int step = 0; step < 20'000; ++step) noted.note(random.below(1000));
    return noted;
  };
  const Noted once = walk();
  const Noted again = walk();
  EXPECT_EQ(once.top(), again.top());
}

}  // namespace
}  // namespace ratelimit::tests
