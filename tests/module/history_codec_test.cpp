// SPDX-License-Identifier: MIT
// The binary form of what a key remembers of its calls: golden vectors, what is refused, and how large a chunk becomes.
#include "storage/history_codec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hex.h"
#include "random.h"
#include "ratelimit/codec/bytes.h"
#include "ratelimit/codec/format.h"
#include "storage/history.h"
#include "storage/keyed_hash.h"
#include "storage/subject_table.h"

namespace ratelimit {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using tests::from_hex;
using tests::to_hex;

// 2024-02-29, as in docs/format.md.
constexpr Instant kNow{std::chrono::sys_days{std::chrono::year{2024} / 2 / 29}};
constexpr std::uint64_t kSeed = 7;

SubjectHash hash_of(std::string_view name) { return SubjectHash::of(keyed_hash(HashSecret{}, name)); }

Caller caller(std::string_view name, Instant at = kNow) { return {hash_of(name), name, at}; }

std::vector<std::string> chunks_of(const History& history) {
  std::vector<std::string> chunks;
  encode_history(history, [&chunks](const std::string& chunk) { chunks.push_back(chunk); });
  return chunks;
}
std::string chunk_of(const History& history) {
  const std::vector<std::string> chunks = chunks_of(history);
  EXPECT_EQ(chunks.size(), 1U);
  return chunks.empty() ? std::string() : chunks[0];
}

bool loads(History& history, std::string_view chunk) {
  const std::vector<char> copy(chunk.begin(), chunk.end());  // just so long, so that sanitizers see who reads beyond it
  return decode_history({copy.data(), copy.size()}, history, hash_of);
}
bool is_readable(std::string_view chunk) {
  History history(kSeed);
  return loads(history, chunk);
}

/// Two calls that were granted, and one that was denied.
History counted_history() {
  History history(kSeed);
  history.counters.begin(kNow);
  history.counters.note_denied("fixed", kNow + seconds(5));
  history.counters.note_granted();
  history.counters.note_granted();
  return history;
}

/// Two who were denied, the key itself too, and one who was near a limit.
History some_history() {
  History history(kSeed);
  const HistoryBounds bounds;
  history.note_denial(caller("alice"), "fixed", seconds(60), bounds);
  history.note_denial(caller("bob", kNow + seconds(5)), "blocked", hours(1), bounds);
  history.note_denial(caller("", kNow + seconds(7)), "fixed", DenialLog::kNever, bounds);
  history.note_denial(caller("alice", kNow + seconds(10)), "fixed", seconds(50), bounds);
  history.note_near(caller("carol", kNow + seconds(2)), bounds);
  return history;
}

// As docs/format.md explains them.
const std::string kGolden = to_hex(
    from_hex("01 "                                                                                  // version
             "02 03626f62 07626c6f636b6564 00f29fa8552cb817 00f29fa8552cb817 01 00a0b83046030000 "  // bob, by a block
             "02 00 056669786564 0086d51f562cb817 0086d51f562cb817 01 ffffffffffffff7f "  // the key itself, for ever
             "02 05616c696365 056669786564 00009a7e542cb817 00e4a5d2562cb817 02 00743ba40b000000 "  // alice, twice
             "03 00009a7e542cb817 00 05616c696365 02 00 "    // denied most: alice, twice
             "03 03626f62 01 00 "                            // and bob
             "04 0094cff5542cb817 00 056361726f6c 01 00"));  // near: carol
const std::string kGoldenCounters =
    to_hex(from_hex("01 "                                           // version
                    "01 00009a7e542cb817 02010000 "                 // since now: 2 granted, 1 denied
                    "01 056669786564 00f29fa8552cb817 00010000"));  // by `fixed`, since five seconds later

TEST(HistoryCodec, WritesTheGoldenVector) { EXPECT_EQ(to_hex(chunk_of(some_history())), kGolden); }

TEST(HistoryCodec, ReadsTheGoldenVector) {
  History history(kSeed + 1);
  ASSERT_TRUE(loads(history, from_hex(kGolden)));
  const History same = some_history();
  EXPECT_EQ(history.log.newest(9), same.log.newest(9));
  EXPECT_EQ(history.most_denied.top(9, kNow), same.most_denied.top(9, kNow));
  EXPECT_EQ(history.most_near.top(9, kNow), same.most_near.top(9, kNow));
  EXPECT_EQ(to_hex(chunk_of(history)), kGolden);
  // Who is read back is who calls: the next denials are counted where the first ones were.
  history.note_denial(caller("alice", kNow + seconds(20)), "fixed", seconds(40), {});
  history.note_denial(caller("", kNow + seconds(20)), "fixed", seconds(40), {});
  EXPECT_EQ(history.log.size(), 3U);
  EXPECT_EQ(history.log.newest(2)[1].times, 3U);
  EXPECT_EQ(history.most_denied.top(1, kNow)[0], (HeavyHitters::Entry{"alice", 3, 0}));
}

TEST(HistoryCodec, WritesAndReadsTheGoldenCounters) {
  EXPECT_EQ(to_hex(chunk_of(counted_history())), kGoldenCounters);
  History history(kSeed);
  ASSERT_TRUE(loads(history, from_hex(kGoldenCounters)));
  EXPECT_EQ(history.counters, counted_history().counters);
  EXPECT_FALSE(
      is_readable(from_hex("0101000000000000000000"
                           "000000"
                           "00")))
      << "what is not counted is not written";
  EXPECT_FALSE(is_readable(from_hex(kGoldenCounters) + from_hex(kGoldenCounters).substr(1))) << "twice";
  EXPECT_FALSE(is_readable(from_hex(kGolden) + from_hex(kGoldenCounters).substr(1))) << "behind others";
}

TEST(HistoryCodec, WritesNothingOfAHistoryWithoutARecord) {
  EXPECT_TRUE(chunks_of(History(kSeed)).empty());
  EXPECT_FALSE(is_readable("")) << "a chunk has a record";
  EXPECT_FALSE(is_readable(from_hex("01")));
}

TEST(HistoryCodec, ReadsWhatItWritesInChunksThatAreBounded) {
  tests::Random random(tests::test_seed());
  SCOPED_TRACE(::testing::Message() << "RATELIMIT_TEST_SEED=" << tests::test_seed());
  History history(kSeed);
  const HistoryBounds bounds{.log_length = 5000, .top_size = 1024};
  for (int step = 0; step < 20'000; ++step) {
    const std::uint64_t number = random.below(8000);
    const std::string name = std::to_string(number) + std::string(number % 10 == 0 ? 1000 : 0, 'x');
    const Instant at = kNow + seconds(random.below(10'000));
    history.note_denial(caller(name, at), random.one_in(3) ? "burst" : "daily", seconds(random.below(100)), bounds);
    if (random.one_in(2)) history.note_near(caller(name, at), bounds);
  }
  const std::vector<std::string> chunks = chunks_of(history);
  EXPECT_GT(chunks.size(), 3U);
  History read(kSeed + 1);
  for (const std::string& chunk : chunks) {
    EXPECT_LT(chunk.size(), kChunkBytes + 1200);
    ASSERT_TRUE(loads(read, chunk));
  }
  EXPECT_EQ(chunks_of(read), chunks);
  EXPECT_EQ(read.log.newest(5000), history.log.newest(5000));
  EXPECT_EQ(read.most_denied.age(), history.most_denied.age());
}

TEST(HistoryCodec, ReadsChunksOnlyInTheirOrder) {
  const std::string golden = from_hex(kGolden);
  History history(kSeed);
  ASSERT_TRUE(loads(history, golden));
  EXPECT_FALSE(loads(history, golden)) << "twice";
  // The log comes before those who were denied most, and these before those who were near.
  const std::string denied = from_hex("010300009a7e542cb8170005616c6963650200");
  const std::string near = from_hex("01040094cff5542cb81700056361726f6c0100");
  const std::string entry = from_hex("010203626f6207626c6f636b656400f29fa8552cb81700f29fa8552cb8170100a0b83046030000");
  const auto are_readable = [](const std::string& first, const std::string& second) {
    History empty(kSeed);
    return loads(empty, first) && loads(empty, second);
  };
  EXPECT_TRUE(are_readable(entry, denied));
  EXPECT_TRUE(are_readable(denied, near));
  EXPECT_TRUE(are_readable(entry, near));
  EXPECT_FALSE(are_readable(denied, entry));
  EXPECT_FALSE(are_readable(near, entry));
  EXPECT_FALSE(are_readable(near, denied));
}

TEST(HistoryCodec, IsSafeWithAnyByteChanged) {
  const std::string golden = from_hex(kGoldenCounters) + from_hex(kGolden).substr(1);
  ASSERT_TRUE(is_readable(golden));
  for (std::size_t i = 0; i < golden.size(); ++i) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string bytes = golden;
      bytes[i] = static_cast<char>(byte);
      History history(kSeed);
      if (!loads(history, bytes)) continue;
      ASSERT_EQ(to_hex(chunk_of(history)), to_hex(bytes)) << "accepted, but nobody writes it so";
    }
  }
}

TEST(HistoryCodec, RefusesAnEndWithinARecord) {
  const std::string golden = from_hex(kGolden);
  std::size_t readable = 0;
  for (std::size_t size = 0; size < golden.size(); ++size) readable += is_readable(golden.substr(0, size)) ? 1 : 0;
  EXPECT_EQ(readable, 5U) << "of six records, one to five may be all";
  EXPECT_FALSE(is_readable(golden + '\0'));
}

// --- each record alone

struct EntryBytes {
  std::string subject = "bob";
  std::string label = "fixed";
  std::int64_t first = kNow.time_since_epoch().count();
  std::int64_t last = first;
  std::uint64_t times = 1;
  std::int64_t wait = 0;
};
std::string written(const EntryBytes& entry) {
  std::string bytes;
  Writer out(bytes);
  out.u8(1);
  out.u8(2);
  out.long_text(entry.subject);
  out.text(entry.label);
  out.i64(entry.first);
  out.i64(entry.last);
  out.variable(entry.times);
  out.i64(entry.wait);
  return bytes;
}

TEST(HistoryCodec, RefusesAnEntryThatNobodyWrites) {
  constexpr std::int64_t kLast = kLatest.time_since_epoch().count();
  EXPECT_TRUE(is_readable(written({})));
  EXPECT_TRUE(is_readable(written({.subject = std::string(1024, '\0')})));
  EXPECT_FALSE(is_readable(written({.subject = std::string(1025, 'x')})));
  EXPECT_TRUE(is_readable(written({.label = std::string(64, 'x') + "-2"})));
  for (const std::string& label : {std::string(), std::string(68, 'x'), std::string("a b"), std::string("\"")}) {
    EXPECT_FALSE(is_readable(written({.label = label}))) << label;
  }
  EXPECT_TRUE(is_readable(written({.first = 0, .last = kLast})));
  EXPECT_FALSE(is_readable(written({.first = -1, .last = 0})));
  EXPECT_FALSE(is_readable(written({.first = kLast, .last = kLast + 1})));
  EXPECT_FALSE(is_readable(written({.first = 2, .last = 1}))) << "the last before the first";
  EXPECT_FALSE(is_readable(written({.times = 0})));
  EXPECT_TRUE(is_readable(written({.times = DenialLog::kMostTimes})));
  EXPECT_FALSE(is_readable(written({.times = DenialLog::kMostTimes + 1})));
  EXPECT_FALSE(is_readable(written({.wait = -1})));
}

std::string written_counter(std::string_view name, std::uint64_t count, std::uint64_t error, std::int64_t at,
                            std::uint64_t untracked) {
  std::string bytes;
  Writer out(bytes);
  out.u8(1);
  out.u8(3);
  out.i64(at);
  out.variable(untracked);
  out.long_text(name);
  out.variable(count);
  out.variable(error);
  return bytes;
}

TEST(HistoryCodec, RefusesACounterThatNobodyWrites) {
  EXPECT_TRUE(is_readable(written_counter("bob", 3, 3, 0, 2)));
  EXPECT_FALSE(is_readable(written_counter("", 3, 3, 0, 2))) << "the key itself";
  EXPECT_TRUE(is_readable(written_counter(std::string(1024, 'x'), 3, 3, 0, 2)));
  EXPECT_FALSE(is_readable(written_counter(std::string(1025, 'x'), 3, 3, 0, 2)));
  EXPECT_FALSE(is_readable(written_counter("bob", 0, 0, 0, 0)));
  EXPECT_FALSE(is_readable(written_counter("bob", 3, 4, 0, 2)));
  EXPECT_FALSE(is_readable(written_counter("bob", 1, 1, 0, 2)));
  EXPECT_FALSE(is_readable(written_counter("bob", 3, 3, -1, 2)));
  EXPECT_FALSE(is_readable(written_counter("bob", HeavyHitters::kMostCount + 1, 0, 0, 0)));
}

TEST(HistoryCodec, RefusesMoreThanAHistoryHolds) {
  const HistoryBounds bounds{.log_length = DenialLog::kMostEntries, .top_size = 1024};
  History history(kSeed);
  for (std::size_t i = 0; i < DenialLog::kMostEntries; ++i) {
    history.note_denial(caller(std::to_string(i)), "fixed", seconds(1), bounds);
  }
  History read(kSeed);
  for (const std::string& chunk : chunks_of(history)) ASSERT_TRUE(loads(read, chunk));
  EXPECT_EQ(read.log.size(), DenialLog::kMostEntries);
  EXPECT_EQ(read.most_denied.size(), HeavyHitters::kMostCounters);
}

TEST(HistoryCodec, PutsNamesWhereTheSecretOfTheTableSays) {
  SubjectTableHead head{.is_stored = true};
  SubjectTable table(head);
  ASSERT_TRUE(table.load_history(from_hex(kGolden)));
  table.history().note_denial({table.hash_of("alice"), "alice", kNow + seconds(30)}, "fixed", seconds(30), {});
  EXPECT_EQ(table.history().log.newest(1)[0].times, 3U);
  EXPECT_EQ(table.history().log.size(), 3U);
  EXPECT_FALSE(table.load_history("nonsense"));
}

}  // namespace
}  // namespace ratelimit
