// SPDX-License-Identifier: MIT
#include "ratelimit/denial_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "random.h"

namespace ratelimit {

inline void PrintTo(const DenialLog::Entry& entry, std::ostream* out) {
  *out << entry.subject << '/' << entry.label << ": " << entry.times << " times from "
       << entry.first.time_since_epoch().count() << " to " << entry.last.time_since_epoch().count() << ", wait "
       << entry.wait.count();
}

}  // namespace ratelimit

namespace ratelimit::tests {
namespace {

using Entry = DenialLog::Entry;
using Entries = std::vector<Entry>;
using std::chrono::hours;
using std::chrono::seconds;

constexpr Instant kStart{std::chrono::sys_days{std::chrono::year{2024} / 2 / 29}};
constexpr std::size_t kAll = DenialLog::kMostEntries;

/// Different for different names.
std::uint64_t hash_of(std::string_view name) {
  std::uint64_t hash = 1469598103934665603U;
  for (const char c : name) hash = (hash ^ static_cast<std::uint8_t>(c)) * 1099511628211U;
  return hash;
}

DenialLog::Denial denial(std::string_view subject, std::string_view label, Instant at = kStart,
                         Span wait = seconds(1)) {
  return {.hash = hash_of(subject), .subject = subject, .label = label, .at = at, .wait = wait};
}

/// The names of subjects, the newest first.
std::string subjects(const DenialLog& log) {
  std::string names;
  for (const Entry& entry : log.newest(kAll)) names.append(entry.subject).append(" ");
  return names;
}

/// All denials that there were, in a plain list; what the log should say is counted from it.
class PlainLog {
 public:
  void note(const DenialLog::Denial& denial, std::size_t length) {
    const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Kept& kept) {
      return kept.subject == denial.subject && kept.label == denial.label;
    });
    Kept next{std::string(denial.subject), std::string(denial.label), denial.at, denial.at, 1, denial.wait};
    if (found != entries_.end()) {
      next.first = std::min(found->first, denial.at);
      next.times = found->times + 1;
      entries_.erase(found);
    }
    entries_.push_front(next);
    while (entries_.size() > length) entries_.pop_back();
  }

  [[nodiscard]] Entries newest() const {
    Entries all;
    for (const Kept& kept : entries_) {
      all.push_back({kept.subject, kept.label, kept.first, kept.last, kept.times, kept.wait});
    }
    return all;
  }

 private:
  struct Kept {
    std::string subject;
    std::string label;
    Instant first;
    Instant last;
    std::uint64_t times = 0;
    Span wait{};
  };
  std::list<Kept> entries_;  ///< the newest first
};

TEST(DenialLog, IsEmptyBeforeTheFirstDenial) {
  const DenialLog log;
  EXPECT_TRUE(log.empty());
  EXPECT_TRUE(log.newest(kAll).empty());
  EXPECT_EQ(log.heap_bytes(), 0U);
  EXPECT_EQ(log.pieces(), 0U);
}

TEST(DenialLog, FoldsDenialsOfOneSubjectByOneLabel) {
  DenialLog log;
  log.note(denial("alice", "daily", kStart, hours(3)), kAll);
  log.note(denial("alice", "daily", kStart + hours(1), hours(2)), kAll);
  log.note(denial("alice", "daily", kStart + hours(2), DenialLog::kNever), kAll);
  EXPECT_EQ(log.newest(kAll), (Entries{{"alice", "daily", kStart, kStart + hours(2), 3, DenialLog::kNever}}));
}

TEST(DenialLog, TellsSubjectsAndLabelsApart) {
  DenialLog log;
  for (const std::string_view label : {"daily", "burst", "daily", "", "a", "ab"})
    log.note(denial("alice", label), kAll);
  log.note(denial("bob", "daily"), kAll);
  log.note(denial("", "daily"), kAll);
  EXPECT_EQ(log.size(), 7U);
  EXPECT_EQ(log.newest(1)[0].subject, "") << "the key itself";
  EXPECT_EQ(log.newest(kAll)[5], (Entry{"alice", "daily", kStart, kStart, 2, seconds(1)}));
}

TEST(DenialLog, NamesTheNewestFirst) {
  DenialLog log;
  for (const std::string_view name : {"a", "b", "c", "a", "d", "b"}) log.note(denial(name, "fixed"), kAll);
  EXPECT_EQ(subjects(log), "b d a c ");
  EXPECT_EQ(log.newest(2).size(), 2U);
  EXPECT_EQ(log.newest(2)[1].subject, "d");
  EXPECT_TRUE(log.newest(0).empty());
}

TEST(DenialLog, DropsTheEntryWhoseLastDenialIsOldest) {
  DenialLog log;
  for (const std::string_view name : {"a", "b", "c", "a", "d"}) log.note(denial(name, "fixed"), 3);
  EXPECT_EQ(subjects(log), "d a c ");
}

TEST(DenialLog, IsNotEmptiedByAFloodOfOneSubject) {
  DenialLog log;
  log.note(denial("alice", "daily"), 2);
  for (int i = 0; i < 100'000; ++i) log.note(denial("flood", "daily", kStart + seconds(i)), 2);
  EXPECT_EQ(subjects(log), "flood alice ");
  EXPECT_EQ(log.newest(1)[0], (Entry{"flood", "daily", kStart, kStart + seconds(99'999), 100'000, seconds(1)}));
}

TEST(DenialLog, KeepsTheNewestWhenItsLengthIsMadeSmaller) {
  DenialLog log;
  for (int i = 0; i < 1000; ++i) log.note(denial(std::to_string(i), "fixed"), 1000);
  const std::size_t before = log.heap_bytes();
  log.note(denial("last", "fixed"), 3);
  EXPECT_EQ(subjects(log), "last 999 998 ");
  EXPECT_LT(log.heap_bytes(), before / 10) << "its memory is given back";
  log.note(denial("998", "fixed"), 3);
  EXPECT_EQ(subjects(log), "998 last 999 ") << "what is kept is found";
  log.note(denial("none", "fixed"), 0);
  EXPECT_TRUE(log.empty());
  EXPECT_EQ(log.heap_bytes(), 0U);
  log.note(denial("again", "fixed"), 5);
  EXPECT_EQ(subjects(log), "again ");
}

TEST(DenialLog, HoldsNoMoreEntriesThanItsMost) {
  DenialLog log;
  for (std::size_t i = 0; i < kAll + 10; ++i) log.note(denial(std::to_string(i), "fixed"), 2 * kAll);
  EXPECT_EQ(log.size(), kAll);
  EXPECT_EQ(log.newest(kAll).back().subject, "10");
}

TEST(DenialLog, KeepsTheOrderOfArrivalWhenAClockStepsBack) {
  DenialLog log;
  log.note(denial("future", "fixed", kStart + hours(24)), 3);
  log.note(denial("now", "fixed", kStart), 3);
  EXPECT_EQ(subjects(log), "now future ");
  log.note(denial("future", "fixed", kStart + seconds(1)), 3);
  EXPECT_EQ(log.newest(1)[0], (Entry{"future", "fixed", kStart + seconds(1), kStart + seconds(1), 2, seconds(1)}))
      << "what began in the future begins now";
  log.note(denial("a", "fixed"), 3);
  log.note(denial("b", "fixed"), 3);
  EXPECT_EQ(subjects(log), "b a future ");
}

TEST(DenialLog, TakesNamesAndLabelsOfAnySize) {
  DenialLog log;
  const std::string longest(1024, '\0');
  const std::string label(64, '~');
  log.note(denial(longest, label), 2);
  log.note(denial("", ""), 2);
  EXPECT_EQ(log.newest(2)[1].subject, longest);
  EXPECT_EQ(log.newest(2)[1].label, label);
  EXPECT_GT(log.heap_bytes(), 1024U + 64U);
  // A subject and a label are told apart where one ends and the other begins.
  log.note({.hash = 1, .subject = "ab", .label = "c"}, 9);
  log.note({.hash = 1, .subject = "a", .label = "bc"}, 9);
  EXPECT_EQ(log.size(), 4U);
}

TEST(DenialLog, StopsCountingAtTheLargestNumber) {
  DenialLog log;
  ASSERT_TRUE(log.restore(hash_of("a"), {"a", "fixed", kStart, kStart, DenialLog::kMostTimes - 1, seconds(1)}));
  for (int i = 0; i < 3; ++i) log.note(denial("a", "fixed"), kAll);
  EXPECT_EQ(log.newest(1)[0].times, DenialLog::kMostTimes);
}

TEST(DenialLog, RestoresWhatItSaid) {
  Random random(test_seed());
  DenialLog log;
  for (int i = 0; i < 500; ++i) {
    log.note(denial(std::to_string(random.below(300)), "fixed", kStart + seconds(random.below(100))), 100);
  }
  DenialLog restored(7);
  log.for_each([&restored](const Entry& entry) {
    ASSERT_TRUE(restored.restore(hash_of(entry.subject), entry));
    ASSERT_FALSE(restored.restore(hash_of(entry.subject), entry)) << "twice";
  });
  EXPECT_EQ(restored.newest(kAll), log.newest(kAll));
}

TEST(DenialLog, RestoresNoMoreThanItsMost) {
  DenialLog log;
  const auto restore = [&log](std::size_t i) {
    return log.restore(i, {"name", "fixed", kStart, kStart, 1, seconds(1)});
  };
  for (std::size_t i = 0; i < kAll; ++i) ASSERT_TRUE(restore(i));
  EXPECT_FALSE(restore(kAll));
}

TEST(DenialLog, SaysWhatAPlainListOfAllDenialsSays) {
  Random random(test_seed());
  SCOPED_TRACE(::testing::Message() << "RATELIMIT_TEST_SEED=" << test_seed());
  DenialLog log(test_seed());
  PlainLog plain;
  Instant now = kStart;
  std::size_t length = 20;
  const std::uint64_t steps = test_steps() / 10;
  for (std::uint64_t step = 0; step < steps; ++step) {
    if (random.one_in(100)) length = random.one_of<std::size_t>({0, 1, 2, 7, 20, 21, 40, 60});
    now += random.one_in(50) ? -seconds(random.below(1000)) : seconds(random.below(10));
    // Half of the subjects have short names, and one or two labels come often.
    const std::uint64_t number = random.below(random.one_in(3) ? 200 : 15);
    const std::string name = std::to_string(number) + std::string(number % 2 * 30, '.');
    const std::string label(random.one_in(4) ? random.below(20) : 5, 'l');
    const Span wait = random.one_in(5) ? DenialLog::kNever : seconds(random.below(100));
    log.note(denial(name, label, now, wait), length);
    plain.note(denial(name, label, now, wait), length);
    ASSERT_EQ(log.size(), plain.newest().size()) << "step " << step;
    if (step % 16 == 0) {
      ASSERT_EQ(log.newest(kAll), plain.newest()) << "step " << step;
    }
  }
}

TEST(DenialLog, CountsTheBytesOfItsTexts) {
  DenialLog log;
  log.note(denial("short", "fixed"), 10);
  const std::size_t before = log.heap_bytes();
  log.note(denial(std::string(1000, 'x'), "fixed"), 10);
  EXPECT_GT(log.heap_bytes(), before + 1000);
  EXPECT_LT(log.heap_bytes(), before + 1000 + 500);
  EXPECT_EQ(log.pieces(), 4U);
}

TEST(DenialLog, TakesAsManyBytesAsItsHeaderSays) {
  DenialLog log;
  for (std::size_t i = 0; i < kAll; ++i) {
    log.note(denial(std::to_string(i), "daily"), kAll);
    if (i < 100) continue;
    ASSERT_GE(log.heap_bytes(), 96 * log.size());
    ASSERT_LE(log.heap_bytes(), 192 * log.size());
  }
}

}  // namespace
}  // namespace ratelimit::tests
