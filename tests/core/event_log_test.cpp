// SPDX-License-Identifier: MIT
#include "ratelimit/algorithms/event_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "random.h"

namespace ratelimit {

inline bool operator==(const EventLog::Entry& a, const EventLog::Entry& b) {
  return a.tick == b.tick && a.units == b.units;
}
inline void PrintTo(const EventLog::Entry& entry, std::ostream* out) {
  *out << entry.units.count() << " at " << entry.tick;
}

}  // namespace ratelimit

namespace ratelimit::tests {
namespace {

using Tick = EventLog::Tick;
using Entry = EventLog::Entry;

std::deque<Entry> entries_of(const EventLog& log) {
  std::deque<Entry> entries;
  log.for_each([&entries](const Entry& entry) { entries.push_back(entry); });
  return entries;
}

/// The log and a plain queue, which must hold the same.
class Pair {
 public:
  [[nodiscard]] const EventLog& log() const { return log_; }
  [[nodiscard]] const std::deque<Entry>& queue() const { return queue_; }

  void append(Entry entry) {
    log_.append(entry);
    if (!queue_.empty() && queue_.back().tick == entry.tick) {
      queue_.back().units += entry.units;
    } else {
      queue_.push_back(entry);
    }
  }

  void drop_up_to(Tick tick) {
    log_.drop_up_to(tick);
    while (!queue_.empty() && queue_.front().tick <= tick) queue_.pop_front();
  }

  void clamp_to(Tick tick) {
    log_.clamp_to(tick);
    if (queue_.empty() || queue_.back().tick <= tick) return;
    Entry last{tick, {}};
    for (; !queue_.empty() && queue_.back().tick >= tick; queue_.pop_back()) last.units += queue_.back().units;
    queue_.push_back(last);
  }

  void take_back(Units units, Units newer) {
    log_.take_back(units, newer);
    std::size_t i = queue_.size();
    while (i > 0 && newer >= queue_[i - 1].units) newer -= queue_[--i].units;
    for (; i > 0 && units != kNoUnits; newer = kNoUnits) {
      Entry& entry = queue_[--i];
      const Units taken = std::min(units, entry.units - newer);
      entry.units -= taken;
      units -= taken;
    }
    std::erase_if(queue_, [](const Entry& entry) { return entry.units == kNoUnits; });
  }

  void copy() { log_ = EventLog(std::as_const(log_)); }

  [[nodiscard]] ::testing::AssertionResult hold_the_same() const {
    if (log_.empty() != queue_.empty()) return ::testing::AssertionFailure() << "empty differs";
    if (log_.size() != queue_.size()) {
      return ::testing::AssertionFailure() << log_.size() << " entries for " << queue_.size();
    }
    if (!queue_.empty() && !(log_.newest() == queue_.back())) return ::testing::AssertionFailure() << "newest differs";
    const std::deque<Entry> entries = entries_of(log_);
    const auto [ours, theirs] = std::mismatch(entries.begin(), entries.end(), queue_.begin(), queue_.end());
    if (ours == entries.end() && theirs == queue_.end()) return ::testing::AssertionSuccess();
    if (ours == entries.end() || theirs == queue_.end()) return ::testing::AssertionFailure() << "numbers differ";
    return ::testing::AssertionFailure() << "differ from entry " << ours - entries.begin() << " on";
  }

  /// Asks for what lies after `tick`, and where the units from there on reach `share` thousandths of their sum.
  [[nodiscard]] ::testing::AssertionResult answer_the_same(Tick tick, std::int64_t share) const {
    Units units;
    std::uint32_t count = 0;
    for (auto entry = queue_.rbegin(); entry != queue_.rend() && entry->tick > tick; ++entry) {
      units += entry->units;
      ++count;
    }
    const EventLog::Position position = log_.first_after(tick);
    if (log_.units_from(position, tick) != units) return ::testing::AssertionFailure() << "units after " << tick;
    if (log_.entries_from(position, tick) != count) return ::testing::AssertionFailure() << "entries after " << tick;
    if (count == 0) return ::testing::AssertionSuccess();
    const Units goal(1 + (units.count() - 1) / 1000 * share + (units.count() - 1) % 1000 * share / 1000);
    auto entry = queue_.end() - static_cast<std::ptrdiff_t>(count);
    for (Units sum = entry->units; sum < goal; sum += entry->units) ++entry;
    if (log_.tick_reaching(position, goal) == entry->tick) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "tick that reaches " << goal.count() << " after " << tick;
  }

 private:
  EventLog log_;
  std::deque<Entry> queue_;
};

Units random_units(Random& random) {
  return random.one_in(2) ? kMinUnits : Units(random.magnitude_between(1, kMax32BitUnits.count()));
}

/// A tick that is, or nearly is, that of some entry; sometimes far outside.
Tick random_tick(Random& random, const std::deque<Entry>& queue) {
  if (queue.empty()) return random.between(0, 1000);
  if (random.one_in(20)) return random.one_of<Tick>({0, queue.back().tick + 1'000'000});
  return std::max<Tick>(0, queue[random.below(queue.size())].tick + random.between(-1, 1));
}

TEST(EventLog, IsEmptyAtFirst) {
  const EventLog log;
  EXPECT_TRUE(log.empty());
  EXPECT_EQ(log.size(), 0U);
  EXPECT_EQ(log.heap_bytes(), 0U);
  EXPECT_EQ(log.units_from(log.first_after(-1), -1), kNoUnits);
  EXPECT_TRUE(entries_of(log).empty());
}

TEST(EventLog, MakesEntriesOfTheSameTickOne) {
  EventLog log;
  log.append({7, Units(1)});
  log.append({7, Units(2)});
  log.append({8, Units(1)});
  EXPECT_EQ(entries_of(log), (std::deque<Entry>{{7, Units(3)}, {8, Units(1)}}));
}

TEST(EventLog, TakesTheTimeBackToBeforeItsFirstEntry) {
  EventLog log;
  for (const Tick tick : {100, 110, 120}) log.append({tick, Units(1)});
  log.clamp_to(50);
  for (const Tick tick : {60, 70}) log.append({tick, Units(1)});
  EXPECT_EQ(entries_of(log), (std::deque<Entry>{{50, Units(3)}, {60, Units(1)}, {70, Units(1)}}));
}

TEST(EventLog, TakesTheTimeBackToBeforeWhatItForgot) {
  EventLog log;
  for (const Tick tick : {100, 110, 120}) log.append({tick, Units(1)});
  log.drop_up_to(110);
  log.clamp_to(50);
  for (const Tick tick : {60, 70}) log.append({tick, Units(1)});
  EXPECT_EQ(entries_of(log), (std::deque<Entry>{{50, Units(1)}, {60, Units(1)}, {70, Units(1)}}));
}

TEST(EventLog, CountsOnWhenAllThatItEverCountedOverflows64Bits) {
  EventLog log;
  const Units many(std::int64_t{1} << 61U);
  for (Tick tick = 1; tick <= 100; ++tick) {
    log.append({tick, many});
    log.drop_up_to(tick - 3);
    if (tick < 3) continue;
    const EventLog::Position front = log.first_after(tick - 3);
    ASSERT_EQ(log.units_from(front, tick - 3), many + many + many);
    ASSERT_EQ(log.tick_reaching(front, many), tick - 2);
    ASSERT_EQ(log.tick_reaching(front, many + Units(1)), tick - 1);
    ASSERT_EQ(log.tick_reaching(front, many + many + Units(1)), tick);
  }
}

TEST(EventLog, BeginsAnewAtAnyTickOnceItIsEmpty) {
  EventLog log;
  for (const Tick tick : {100, 110, 120}) log.append({tick, Units(2)});
  log.drop_up_to(120);
  EXPECT_TRUE(log.empty());
  for (const Tick tick : {5, 6, 7}) log.append({tick, Units(1)});
  EXPECT_EQ(entries_of(log), (std::deque<Entry>{{5, Units(1)}, {6, Units(1)}, {7, Units(1)}}));
  EXPECT_EQ(log.units_from(log.first_after(5), 5), Units(2));
}

/// A log of an entry of `units` at each of the ticks 10, 20, ...
EventLog log_of(const std::vector<std::int64_t>& units) {
  EventLog log;
  Tick tick = 0;
  for (const std::int64_t count : units) log.append({tick += 10, Units(count)});
  return log;
}

TEST(EventLog, TakesTheNewestUnitsBack) {
  EventLog log = log_of({3, 3, 3});
  log.take_back(Units(2), kNoUnits);
  EXPECT_EQ(entries_of(log), (std::deque<Entry>{{10, Units(3)}, {20, Units(3)}, {30, Units(1)}}));
  EXPECT_EQ(log.newest(), (Entry{30, Units(1)}));
  log.take_back(Units(2), kNoUnits);
  EXPECT_EQ(entries_of(log), (std::deque<Entry>{{10, Units(3)}, {20, Units(2)}}));
  EXPECT_EQ(log.newest(), (Entry{20, Units(2)}));
}

TEST(EventLog, AppendsAfterTheEntryThatBecameTheNewest) {
  EventLog log = log_of({1, 1, 1});
  log.take_back(Units(1), kNoUnits);
  log.append({20, Units(4)});
  log.append({25, Units(1)});
  EXPECT_EQ(entries_of(log), (std::deque<Entry>{{10, Units(1)}, {20, Units(5)}, {25, Units(1)}}));
}

TEST(EventLog, TakesUnitsBackFromBeforeNewerOnes) {
  EventLog log = log_of({3, 3, 3, 3});
  log.take_back(Units(5), Units(4));
  EXPECT_EQ(entries_of(log), (std::deque<Entry>{{10, Units(3)}, {30, Units(1)}, {40, Units(3)}}));
}

TEST(EventLog, TakesUnitsBackFromTheMiddleOfOneEntry) {
  for (const bool packed : {false, true}) {
    EventLog log = log_of({2, 9});
    if (packed) log.append({30, Units(5)});
    log.take_back(Units(4), Units(packed ? 8 : 3));
    EXPECT_EQ(log.size(), packed ? 3U : 2U);
    EXPECT_EQ(log.tick_reaching(log.first_after(0), Units(7)), 20);
    EXPECT_EQ(log.units_from(log.first_after(10), 10), Units(packed ? 10 : 5));
  }
}

TEST(EventLog, TakesBackNoMoreThanThereIs) {
  EventLog log = log_of({3, 3});
  log.take_back(Units(100), Units(5));
  EXPECT_EQ(entries_of(log), (std::deque<Entry>{{10, Units(2)}, {20, Units(3)}}));
  log.take_back(kMax32BitUnits, Units(5));
  log.take_back(kMax32BitUnits, kMax32BitUnits);
  log.take_back(kNoUnits, kNoUnits);
  EXPECT_EQ(entries_of(log), (std::deque<Entry>{{10, Units(2)}, {20, Units(3)}}));
}

TEST(EventLog, TakesNothingBackFromAnEmptyLog) {
  EventLog log;
  log.take_back(Units(1), kNoUnits);
  EXPECT_TRUE(log.empty());
}

TEST(EventLog, IsEmptyOnceEverythingIsTakenBack) {
  for (const Tick entries : {1, 2, 1000}) {
    EventLog log;
    for (Tick tick = 1; tick <= entries; ++tick) log.append({tick * 1000, Units(2)});
    log.take_back(Units(2 * entries), kNoUnits);
    EXPECT_TRUE(log.empty());
    EXPECT_EQ(log.size(), 0U);
    EXPECT_EQ(log.units_from(log.first_after(-1), -1), kNoUnits);
    // Time may begin anew.
    for (const Tick tick : {5, 6}) log.append({tick, Units(1)});
    EXPECT_EQ(entries_of(log), (std::deque<Entry>{{5, Units(1)}, {6, Units(1)}}));
  }
}

TEST(EventLog, TakesNothingBackOfWhatItForgot) {
  EventLog log = log_of({3, 3, 3, 3});
  log.drop_up_to(20);
  log.take_back(Units(9), Units(3));
  EXPECT_EQ(entries_of(log), (std::deque<Entry>{{40, Units(3)}}));
  log.take_back(Units(9), kNoUnits);
  EXPECT_TRUE(log.empty());
}

/// A thousand entries, of which 30 are gone that lie before the newest `newer`; the last before them is at 970 - `newer`.
Pair pair_with_gap_before(std::int64_t newer) {
  Pair pair;
  for (Tick tick = 1; tick <= 1000; ++tick) pair.append({tick * 1000, Units(1)});
  pair.take_back(Units(30), Units(newer));
  return pair;
}

/// Whether what is appended now is found.
::testing::AssertionResult goes_on(Pair pair) {
  for (Tick i = 0; i < 300; ++i) pair.append({pair.queue().back().tick + 1 + i % 2, Units(1)});
  for (int i = 0; i <= 10; ++i) {
    const Tick tick = pair.queue()[pair.queue().size() * static_cast<std::size_t>(i) / 11].tick;
    if (const auto answers = pair.answer_the_same(tick, std::int64_t{i} * 100); !answers) return answers;
  }
  return pair.hold_the_same();
}

TEST(EventLog, TakesTheTimeBackToBeforeWhatWasTakenBack) {
  // The gap lies everywhere, thus also over each border of blocks; the time becomes one within the gap.
  for (std::int64_t newer = 1; newer < 900; ++newer) {
    for (const Tick into : {0, 500, 1000, 15'000, 30'000}) {
      Pair pair = pair_with_gap_before(newer);
      pair.clamp_to((970 - newer) * 1000 + into);
      ASSERT_TRUE(goes_on(pair)) << newer << ", " << into;
      // What lies before an empty block may be joined with it.
      pair.take_back(Units(20), Units(newer + 2));
      ASSERT_TRUE(goes_on(pair)) << newer << ", " << into;
    }
  }
}

TEST(EventLog, TakesBackBeforeABlockThatBecameEmpty) {
  for (std::int64_t newer = 1; newer < 900; ++newer) {
    for (const std::int64_t left : {0, 1, 2}) {
      Pair pair = pair_with_gap_before(newer);
      pair.take_back(Units(newer - left), kNoUnits);
      ASSERT_TRUE(goes_on(pair)) << newer << ", " << left;
      pair.take_back(Units(20), Units(2));
      ASSERT_TRUE(goes_on(pair)) << newer << ", " << left;
    }
  }
}

TEST(EventLog, TakesBackAnyRangeOverTheBordersOfItsBlocks) {
  // Some 250 entries a block, of 1 to 3 units; the first block is half dead.
  for (std::int64_t newer = 0; newer < 1900; newer += 37) {
    for (const std::int64_t units : {1, 2, 5, 200, 499, 500, 501, 1200, 2000}) {
      Pair pair;
      for (Tick i = 1; i <= 1000; ++i) pair.append({i * 20, Units(i % 3 + 1)});
      pair.drop_up_to(2000);
      pair.take_back(Units(units), Units(newer));
      ASSERT_TRUE(pair.hold_the_same()) << units << " before " << newer;
      for (Tick i = 0; i <= 10; ++i) {
        ASSERT_TRUE(pair.answer_the_same(i * 2000, i * 100)) << units << " before " << newer;
      }
      pair.copy();
      ASSERT_TRUE(pair.hold_the_same()) << units << " before " << newer;
    }
  }
}

TEST(EventLog, TakesBackUnitByUnitWhateverTheOrder) {
  for (const std::int64_t stride : {1, 7, 997}) {
    Pair pair;
    for (Tick i = 1; i <= 2000; ++i) pair.append({i * i, Units(1)});
    for (std::int64_t left = 2000, i = 0; left > 0; --left, i += stride) {
      pair.take_back(Units(1), Units(i % left));
      ASSERT_TRUE(pair.hold_the_same()) << "stride " << stride << ", " << left << " left";
      ASSERT_TRUE(pair.answer_the_same(2000 * left, i % 1001)) << "stride " << stride << ", " << left << " left";
    }
  }
}

TEST(EventLog, IsItsOwnAfterACopy) {
  EventLog log;
  for (Tick tick = 1; tick <= 1000; ++tick) log.append({tick * 1000, Units(1)});
  log.drop_up_to(100'000);
  const std::deque<Entry> entries = entries_of(log);
  EventLog copy(std::as_const(log));
  copy.take_back(Units(300), Units(300));
  copy.drop_up_to(500'000);
  copy.append({2'000'000, Units(7)});
  EXPECT_EQ(entries_of(log), entries);
}

TEST(EventLog, CopiesNoneOfWhatItForgot) {
  EventLog log;
  for (Tick tick = 1; tick <= 100'000; ++tick) log.append({tick * 1000, Units(1)});
  log.drop_up_to(99'990'000);
  EXPECT_LE(EventLog(std::as_const(log)).heap_bytes(), 2 * 544U);
  log.drop_up_to(100'000'000);
  EXPECT_EQ(EventLog(std::as_const(log)).heap_bytes(), 0U);
}

TEST(EventLog, StaysSmallHoweverMuchIsTakenBack) {
  // Each second, 300 units are taken, and 299 of them given back once others are newer: all that lasts is one of them.
  EventLog log;
  Tick tick = 0;
  for (int second = 0; second < 3000; ++second) {
    for (int i = 0; i < 300; ++i) log.append({tick += 1000, Units(1)});
    if (second > 0) log.take_back(Units(299), Units(300));
  }
  EXPECT_EQ(log.size(), 2999U + 300U);
  // Three to four bytes an entry, and each block at least about half full.
  EXPECT_LE(log.heap_bytes(), log.size() * 12U);
}

TEST(EventLog, StaysSmallWhenItIsThinnedFromTheBack) {
  EventLog log;
  for (Tick tick = 1; tick <= 100'000; ++tick) log.append({tick * 1000, Units(1)});
  // Ten of each 250 stay.
  for (std::int64_t newer = 10; newer <= 4000; newer += 10) log.take_back(Units(240), Units(newer));
  EXPECT_EQ(log.size(), 4000U);
  EXPECT_LE(log.heap_bytes(), log.size() * 12U);
}

/// One random change of both.
void change(Random& random, Pair& pair, Tick longest_gap) {
  const Tick last = pair.queue().empty() ? random.between(0, 1'000'000) : pair.queue().back().tick;
  const auto some = [&random] { return random.one_in(4) ? kNoUnits : random_units(random); };
  switch (random.below(60)) {
    case 5:
    case 6: return pair.take_back(some(), some());
    case 0: return pair.drop_up_to(random_tick(random, pair.queue()));
    case 1: return pair.clamp_to(random_tick(random, pair.queue()));
    case 2: return pair.copy();
    case 3: return pair.append({last + random.magnitude_between(1, Tick{1} << 40U), random_units(random)});
    case 4: return pair.append({last, random_units(random)});
    default: return pair.append({last + random.magnitude_between(1, longest_gap), random_units(random)});
  }
}

TEST(EventLog, HoldsWhatAPlainQueueHolds) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  for (std::uint64_t step = 0; step < test_steps() / 2;) {
    Pair pair;
    const Tick longest_gap = random.one_of<Tick>({1, 100, 10'000, 10'000'000});
    const std::uint64_t end = step + static_cast<std::uint64_t>(random.magnitude_between(1, 4096));
    for (; step < end; ++step) {
      SCOPED_TRACE(::testing::Message() << "RATELIMIT_TEST_SEED=" << seed << ", step " << step);
      change(random, pair, longest_gap);
      ASSERT_EQ(pair.log().size(), pair.queue().size());
      const Tick tick = random_tick(random, pair.queue());
      ASSERT_TRUE(pair.answer_the_same(tick, random.between(0, 1000)));
      if (random.one_in(16)) {
        ASSERT_TRUE(pair.hold_the_same());
      }
    }
  }
}

/// A change of a log of small entries, over the borders of blocks as often as not.
void change_small(Random& random, Pair& pair, std::int64_t most_units) {
  Units all;
  for (const Entry& entry : pair.queue()) all += entry.units;
  const auto some_of_all = [&] { return Units(random.between(0, all.count())); };
  const auto few = [&random] { return Units(random.magnitude_between(1, 1000)); };
  switch (random.below(12)) {
    case 0: return pair.take_back(few(), some_of_all());
    case 1: return pair.take_back(few(), few());
    case 2: return pair.take_back(few(), kNoUnits);
    case 3: return random.one_in(8) ? pair.take_back(some_of_all(), some_of_all()) : pair.copy();
    case 4: return random.one_in(8) ? pair.drop_up_to(random_tick(random, pair.queue())) : pair.copy();
    case 5: return random.one_in(8) ? pair.clamp_to(random_tick(random, pair.queue())) : pair.copy();
    default: break;
  }
  Tick tick = pair.queue().empty() ? random.between(0, 1000) : pair.queue().back().tick;
  for (std::int64_t i = random.magnitude_between(1, 500); i > 0; --i) {
    pair.append({tick += random.magnitude_between(1, 1000), Units(random.between(1, most_units))});
  }
}

TEST(EventLog, HoldsWhatAPlainQueueHoldsWhenUnitsAreTakenBack) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  for (std::uint64_t step = 0; step < test_steps() / 50;) {
    Pair pair;
    const auto most_units = random.one_of<std::int64_t>({1, 3, 1000});
    const std::uint64_t end = step + static_cast<std::uint64_t>(random.magnitude_between(1, 256));
    for (; step < end; ++step) {
      SCOPED_TRACE(::testing::Message() << "RATELIMIT_TEST_SEED=" << seed << ", step " << step);
      change_small(random, pair, most_units);
      ASSERT_TRUE(pair.hold_the_same());
      for (int i = 0; i < 4; ++i) {
        ASSERT_TRUE(pair.answer_the_same(random_tick(random, pair.queue()), random.between(0, 1000)));
      }
    }
  }
}

TEST(EventLog, HoldsWhatAPlainQueueHoldsAfterEveryShortHistory) {
  // Five appends, drops, clamps or units taken back at ticks, or before newer units, 0 to 3, in every order.
  for (unsigned history = 0; history < 16 * 16 * 16 * 16 * 16; ++history) {
    Pair pair;
    unsigned rest = history;
    for (int i = 0; i < 5; ++i, rest /= 16) {
      const Tick tick = rest / 4 % 4;
      if (rest % 4 == 0) pair.drop_up_to(tick);
      if (rest % 4 == 1) pair.clamp_to(tick);
      if (rest % 4 == 3) pair.take_back(Units(2), Units(tick));
      if (rest % 4 == 2) pair.append({pair.queue().empty() ? tick : pair.queue().back().tick + tick, Units(1 + i)});
    }
    ASSERT_TRUE(pair.hold_the_same()) << "history " << history;
    for (Tick tick = -1; tick < 4; ++tick) ASSERT_TRUE(pair.answer_the_same(tick, 500)) << "history " << history;
  }
}

TEST(EventLog, HoldsAMillionEntries) {
  Random random(test_seed());
  Pair pair;
  Tick tick = 0;
  const auto grow_to = [&](std::size_t entries) {
    while (pair.queue().size() < entries)
      pair.append({tick += random.magnitude_between(1, 100'000), random_units(random)});
  };
  const auto compare = [&] {
    ASSERT_TRUE(pair.hold_the_same());
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(pair.answer_the_same(random_tick(random, pair.queue()), random.between(0, 1000)));
    }
  };
  grow_to(1'000'000);
  compare();
  pair.drop_up_to(pair.queue()[900'000].tick);
  compare();
  grow_to(1'000'000);
  compare();
  tick = pair.queue()[500'000].tick + 1;
  pair.clamp_to(tick);
  compare();
  grow_to(600'000);
  compare();
  pair.copy();
  compare();
  for (const std::int64_t units : {1, 1000, 1'000'000'000}) {
    for (int i = 0; i < 5; ++i) pair.take_back(Units(units), Units(random.between(0, kMax32BitUnits.count())));
    compare();
  }
}

TEST(EventLog, IsTheSameForEveryLengthOverTheBordersOfItsBlocks) {
  Pair pair;
  for (int i = 1; i <= 3000; ++i) {
    pair.append({Tick{i} * 1000, Units(i % 3 + 1)});
    if (i % 5 == 0) pair.drop_up_to(Tick{i} * 500);
    ASSERT_TRUE(pair.hold_the_same()) << i;
    ASSERT_TRUE(pair.answer_the_same(Tick{i} * 750, 500)) << i;
  }
}

TEST(EventLog, GivesItsBytesBackAfterALongSilence) {
  EventLog log;
  for (Tick tick = 0; tick < 100'000; ++tick) log.append({tick * 1000, Units(1)});
  const std::size_t full = log.heap_bytes();
  Tick tick = 1'000'000'000;
  // A call gives a few blocks back at most; some calls later there is nothing left of the past.
  for (int call = 0; call < 1000; ++call, tick += 1000) {
    log.drop_up_to(tick - 2000);
    log.append({tick, Units(1)});
  }
  EXPECT_EQ(log.size(), 2U);
  EXPECT_LT(log.heap_bytes(), full / 10);
}

TEST(EventLog, StaysSmallUnderASteadyCaller) {
  EventLog log;
  std::size_t most = 0;
  for (Tick tick = 0; tick < 1'000'000; ++tick) {
    log.drop_up_to((tick - 1000) * 1000);
    log.append({tick * 1000, Units(1)});
    if (tick > 10'000) most = std::max(most, log.heap_bytes());
  }
  EXPECT_EQ(log.size(), 1000U);
  // Two bytes an entry, and the blocks at both ends.
  EXPECT_LE(most, 1000 * 2 + 60 * 64U);
}

/// Bytes an entry of a log with `entries` grants in one window of a minute, whose grid is 500 ns.
double bytes_per_entry(std::uint32_t entries, const std::function<Tick(std::uint32_t)>& tick,
                       const std::function<Units()>& units) {
  EventLog log;
  std::vector<Tick> ticks;
  for (std::uint32_t i = 0; i < entries; ++i) ticks.push_back(tick(i));
  std::sort(ticks.begin(), ticks.end());
  for (const Tick t : ticks) log.append({t, units()});
  return static_cast<double>(log.heap_bytes()) / log.size();
}

constexpr Tick kWindow = std::chrono::nanoseconds{std::chrono::minutes{1}}.count() / 500;
/// 10^3 to 2^20, in steps of a third.
std::vector<std::uint32_t> numbers_of_entries() {
  std::vector<std::uint32_t> numbers;
  for (std::uint32_t n = 1000; n < kMaxLogEntries; n += n / 3) numbers.push_back(n);
  numbers.push_back(kMaxLogEntries);
  return numbers;
}

TEST(EventLog, TakesAtMostFourAndAHalfBytesAnEntry) {
  Random random(test_seed());
  const auto one = [] { return kMinUnits; };
  for (const std::uint32_t entries : numbers_of_entries()) {
    const auto evenly = [entries](std::uint32_t i) { return kWindow * i / entries; };
    const auto randomly = [&random](std::uint32_t) { return random.between(0, kWindow - 1); };
    EXPECT_LE(bytes_per_entry(entries, evenly, one), 4.5) << entries << " evenly";
    EXPECT_LE(bytes_per_entry(entries, randomly, one), 4.5) << entries << " randomly";
  }
}

TEST(EventLog, TakesAtMostSixBytesAnEntryOfMixedCost) {
  Random random(test_seed());
  const auto mixed = [&random] { return Units(random.between(1, 1000)); };
  for (const std::uint32_t entries : numbers_of_entries()) {
    const auto randomly = [&random](std::uint32_t) { return random.between(0, kWindow - 1); };
    const double bytes = bytes_per_entry(entries, randomly, mixed);
    RecordProperty("bytes_per_entry_of_" + std::to_string(entries), std::to_string(bytes));
    EXPECT_LE(bytes, 6.0) << entries;
  }
}

}  // namespace
}  // namespace ratelimit::tests
