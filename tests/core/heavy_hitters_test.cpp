// SPDX-License-Identifier: MIT
#include "ratelimit/heavy_hitters.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
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

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::size_t kCounters = 128;
constexpr Instant kStart{std::chrono::sys_days{std::chrono::year{2024} / 2 / 29}};

/// Different for different numbers, and in no order.
std::uint64_t hash_of(std::uint64_t number) { return (number + 1) * 0x9e37'79b9'7f4a'7c15U; }

/// Names of any length, some of which lie within their string.
std::string name_of(std::uint64_t number) { return std::to_string(number) + std::string(number % 40, '.'); }

/// Counters with nothing but notes at kStart.
class Still {
 public:
  void note(std::uint64_t hash, std::string_view name) { hitters_.note(hash, name, kStart, kCounters); }
  [[nodiscard]] Entries top(std::size_t most) const { return hitters_.top(most, kStart); }
  [[nodiscard]] const HeavyHitters& hitters() const { return hitters_; }

 private:
  HeavyHitters hitters_;
};

/// Notes every name in an exact list as well, which is halved at the same instants.
class Noted {
 public:
  explicit Noted(std::size_t size = kCounters) : size_(size) {}

  void note(std::uint64_t number, Instant now = kStart) {
    const std::string name = name_of(number);
    halve_until(now);
    hitters_.note(hash_of(number), name, now, size_);
    // Counters that are all empty begin their hours anew; some may be left when nobody has a true count any more.
    if (exact_.empty()) halved_at_ = hitters_.age().halved_at;
    EXPECT_EQ(hitters_.age().halved_at, halved_at_);
    ++exact_[name];
    ++weight_;
  }

  [[nodiscard]] const HeavyHitters& hitters() const { return hitters_; }
  [[nodiscard]] Entries top(Instant now = kStart) const { return hitters_.top(2 * size_, now); }

  /// What the header of HeavyHitters says, as of an instant that is not before the last note.
  void expect_guarantee(Instant now = kStart) {
    halve_until(now);
    const Entries entries = top(now);
    std::map<std::string_view, std::uint64_t> counts;
    std::uint64_t sum = 0;
    for (const Entry& entry : entries) {
      const auto found = exact_.find(std::string(entry.name));
      const std::uint64_t exact = found != exact_.end() ? found->second : 0;
      ASSERT_LE(exact, entry.count) << entry.name;
      ASSERT_GE(exact, entry.count - entry.error) << entry.name;
      ASSERT_TRUE(counts.emplace(entry.name, entry.count).second) << entry.name << " is there twice";
      sum += entry.count;
    }
    ASSERT_LE(static_cast<double>(sum), weight_);
    ASSERT_LE(entries.size(), size_);
    const std::uint64_t lowest = entries.size() == size_ ? entries.back().count : 0;
    ASSERT_LE(static_cast<double>(lowest), weight_ / static_cast<double>(size_));
    for (const auto& [name, exact] : exact_) {
      ASSERT_TRUE(exact <= lowest || counts.contains(name)) << name << " was noted " << exact << " times";
    }
  }

 private:
  void halve_until(Instant now) {
    for (; halved_at_ + hours(1) <= now && weight_ > 0; halved_at_ += hours(1)) {
      weight_ /= 2;
      for (auto& [name, exact] : exact_) exact /= 2;
      std::erase_if(exact_, [](const auto& counted) { return counted.second == 0; });
    }
  }

  std::size_t size_;
  HeavyHitters hitters_;
  std::map<std::string, std::uint64_t> exact_;
  Instant halved_at_;
  double weight_ = 0;
};

/// Notes of a stream, with the guarantee checked every now and then. Each note comes `step` after the one before.
template <class Next>
void expect_guarantee_on(Next next, Span step = {}, std::size_t size = kCounters) {
  Noted noted(size);
  Instant now = kStart;
  const std::uint64_t steps = test_steps() / 10;
  for (std::uint64_t i = 0; i < steps; ++i, now += step) {
    noted.note(next(i), now);
    if (i % (steps / 20 + 1) != 0) continue;
    ASSERT_NO_FATAL_FAILURE(noted.expect_guarantee(now)) << "step " << i;
  }
  noted.expect_guarantee(now);
  noted.expect_guarantee(now + hours(2));
}

TEST(HeavyHitters, AreNoneBeforeTheFirstNote) {
  const HeavyHitters hitters;
  EXPECT_TRUE(hitters.top(kCounters, kStart).empty());
  EXPECT_EQ(hitters.heap_bytes(), 0U);
}

TEST(HeavyHitters, AreCountedExactlyAsLongAsThereAreCounters) {
  Still hitters;
  for (const std::string_view name : {"alice", "bob", "alice", "carol", "bob", "alice"}) hitters.note(name[0], name);
  EXPECT_EQ(hitters.top(10), (Entries{{"alice", 3, 0}, {"bob", 2, 0}, {"carol", 1, 0}}));
}

TEST(HeavyHitters, AreInTheOrderOfNamesWhenTheirCountsAreEqual) {
  Still hitters;
  for (const std::string_view name : {"d", "b", "a", "c", "d"}) hitters.note(name[0], name);
  EXPECT_EQ(hitters.top(10), (Entries{{"d", 2, 0}, {"a", 1, 0}, {"b", 1, 0}, {"c", 1, 0}}));
}

TEST(HeavyHitters, AreTheFirstOnesWhenFewerAreAskedFor) {
  Still hitters;
  for (const std::string_view name : {"a", "b", "b", "c", "c", "c"}) hitters.note(name[0], name);
  EXPECT_EQ(hitters.top(2), (Entries{{"c", 3, 0}, {"b", 2, 0}}));
  EXPECT_TRUE(hitters.top(0).empty());
}

TEST(HeavyHitters, AreToldApartByTheirHashes) {
  Still hitters;
  hitters.note(1, "first");
  hitters.note(1, "second");
  EXPECT_EQ(hitters.top(10), (Entries{{"first", 2, 0}})) << "a name is copied when a counter is taken";
  hitters.note(0, "first");
  EXPECT_EQ(hitters.top(10), (Entries{{"first", 2, 0}, {"first", 1, 0}}));
}

TEST(HeavyHitters, MayHaveAnyName) {
  Still hitters;
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
  Still hitters;
  hitters.note(1, "short");
  const std::size_t before = hitters.hitters().heap_bytes();
  hitters.note(2, std::string(1024, 'x'));
  EXPECT_GT(hitters.hitters().heap_bytes(), before + 1024);
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

// --- halving

TEST(HeavyHitters, AreHalvedEveryHour) {
  HeavyHitters hitters;
  for (int i = 0; i < 9; ++i) hitters.note(1, "alice", kStart + minutes(i), kCounters);
  for (int i = 0; i < 4; ++i) hitters.note(2, "bob", kStart + minutes(59), kCounters);
  const auto top = [&hitters](Span later) { return hitters.top(10, kStart + later); };
  EXPECT_EQ(top(hours(1) - seconds(1)), (Entries{{"alice", 9, 0}, {"bob", 4, 0}}));
  EXPECT_EQ(top(hours(1)), (Entries{{"alice", 4, 0}, {"bob", 2, 0}})) << "rounded down";
  EXPECT_EQ(top(hours(2)), (Entries{{"alice", 2, 0}, {"bob", 1, 0}}));
  EXPECT_EQ(top(hours(3)), (Entries{{"alice", 1, 0}})) << "who is down to nothing is not named";
  EXPECT_TRUE(top(hours(4)).empty());
  EXPECT_TRUE(top(hours(1'000'000)).empty());
  hitters.note(2, "bob", kStart + hours(2), kCounters);
  EXPECT_EQ(hitters.top(10, kStart + hours(2)), (Entries{{"alice", 2, 0}, {"bob", 2, 0}})) << "a note halves too";
}

TEST(HeavyHitters, BeginTheirHourWithTheFirstName) {
  HeavyHitters hitters;
  hitters.note(1, "alice", kStart + minutes(59), kCounters);
  EXPECT_EQ(hitters.top(10, kStart + minutes(118)).size(), 1U);
  EXPECT_TRUE(hitters.top(10, kStart + minutes(119)).empty());
  hitters.note(2, "bob", kStart + hours(9), kCounters);
  EXPECT_EQ(hitters.size(), 1U) << "who is down to nothing has no counter any more";
  EXPECT_EQ(hitters.top(10, kStart + hours(9) + minutes(59)), (Entries{{"bob", 1, 0}}));
}

TEST(HeavyHitters, HalveWhatTheyMayHaveCountedTooMany) {
  HeavyHitters hitters;
  const auto note = [&hitters](std::uint64_t hash, std::string_view name, int times) {
    for (int i = 0; i < times; ++i) hitters.note(hash, name, kStart, 2);
  };
  note(1, "a", 9);
  note(2, "b", 4);
  note(3, "c", 3);
  EXPECT_EQ(hitters.top(10, kStart), (Entries{{"a", 9, 0}, {"c", 7, 4}}));
  EXPECT_EQ(hitters.top(10, kStart + hours(1)), (Entries{{"a", 4, 0}, {"c", 3, 2}})) << "3 notes are 1 now";
  hitters.note(4, "d", kStart + hours(1), 2);
  EXPECT_EQ(hitters.top(10, kStart + hours(1)), (Entries{{"a", 4, 0}, {"d", 4, 3}}));
}

TEST(HeavyHitters, GoOnNowIfTheirClockWasAhead) {
  HeavyHitters hitters;
  for (int i = 0; i < 4; ++i) hitters.note(1, "alice", kStart + hours(1000), kCounters);
  EXPECT_EQ(hitters.top(10, kStart), (Entries{{"alice", 4, 0}}));
  hitters.note(1, "alice", kStart, kCounters);
  EXPECT_EQ(hitters.top(10, kStart + hours(1)), (Entries{{"alice", 2, 0}}));
}

TEST(HeavyHitters, KeepTheirGuaranteeWhileTheyAreHalved) {
  for (const Span step : {Span{seconds(1)}, Span{seconds(40)}, Span{minutes(7)}}) {
    for (const std::size_t size : {std::size_t{1}, std::size_t{7}, kCounters}) {
      Random random(test_seed());
      SCOPED_TRACE(::testing::Message() << "RATELIMIT_TEST_SEED=" << test_seed() << ", " << size << " counters");
      expect_guarantee_on(
          [&random](std::uint64_t) {
            return static_cast<std::uint64_t>(random.magnitude_between(1, random.magnitude_between(1, 1000)));
          },
          step, size);
    }
  }
}

TEST(HeavyHitters, KeepTheirGuaranteeWhenNamesComeInBursts) {
  Random random(test_seed());
  SCOPED_TRACE(::testing::Message() << "RATELIMIT_TEST_SEED=" << test_seed());
  Noted noted(5);
  Instant now = kStart;
  for (std::uint64_t step = 0; step < test_steps() / 50; ++step) {
    if (random.one_in(40)) now += seconds(random.magnitude_between(1, 40'000));
    noted.note(random.below(random.one_in(3) ? 30 : 4), now);
    if (step % 16 == 0) {
      ASSERT_NO_FATAL_FAILURE(noted.expect_guarantee(now)) << "step " << step;
    }
  }
}

// --- their number

TEST(HeavyHitters, DropTheLowestWhenThereMayBeFewer) {
  HeavyHitters hitters;
  for (std::uint64_t number = 1; number <= 100; ++number) {
    for (std::uint64_t i = 0; i < number; ++i) hitters.note(number, std::to_string(number), kStart, kCounters);
  }
  const std::size_t before = hitters.heap_bytes();
  hitters.note(100, "100", kStart, 3);
  EXPECT_EQ(hitters.top(10, kStart), (Entries{{"100", 101, 0}, {"99", 99, 0}, {"98", 98, 0}}));
  EXPECT_LT(hitters.heap_bytes(), before / 10) << "their memory is given back";
  hitters.note(97, "97", kStart, 4);
  EXPECT_EQ(hitters.top(4, kStart)[2], (Entry{"97", 98, 97}))
      << "it may have been noted as often as who was dropped last";
}

TEST(HeavyHitters, AreNeverMoreThanTheirMost) {
  HeavyHitters hitters;
  for (std::uint64_t number = 0; number < 2000; ++number) hitters.note(hash_of(number), "name", kStart, 1'000'000);
  EXPECT_EQ(hitters.size(), HeavyHitters::kMostCounters);
  hitters.note(1, "one", kStart, 0);
  EXPECT_EQ(hitters.size(), 1U) << "and never none";
}

// --- what is written

TEST(HeavyHitters, AreRestoredAsTheyWere) {
  Random random(test_seed());
  HeavyHitters hitters;
  Instant now = kStart;
  for (int step = 0; step < 20'000; ++step, now += seconds(1)) {
    const std::uint64_t number = static_cast<std::uint64_t>(random.magnitude_between(1, 10'000));
    hitters.note(hash_of(number), std::to_string(number), now, 50);
  }
  HeavyHitters restored;
  hitters.for_each([&](const Entry& entry) {
    ASSERT_TRUE(restored.restore(hash_of(std::stoull(std::string(entry.name))), entry, hitters.age()));
  });
  EXPECT_EQ(restored.age(), hitters.age());
  for (int step = 0; step < 20'000; ++step, now += seconds(1)) {
    const std::uint64_t number = static_cast<std::uint64_t>(random.magnitude_between(1, 10'000));
    hitters.note(hash_of(number), std::to_string(number), now, 50);
    restored.note(hash_of(number), std::to_string(number), now, 50);
  }
  EXPECT_EQ(restored.top(50, now), hitters.top(50, now)) << "and go on in the same way";
}

TEST(HeavyHitters, AreNotRestoredAsTheyNeverAre) {
  HeavyHitters hitters;
  const HeavyHitters::Age age{kStart, 2};
  EXPECT_FALSE(hitters.restore(1, {"a", 1, 0}, age)) << "less than a name without a counter may have";
  EXPECT_FALSE(hitters.restore(1, {"a", 0, 0}, {kStart, 0})) << "no count";
  EXPECT_FALSE(hitters.restore(1, {"a", 5, 6}, age)) << "an error that is larger than the count";
  EXPECT_FALSE(hitters.restore(1, {"a", HeavyHitters::kMostCount + 1, 0}, age)) << "a count that is too large";
  EXPECT_TRUE(hitters.empty());
  EXPECT_TRUE(hitters.restore(1, {"a", 5, 5}, age));
  EXPECT_FALSE(hitters.restore(1, {"b", 5, 5}, age)) << "the same hash";
  EXPECT_FALSE(hitters.restore(2, {"b", 6, 5}, age)) << "out of order";
  for (std::uint64_t hash = 2; hash <= HeavyHitters::kMostCounters; ++hash) {
    ASSERT_TRUE(hitters.restore(hash, {"b", 5, 0}, age));
  }
  EXPECT_FALSE(hitters.restore(0, {"c", 2, 0}, age)) << "too many";
}

TEST(HeavyHitters, StopCountingAtTheLargestNumber) {
  HeavyHitters hitters;
  ASSERT_TRUE(hitters.restore(1, {"a", HeavyHitters::kMostCount - 1, 0}, {kStart, 0}));
  for (int i = 0; i < 3; ++i) hitters.note(1, "a", kStart, kCounters);
  EXPECT_EQ(hitters.top(1, kStart), (Entries{{"a", HeavyHitters::kMostCount, 0}}));
  EXPECT_TRUE(hitters.top(1, kStart + hours(63)).empty());
}

}  // namespace
}  // namespace ratelimit::tests
