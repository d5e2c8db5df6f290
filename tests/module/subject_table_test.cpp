// SPDX-License-Identifier: MIT
// What a key is besides one subject, outside of a server: how it is written, read, copied and digested.
#include "storage/subject_table.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hex.h"
#include "ratelimit/account.h"
#include "ratelimit/states.h"
#include "ratelimit/verdict.h"

namespace ratelimit {
namespace {

using tests::from_hex;
using tests::to_hex;

using std::chrono::hours;
using std::chrono::seconds;

// 2024-02-29, as in docs/format.md.
constexpr Instant kNow{std::chrono::sys_days{std::chrono::year{2024} / 2 / 29}};

constexpr LimitSpec kFixed{.algorithm = Algorithm::fixed_window, .size = Units(5), .span = seconds(60)};
constexpr LimitSpec kBucket{
    .algorithm = Algorithm::token_bucket, .size = Units(10), .refill = Units(7), .span = seconds(60)};
constexpr LimitSpec kSliding{.algorithm = Algorithm::sliding_window_log, .size = Units(1000), .span = hours(1)};
constexpr LimitSpec kConcurrent{.algorithm = Algorithm::concurrent, .size = Units(10), .span = seconds(60)};

SubjectTableHead head(bool is_stored, bool is_shadow = false) {
  SubjectTableHead made{.is_stored = is_stored, .is_shadow = is_shadow};
  for (std::size_t i = 0; i < made.secret.size(); ++i) made.secret[i] = static_cast<std::uint8_t>(i);
  return made;
}

void charge(const Subject& subject, Units cost, Instant now) {
  apply(subject.limits(), subject.cells(), decide(subject.limits(), subject.cells(), Ask{cost, "lease"}, now));
}

/// A subject as it is kept outside of tables.
Value::Pointer charged(const SharedLimits& limits, Units cost, Instant now = kNow) {
  Value::Pointer value = Value::create(limits);
  charge(value->subject(), cost, now);
  return value;
}
Value::Pointer reserved(const SharedLimits& limits, Units cost) {
  Value::Pointer value = Value::create(limits, Value::Room::for_reservations);
  value->subject().perform(
      {.kind = Operation::Kind::reserve, .at = kNow, .units = cost, .span = seconds(100), .id = "hold"});
  return value;
}

std::vector<std::string> chunks_of(SubjectTable& subject_table) {
  std::vector<std::string> chunks;
  std::optional<SubjectHash> from = SubjectHash::of(0);
  while (from) {
    std::string chunk = subject_table.encoded_chunk(from);
    if (!chunk.empty()) chunks.push_back(std::move(chunk));
  }
  return chunks;
}
/// The subjects of a table that are written as one chunk.
std::string chunk_of(SubjectTable& subject_table) {
  const std::vector<std::string> chunks = chunks_of(subject_table);
  EXPECT_EQ(chunks.size(), 1U);
  return chunks.empty() ? std::string() : chunks[0];
}

/// Whether a table loads a chunk.
bool loads(SubjectTable& subject_table, std::string_view chunk, const SharedLimits& stored, LimitsPool& pool) {
  const std::vector<char> copy(chunk.begin(), chunk.end());  // just so long, so that sanitizers see who reads beyond it
  std::optional<SubjectHash> last;
  return subject_table.load_chunk({copy.data(), copy.size()}, stored, pool, last);
}
bool is_readable(std::string_view chunk, const SharedLimits& stored, LimitsPool& pool) {
  SubjectTable subject_table(head(static_cast<bool>(stored)));
  const bool is_read = loads(subject_table, chunk, stored, pool);
  // What is left of it must be sound whatever came.
  const std::uint64_t digest = subject_table.digest();
  EXPECT_EQ(subject_table.copy()->digest(), digest);
  EXPECT_TRUE(subject_table.hash_table().is_valid());
  return is_read;
}

std::size_t allocated(const void* memory) {
  return malloc_usable_size(const_cast<void*>(memory));
}  // NOLINT(cppcoreguidelines-pro-type-const-cast)

/// Randomness that can be repeated.
std::mt19937_64 seeded(std::uint64_t& seed) {
  const char* text = std::getenv("RATELIMIT_TEST_SEED");
  seed = text != nullptr ? std::stoull(text) : 20240229;
  return std::mt19937_64(seed);
}

/// Some limits, one list or several.
std::vector<SharedLimits> some_limits(LimitsPool& pool) {
  return {pool.get(std::array{kFixed}), pool.get(std::array{kBucket}), pool.get(std::array{kBucket, kSliding}),
          pool.get(std::array{kConcurrent}), pool.get(std::array{kFixed, kBucket, kConcurrent})};
}

/// Subjects of all kinds: inline ones, ones with other limits, with logs, leases and reservations.
void fill(SubjectTable& subject_table, std::size_t subjects, const std::vector<SharedLimits>& limits,
          std::mt19937_64& engine) {
  for (std::size_t i = 0; i < subjects; ++i) {
    const SubjectHash hash = SubjectHash::of(engine());
    const SharedLimits& of_subject = limits[engine() % limits.size()];
    const Units cost(1 + static_cast<std::int64_t>(engine() % 5));
    if (engine() % 8 == 0) {
      subject_table.hash_table().put(hash, reserved(of_subject, cost));
    } else if (!subject_table.hash_table().find(hash)) {
      charge(subject_table.hash_table().insert(hash, of_subject), cost, kNow + seconds(engine() % 100));
    }
  }
}

/// Forgets one subject, whenever it is idle.
void forget(HashTable& table, SubjectHash hash) { table.sweep({hash, hash}, kLatest + 3 * kMaxSpan); }

TEST(SubjectTable, KnowsSubjectsByAKeyedHash) {
  const SubjectTable subject_table(head(false));
  // SipHash-2-4 of the name, its lowest bit cleared; from another implementation of it.
  EXPECT_EQ(subject_table.hash_of("user:1").word(), 0xF66A302956A2BE74U);
  EXPECT_EQ(subject_table.hash_of("user:2").word(), 0x1BEDF54F03AC48BCU);
  EXPECT_EQ(subject_table.hash_of("alice").word(), 0x7159E700F53C57A2U);
  EXPECT_EQ(subject_table.hash_of("user:1"), subject_table.hash_of(std::string("user:1")));
  EXPECT_NE(subject_table.hash_of(std::string(1024, 'x')), subject_table.hash_of(std::string(1023, 'x')));
  EXPECT_NE(subject_table.hash_of(std::string_view("a\0b", 3)), subject_table.hash_of("a"));

  SubjectTableHead other = head(false);
  other.secret[15] ^= 1;
  EXPECT_NE(SubjectTable(other).hash_of("user:1"), subject_table.hash_of("user:1"));
}

TEST(SubjectTable, IsALimiterOnceLimitsAreStored) {
  SubjectTable subject_table(head(false));
  EXPECT_FALSE(subject_table.is_stored());
  EXPECT_FALSE(subject_table.is_shadow());
  subject_table.store(true);
  EXPECT_TRUE(subject_table.is_stored());
  EXPECT_TRUE(subject_table.is_shadow());
  subject_table.store(false);
  EXPECT_TRUE(subject_table.is_stored());
  EXPECT_FALSE(subject_table.is_shadow());
  EXPECT_EQ(subject_table.head(), head(true)) << "the secret stays";
}

TEST(SubjectTable, WritesSubjectsOfALimiterAsThePageSays) {
  LimitsPool pool;
  const SharedLimits limits = pool.get(std::array{kFixed});
  SubjectTable subject_table(head(true));
  charge(subject_table.hash_table().insert(subject_table.hash_of("user:1"), limits), Units(1), kNow);
  charge(subject_table.hash_table().insert(subject_table.hash_of("user:2"), limits), Units(2), kNow + seconds(20));
  EXPECT_EQ(to_hex(chunk_of(subject_table)), to_hex(from_hex("01 bc48ac034ff5ed1b 00 0020f91e672cb817 02 "
                                                             "74bea25629306af6 00 0058e176622cb817 01")));
}

TEST(SubjectTable, WritesLimitsOnceForAllThatFollowWithTheSame) {
  LimitsPool pool;
  const SharedLimits fixed = pool.get(std::array{kFixed});
  const SharedLimits bucket = pool.get(std::array{kBucket});
  SubjectTable subject_table(head(false));
  subject_table.hash_table().put(SubjectHash::of(2), charged(fixed, Units(1)));
  subject_table.hash_table().put(SubjectHash::of(4), charged(fixed, Units(2)));
  subject_table.hash_table().put(SubjectHash::of(6), charged(bucket, Units(7)));
  subject_table.hash_table().put(SubjectHash::of(8), charged(fixed, Units(3)));
  const std::string limit = "0200 05 00 005847f80d000000";
  const std::string end = "0058e176622cb817";
  EXPECT_EQ(to_hex(chunk_of(subject_table)),
            to_hex(from_hex("01 0200000000000000 01" + limit + end + "01 0400000000000000 00" + end +
                            "02 0600000000000000 01 0100 0a 07 005847f80d000000 0058e176622cb817 "
                            "00000000 0800000000000000 01" +
                            limit + end + "03")));
}

TEST(SubjectTable, WritesNothingOfATableThatIsEmpty) {
  SubjectTable subject_table(head(true));
  std::optional<SubjectHash> from = SubjectHash::of(0);
  EXPECT_EQ(subject_table.encoded_chunk(from), "");
  EXPECT_EQ(from, std::nullopt);
  EXPECT_EQ(subject_table.encoded_chunk(from), "") << "nor behind its end";
}

TEST(SubjectTable, ComesBackFromItsChunks) {
  std::uint64_t seed = 0;
  std::mt19937_64 engine = seeded(seed);
  LimitsPool pool;
  const std::vector<SharedLimits> several = some_limits(pool);
  for (const bool is_stored : {false, true}) {
    for (const std::size_t subjects : {1U, 2U, 100U, 5000U}) {
      SCOPED_TRACE(::testing::Message() << "RATELIMIT_TEST_SEED=" << seed << ", " << subjects << " subjects, "
                                        << (is_stored ? "stored" : "not stored"));
      const std::vector<SharedLimits> limits = is_stored ? std::vector{several[engine() % several.size()]} : several;
      const SharedLimits stored = is_stored ? limits[0] : SharedLimits{};
      SubjectTable subject_table(head(is_stored));
      fill(subject_table, subjects, limits, engine);
      const std::vector<std::string> chunks = chunks_of(subject_table);

      // As a file is loaded: one chunk behind the other.
      SubjectTable loaded(head(is_stored));
      std::optional<SubjectHash> last;
      for (const std::string& chunk : chunks) ASSERT_TRUE(loaded.load_chunk(chunk, stored, pool, last));
      EXPECT_EQ(loaded.hash_table().size(), subject_table.hash_table().size());
      EXPECT_EQ(loaded.digest(), subject_table.digest());
      EXPECT_EQ(chunks_of(loaded), chunks);
      EXPECT_TRUE(loaded.hash_table().is_valid());

      // As a rewritten append-only file is replayed: each by itself, whatever the order.
      SubjectTable replayed(head(is_stored));
      for (std::size_t i = chunks.size(); i-- > 0;) ASSERT_TRUE(loads(replayed, chunks[i], stored, pool));
      EXPECT_EQ(chunks_of(replayed), chunks);
    }
  }
}

TEST(SubjectTable, WritesChunksOfSixtyFourKilobytes) {
  std::uint64_t seed = 0;
  std::mt19937_64 engine = seeded(seed);
  LimitsPool pool;
  const SharedLimits limits = pool.get(std::array{kFixed});
  SubjectTable subject_table(head(true));
  fill(subject_table, 20'000, {limits}, engine);
  const std::vector<std::string> chunks = chunks_of(subject_table);
  EXPECT_GT(chunks.size(), 5U);
  for (const std::string& chunk : chunks) {
    EXPECT_LT(chunk.size(), 65'536U + 256U);
    EXPECT_TRUE(chunk.size() >= 65'536U || &chunk == &chunks.back()) << "all but the last are full";
  }
}

TEST(SubjectTable, WritesASubjectThatIsLargerThanAChunk) {
  LimitsPool pool;
  const SharedLimits limits = pool.get(std::array{kConcurrent, kSliding});
  SubjectTable subject_table(head(true));
  Value::Pointer large = Value::create(limits);
  for (int i = 0; i < 2000; ++i) {
    const std::string id = std::string(58, 'x') + std::to_string(i);
    const Verdict verdict = decide(*limits, large->cells(), Ask{kMinUnits, id, true}, kNow);
    ASSERT_EQ(verdict.decision.outcome, Outcome::granted);
    apply(*limits, large->cells(), verdict);
  }
  const std::string encoded = large->encoded();
  ASSERT_GT(encoded.size(), 100'000U);
  subject_table.hash_table().put(SubjectHash::of(2), charged(limits, Units(1)));
  subject_table.hash_table().put(SubjectHash::of(4), std::move(large));
  subject_table.hash_table().put(SubjectHash::of(6), charged(limits, Units(2)));
  const std::vector<std::string> chunks = chunks_of(subject_table);
  ASSERT_EQ(chunks.size(), 2U);
  SubjectTable loaded(head(true));
  std::optional<SubjectHash> last;
  for (const std::string& chunk : chunks) ASSERT_TRUE(loaded.load_chunk(chunk, limits, pool, last));
  EXPECT_EQ(loaded.digest(), subject_table.digest());
}

TEST(SubjectTable, WritesEqualSubjectsAsEqualBytesHoweverTheyCameToBe) {
  std::uint64_t seed = 0;
  std::mt19937_64 engine = seeded(seed);
  SCOPED_TRACE(::testing::Message() << "RATELIMIT_TEST_SEED=" << seed);
  LimitsPool pool;
  const SharedLimits limits = pool.get(std::array{kFixed, kBucket});
  std::vector<std::uint64_t> hashes(1000);
  for (std::uint64_t& hash : hashes) hash = engine();

  SubjectTable one(head(true));
  for (const std::uint64_t hash : hashes)
    charge(one.hash_table().insert(SubjectHash::of(hash), limits), Units(2), kNow);
  // In another order, with others in between that are gone again, and with room for what nobody needs.
  SubjectTable other(head(true));
  std::shuffle(hashes.begin(), hashes.end(), engine);
  for (const std::uint64_t hash : hashes) {
    const SubjectHash gone = SubjectHash::of(engine());
    other.hash_table().insert(gone, limits);
    if (hash % 2 == 0) {
      charge(other.hash_table().insert(SubjectHash::of(hash), limits), Units(2), kNow);
    } else {
      other.hash_table().put(SubjectHash::of(hash), charged(limits, Units(2))->with_reservations());
    }
    forget(other.hash_table(), gone);
  }
  EXPECT_EQ(chunks_of(other), chunks_of(one));
  EXPECT_EQ(other.digest(), one.digest());
}

TEST(SubjectTable, WritesSubjectsAsTheyAreAfterTheLimitsWereRedefined) {
  LimitsPool pool;
  LimitSpec larger = kFixed;
  larger.size = Units(100);
  const SharedLimits before = pool.get(std::array{kFixed});
  const SharedLimits after = pool.get(std::array{larger});
  SubjectTable subject_table(head(true));
  SubjectTable expected(head(true));
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    charge(subject_table.hash_table().insert(SubjectHash::of(i << 53U), before), Units(3), kNow);
    expected.hash_table().put(SubjectHash::of(i << 53U),
                              carry_over(charged(before, Units(3))->subject(), after, kNow + seconds(10)));
  }
  subject_table.hash_table().redefine(after, kNow + seconds(10));
  EXPECT_EQ(chunks_of(subject_table), chunks_of(expected)) << "whether the table has done the work yet or not";
  EXPECT_EQ(subject_table.digest(), expected.digest());
  EXPECT_TRUE(is_readable(chunks_of(subject_table)[0], after, pool));
}

TEST(SubjectTable, RefusesChunksThatAreCutOffAndSomethingBehindThem) {
  LimitsPool pool;
  const SharedLimits limits = pool.get(std::array{kFixed, kConcurrent});
  for (const SharedLimits& stored : {limits, SharedLimits{}}) {
    SubjectTable subject_table(head(static_cast<bool>(stored)));
    subject_table.hash_table().put(SubjectHash::of(2), charged(limits, Units(1)));
    subject_table.hash_table().put(SubjectHash::of(4), reserved(limits, Units(2)));
    const std::string chunk = chunk_of(subject_table);
    // Behind the first subject a chunk may end.
    SubjectTable first(head(static_cast<bool>(stored)));
    first.hash_table().put(SubjectHash::of(2), charged(limits, Units(1)));
    const std::size_t of_first = chunk_of(first).size();
    EXPECT_TRUE(is_readable(chunk, stored, pool));
    for (std::size_t size = 2; size < chunk.size(); ++size) {
      EXPECT_EQ(is_readable(std::string_view(chunk).substr(0, size), stored, pool), size == of_first) << size;
    }
    for (const char byte : {'\0', '\1', '\xFF'}) EXPECT_FALSE(is_readable(chunk + byte, stored, pool));
  }
}

TEST(SubjectTable, RefusesChunksWithoutASubject) {
  LimitsPool pool;
  const SharedLimits limits = pool.get(std::array{kFixed});
  EXPECT_FALSE(is_readable("", limits, pool)) << "that is how a file says that no more follow";
  EXPECT_FALSE(is_readable("\1", limits, pool)) << "nobody writes a version alone";
}

TEST(SubjectTable, RefusesSubjectsThatNobodyWrites) {
  LimitsPool pool;
  const SharedLimits stored = pool.get(std::array{kFixed});
  const auto chunk = [&](const std::string& hex) { return is_readable(from_hex("01" + hex), stored, pool); };
  const std::string two = "0200000000000000";
  const std::string four = "0400000000000000";
  const std::string state = "0058e176622cb817 03";
  EXPECT_TRUE(chunk(two + "00" + state));
  EXPECT_TRUE(chunk(two + "00" + state + four + "00" + state));
  EXPECT_TRUE(chunk("feffffffffffffff 00" + state)) << "the largest hash";
  EXPECT_FALSE(is_readable(from_hex("02" + two + "00" + state), stored, pool)) << "version 2";
  EXPECT_FALSE(chunk("0000000000000000 00" + state)) << "hash 0";
  EXPECT_FALSE(chunk("0300000000000000 00" + state)) << "an odd hash";
  EXPECT_FALSE(chunk(four + "00" + state + two + "00" + state)) << "not in order";
  EXPECT_FALSE(chunk(two + "00" + state + two + "00" + state)) << "twice";
  EXPECT_FALSE(chunk("feffffffffffffff 00" + state + two + "00" + state)) << "behind the largest hash";
  EXPECT_FALSE(chunk("feffffffffffffff 00" + state + "feffffffffffffff 00" + state)) << "and the largest twice";
  EXPECT_FALSE(chunk(two + "40" + state + "01 000102030405060708090a0b0c0d0e0f")) << "a table in a table";
  EXPECT_FALSE(chunk(two + "80" + state +
                     "0000000000000000 0000000000000000 0000000000000000 0000000000000000 "
                     "0000000000000000 00 00000000"))
      << "nothing reserved";
  EXPECT_FALSE(chunk(two + "0f")) << "no limits, where some are stored";
  EXPECT_FALSE(chunk(two + "00 0058e176622cb897 03")) << "a window before 1970";
}

TEST(SubjectTable, RefusesOtherLimitsThanThoseThatAreStored) {
  LimitsPool pool;
  const SharedLimits stored = pool.get(std::array{kFixed});
  SubjectTable loose(head(false));
  loose.hash_table().put(SubjectHash::of(2), charged(pool.get(std::array{kBucket}), Units(1)));
  EXPECT_FALSE(is_readable(chunk_of(loose), stored, pool));
  EXPECT_TRUE(is_readable(chunk_of(loose), {}, pool));

  SubjectTable limiter(head(true));
  limiter.hash_table().put(SubjectHash::of(2), charged(stored, Units(1)));
  EXPECT_FALSE(is_readable(chunk_of(limiter), {}, pool)) << "limits that nobody knows";
}

// ---- Exceptions

const std::string kSixOfSixty = "01 0200 06 00 005847f80d000000";
const std::string kUserTwo = "bc48ac034ff5ed1b";

/// A limiter of 5 a minute, and somebody in it who may have 6.
struct WithException {
  LimitsPool pool;
  SharedLimits stored = pool.get(std::array{kFixed});
  SharedLimits own = [this] {
    LimitSpec larger = kFixed;
    larger.size = Units(6);
    return pool.get(std::array{larger});
  }();
  SubjectTable table{head(true)};
  SubjectHash hash = table.hash_of("user:2");

  WithException() {
    charge(table.hash_table().insert(table.hash_of("user:1"), stored), Units(1), kNow);
    table.begin_exception(hash, "user:2", charged(own, Units(2)));
  }
};

TEST(Exceptions, AreFoundAndForgottenAndKeepTheirLimits) {
  WithException limiter;
  SubjectTable& table = limiter.table;
  EXPECT_TRUE(table.is_exception(limiter.hash));
  EXPECT_FALSE(table.is_exception(table.hash_of("user:1")));
  EXPECT_EQ(table.size(), 2U);
  EXPECT_EQ(&table.find(limiter.hash)->limits(), &*limiter.own);
  EXPECT_GT(table.find(limiter.hash)->idle_at(), kNow);
  table.forget(limiter.hash);
  EXPECT_EQ(&table.find(limiter.hash)->limits(), &*limiter.own);
  EXPECT_LE(table.find(limiter.hash)->idle_at(), kNow);
  table.put(limiter.hash, charged(limiter.own, Units(3)));
  EXPECT_EQ(table.hash_table().size(), 1U) << "they stand beside the others";
  table.end_exception(limiter.hash);
  EXPECT_FALSE(table.find(limiter.hash));
  EXPECT_EQ(table.exceptions(), nullptr) << "who has none pays nothing";
}

TEST(Exceptions, AreWrittenAsThePageSays) {
  WithException limiter;
  EXPECT_EQ(to_hex(chunk_of(limiter.table)), to_hex(from_hex("01" + kUserTwo + kSixOfSixty +
                                                             "0058e176622cb817 02 06 757365723a32"
                                                             "74bea25629306af6 00 0058e176622cb817 01")));
}

TEST(Exceptions, ComeBackFromChunksInTheOrderOfHashes) {
  std::uint64_t seed = 0;
  std::mt19937_64 engine = seeded(seed);
  SCOPED_TRACE(::testing::Message() << "RATELIMIT_TEST_SEED=" << seed);
  WithException limiter;
  fill(limiter.table, 5000, {limiter.stored}, engine);
  for (int i = 0; i < 3000; ++i) {
    const std::string name = std::to_string(engine()) + std::string(engine() % 40, 'x');
    limiter.table.begin_exception(limiter.table.hash_of(name), name, charged(limiter.own, Units(1)));
  }
  const std::vector<std::string> chunks = chunks_of(limiter.table);
  EXPECT_GT(chunks.size(), 2U);
  SubjectTable loaded(head(true));
  std::optional<SubjectHash> last;
  for (const std::string& chunk : chunks) {
    ASSERT_TRUE(loaded.load_chunk(chunk, limiter.stored, limiter.pool, last));
  }
  EXPECT_EQ(chunks_of(loaded), chunks);
  EXPECT_EQ(loaded.exceptions()->names(), limiter.table.exceptions()->names());
  EXPECT_EQ(chunks_of(*limiter.table.copy()), chunks);
  EXPECT_EQ(limiter.table.copy()->digest(), loaded.digest());
  EXPECT_GT(limiter.table.copy()->memory(allocated), 3001U * (sizeof(Exceptions::Names::value_type) + 16));
}

TEST(Exceptions, AreRefusedWhereNobodyWritesThem) {
  WithException limiter;
  const std::string state = "0058e176622cb817 02";
  const auto reads = [&](const std::string& hex, bool is_stored = true) {
    return is_readable(from_hex("01" + hex), is_stored ? limiter.stored : SharedLimits{}, limiter.pool);
  };
  EXPECT_TRUE(reads(kUserTwo + kSixOfSixty + state + "06 757365723a32"));
  EXPECT_FALSE(reads(kUserTwo + kSixOfSixty + state)) << "no name";
  EXPECT_FALSE(reads(kUserTwo + kSixOfSixty + state + "00")) << "an empty name";
  EXPECT_FALSE(reads(kUserTwo + kSixOfSixty + state + "06 757365723a31")) << "the name of another hash";
  EXPECT_FALSE(reads(kUserTwo + kSixOfSixty + state + "06 757365723a")) << "a name that is cut off";
  EXPECT_FALSE(reads(kUserTwo + kSixOfSixty + state + "06 757365723a32", false)) << "an exception to nothing";
  EXPECT_FALSE(reads(kUserTwo + "0f" + "06 757365723a32")) << "no limits";
  EXPECT_FALSE(loads(limiter.table, from_hex("01" + kUserTwo + kSixOfSixty + state + "06 757365723a32"), limiter.stored,
                     limiter.pool))
      << "one that is there";
  EXPECT_FALSE(loads(limiter.table, from_hex("01" + kUserTwo + "00" + state), limiter.stored, limiter.pool))
      << "nor as one of all";
}

/// A subject that was asked under both lists.
Value::Pointer under_two_lists(LimitsPool& pool, const LimitSpec& first, const LimitSpec& second, Instant now = kNow) {
  const Value::Pointer value = charged(pool.get(std::array{first}), Units(1), now);
  const SharedLimits named = pool.get(std::array{second});
  NamedAccounts accounts(value->subject().accounts(), *named, now, now);
  return with_accounts(value->subject(), accounts, pool);
}

TEST(SubjectTable, WritesAndReadsSubjectsOfSeveralLists) {
  LimitsPool pool;
  SubjectTable subject_table(head(false));
  HashTable& table = subject_table.hash_table();
  table.put(SubjectHash::of(2), charged(pool.get(std::array{kFixed}), Units(1)));
  for (const std::uint64_t hash : {4U, 6U}) table.put(SubjectHash::of(hash), under_two_lists(pool, kFixed, kBucket));
  table.put(SubjectHash::of(8), under_two_lists(pool, kSliding, kConcurrent));
  table.put(SubjectHash::of(10), charged(pool.get(std::array{kFixed, kBucket}), Units(1)));
  const std::string chunk = chunk_of(subject_table);
  SubjectTable read(head(false));
  ASSERT_TRUE(loads(read, chunk, {}, pool));
  EXPECT_EQ(to_hex(chunk_of(read)), to_hex(chunk));
  EXPECT_EQ(read.digest(), subject_table.digest());
  EXPECT_EQ(subject_table.copy()->digest(), subject_table.digest());
  EXPECT_EQ(read.hash_table().find(SubjectHash::of(6))->last_grants().size(), 2U);
  for (std::size_t size = 0; size < chunk.size(); ++size) {
    SubjectTable cut(head(false));
    static_cast<void>(loads(cut, std::string_view(chunk).substr(0, size), {}, pool));
    EXPECT_TRUE(cut.hash_table().is_valid());
  }
}

TEST(SubjectTable, RefusesSeveralListsWhereLimitsAreStored) {
  LimitsPool pool;
  const SharedLimits stored = pool.get(std::array{kFixed, kBucket});
  SubjectTable subject_table(head(false));
  subject_table.hash_table().put(SubjectHash::of(2), charged(stored, Units(1)));
  subject_table.hash_table().put(SubjectHash::of(4), under_two_lists(pool, kFixed, kBucket));
  subject_table.store(false);
  const std::string chunk = chunk_of(subject_table);
  SubjectTable read(head(true));
  EXPECT_FALSE(loads(read, chunk, stored, pool));
  EXPECT_TRUE(read.hash_table().is_valid());
}

TEST(SubjectTable, WritesAndReadsSubjectsWithoutLimits) {
  LimitsPool pool;
  SubjectTable subject_table(head(false));
  for (const std::uint64_t word : {2, 4, 8}) {
    Value::Pointer value = Value::create(pool.none(), Value::Room::for_reservations);
    value->subject().perform({.kind = Operation::Kind::block, .at = kNow, .span = seconds(word)});
    subject_table.hash_table().put(SubjectHash::of(word), std::move(value));
  }
  subject_table.hash_table().put(SubjectHash::of(6), charged(pool.get(std::array{kFixed}), Units(1)));
  const std::string chunk = chunk_of(subject_table);
  SubjectTable read(head(false));
  std::optional<SubjectHash> last;
  ASSERT_TRUE(read.load_chunk(chunk, {}, pool, last)) << to_hex(chunk);
  EXPECT_EQ(chunk_of(read), chunk);
  EXPECT_EQ(read.digest(), subject_table.digest());
  EXPECT_EQ(read.hash_table().find(SubjectHash::of(4))->block().left(kNow), seconds(4));
  EXPECT_FALSE(is_readable(chunk, pool.get(std::array{kFixed}), pool)) << "a limiter has limits";
}

TEST(SubjectTable, RefusesLimitsThatAreWrittenWhereTheyAreKnown) {
  LimitsPool pool;
  const std::string limit = "01 0200 05 00 005847f80d000000";
  const std::string state = "0058e176622cb817 03";
  const std::string first = "01 0200000000000000" + limit + state;
  EXPECT_TRUE(is_readable(from_hex(first), {}, pool));
  EXPECT_TRUE(is_readable(from_hex(first + "0400000000000000 00" + state), {}, pool));
  EXPECT_FALSE(is_readable(from_hex(first + "0400000000000000" + limit + state), {}, pool)) << "those before it";
  EXPECT_FALSE(is_readable(from_hex(first), pool.get(std::array{kFixed}), pool)) << "those that are stored";
}

TEST(SubjectTable, TakesInASubjectOnlyOnceAndInTheOrderOfHashes) {
  LimitsPool pool;
  const SharedLimits limits = pool.get(std::array{kFixed});
  const auto one = [&](std::uint64_t hash) {
    SubjectTable subject_table(head(true));
    subject_table.hash_table().put(SubjectHash::of(hash), charged(limits, Units(1)));
    return chunk_of(subject_table);
  };
  SubjectTable subject_table(head(true));
  std::optional<SubjectHash> last;
  EXPECT_TRUE(subject_table.load_chunk(one(100), limits, pool, last));
  EXPECT_EQ(last, SubjectHash::of(100));
  EXPECT_FALSE(subject_table.load_chunk(one(50), limits, pool, last)) << "a chunk that should have come before";
  EXPECT_TRUE(subject_table.load_chunk(one(102), limits, pool, last));

  EXPECT_TRUE(loads(subject_table, one(50), limits, pool)) << "each for itself";
  EXPECT_FALSE(loads(subject_table, one(100), limits, pool)) << "but none that is there";
  EXPECT_EQ(subject_table.hash_table().size(), 3U);
}

TEST(SubjectTable, IsSafeWithAnyByteOfAChunkChanged) {
  LimitsPool pool;
  const SharedLimits limits = pool.get(std::array{kFixed, kSliding, kConcurrent});
  for (const SharedLimits& stored : {limits, SharedLimits{}}) {
    SubjectTable subject_table(head(static_cast<bool>(stored)));
    subject_table.hash_table().put(SubjectHash::of(0x100), charged(limits, Units(1)));
    subject_table.hash_table().put(SubjectHash::of(std::uint64_t{1} << 60U), reserved(limits, Units(2)));
    const std::string original = chunk_of(subject_table);
    for (std::size_t i = 0; i < original.size(); ++i) {
      for (int byte = 0; byte < 256; byte += i < 32 ? 1 : 7) {
        std::string bytes = original;
        bytes[i] = static_cast<char>(byte);
        SubjectTable read(head(static_cast<bool>(stored)));
        if (!loads(read, bytes, stored, pool)) continue;
        ASSERT_EQ(read.hash_table().size(), 2U);
        ASSERT_EQ(to_hex(chunk_of(read)), to_hex(bytes)) << "accepted, but nobody writes it so";
      }
    }
  }
}

TEST(SubjectTable, HasADigestOfAllThatItsSubjectsAre) {
  LimitsPool pool;
  const SharedLimits fixed = pool.get(std::array{kFixed});
  LimitSpec larger = kFixed;
  larger.size = Units(6);
  const auto digest = [](std::uint64_t hash, Value::Pointer value) {
    SubjectTable subject_table(head(true));
    subject_table.hash_table().put(SubjectHash::of(hash), std::move(value));
    return subject_table.digest();
  };
  const std::uint64_t one = digest(2, charged(fixed, Units(1)));
  EXPECT_EQ(one, digest(2, charged(fixed, Units(1))));
  EXPECT_EQ(one, digest(2, charged(fixed, Units(1))->with_reservations())) << "room is not content";
  EXPECT_NE(one, digest(4, charged(fixed, Units(1)))) << "of somebody else";
  EXPECT_NE(one, digest(2, charged(fixed, Units(2)))) << "of another state";
  EXPECT_NE(one, digest(2, charged(fixed, Units(1), kNow + seconds(1)))) << "at another time";
  EXPECT_NE(one, digest(2, charged(pool.get(std::array{larger}), Units(1)))) << "under another limit";
  EXPECT_NE(one, digest(2, reserved(fixed, Units(1)))) << "with a hold";
  EXPECT_NE(one, SubjectTable(head(true)).digest()) << "of nobody";
}

TEST(SubjectTable, HasTheSameDigestInAnyOrderButNotWithoutSomebody) {
  std::uint64_t seed = 0;
  std::mt19937_64 engine = seeded(seed);
  SCOPED_TRACE(::testing::Message() << "RATELIMIT_TEST_SEED=" << seed);
  LimitsPool pool;
  const std::vector<SharedLimits> limits = some_limits(pool);
  SubjectTable subject_table(head(false));
  fill(subject_table, 300, limits, engine);
  std::vector<std::pair<SubjectHash, Value::Pointer>> subjects;
  subject_table.hash_table().for_each(SubjectHash::of(0), [&](SubjectHash hash, const Subject& subject) {
    subjects.emplace_back(hash, Value::copy(subject));
    return true;
  });
  std::shuffle(subjects.begin(), subjects.end(), engine);
  SubjectTable shuffled(head(false));
  for (const auto& [hash, value] : subjects) shuffled.hash_table().put(hash, Value::copy(value->subject()));
  EXPECT_EQ(shuffled.digest(), subject_table.digest());
  forget(shuffled.hash_table(), subjects[0].first);
  EXPECT_NE(shuffled.digest(), subject_table.digest());
  shuffled.hash_table().put(subjects[0].first, std::move(subjects[0].second));
  EXPECT_EQ(shuffled.digest(), subject_table.digest());
}

TEST(SubjectTable, IsCopiedWithItsSubjectsAndItsSecret) {
  std::uint64_t seed = 0;
  std::mt19937_64 engine = seeded(seed);
  LimitsPool pool;
  const std::vector<SharedLimits> limits = some_limits(pool);
  SubjectTable subject_table(head(false));
  fill(subject_table, 1000, limits, engine);
  const SubjectHash known = subject_table.hash_of("user:1");
  subject_table.hash_table().put(known, reserved(limits[2], Units(3)));
  subject_table.history().note_denial({known, "user:1", kNow}, "fixed", seconds(3600), {});
  const std::vector<std::string> before = chunks_of(subject_table);

  const std::unique_ptr<SubjectTable> copy = subject_table.copy();
  EXPECT_EQ(copy->head(), subject_table.head());
  EXPECT_EQ(chunks_of(*copy), before);
  EXPECT_EQ(copy->digest(), subject_table.digest());
  EXPECT_EQ(copy->hash_of("user:1"), known);
  EXPECT_TRUE(copy->history().most_denied.empty()) << "who was denied there was not denied here";

  copy->hash_table().find(known)->perform(
      {.kind = Operation::Kind::settle, .at = kNow, .units = Units(1), .id = "hold"});
  forget(copy->hash_table(), SubjectHash::of(0));
  EXPECT_NE(copy->digest(), subject_table.digest());
  EXPECT_EQ(chunks_of(subject_table), before) << "a copy shares nothing that changes";
}

TEST(SubjectTable, RemembersWhoWasDeniedMost) {
  SubjectTable subject_table(head(true));
  const auto deny = [&subject_table](std::string_view name) {
    subject_table.history().note_denial({subject_table.hash_of(name), name, kNow}, "fixed", seconds(3600), {});
  };
  for (int i = 0; i < 3; ++i) deny("greedy");
  deny("unlucky");
  const std::vector<HeavyHitters::Entry> top = subject_table.history().most_denied.top(10, kNow);
  ASSERT_EQ(top.size(), 2U);
  EXPECT_EQ(top[0], (HeavyHitters::Entry{"greedy", 3, 0}));
  EXPECT_EQ(top[1], (HeavyHitters::Entry{"unlucky", 1, 0}));
  const std::vector<DenialLog::Entry> log = subject_table.history().log.newest(10);
  ASSERT_EQ(log.size(), 2U);
  EXPECT_EQ(log[1], (DenialLog::Entry{"greedy", "fixed", kNow, kNow, 3, seconds(3600)}));
}

TEST(SubjectTable, RemembersOfTheKeyItselfOnlyThatItWasDenied) {
  SubjectTable subject_table(head(true));
  const Caller key_itself{SubjectHash::smallest(), "", kNow};
  subject_table.history().note_denial(key_itself, "fixed", seconds(3600), {});
  subject_table.history().note_near(key_itself, {});
  EXPECT_TRUE(subject_table.history().most_denied.empty());
  EXPECT_TRUE(subject_table.history().most_near.empty());
  // Not even a subject whose name has the hash that was given for the key is taken for it.
  subject_table.history().note_denial({SubjectHash::smallest(), "a", kNow}, "fixed", seconds(3600), {});
  EXPECT_EQ(subject_table.history().log.size(), 2U);
}

TEST(SubjectTable, RemembersNoMoreThanItsBounds) {
  SubjectTable subject_table(head(true));
  for (int i = 0; i < 100; ++i) {
    const std::string name = std::to_string(i);
    const Caller caller{subject_table.hash_of(name), name, kNow};
    subject_table.history().note_denial(caller, "fixed", seconds(3600), {.log_length = 7, .top_size = 3});
    subject_table.history().note_near(caller, {.log_length = 7, .top_size = 4});
  }
  EXPECT_EQ(subject_table.history().log.size(), 7U);
  EXPECT_EQ(subject_table.history().most_denied.size(), 3U);
  EXPECT_EQ(subject_table.history().most_near.size(), 4U);
}

TEST(SubjectTable, CountsTheMemoryOfAllThatItHas) {
  std::uint64_t seed = 0;
  std::mt19937_64 engine = seeded(seed);
  LimitsPool pool;
  const auto owned = std::make_unique<SubjectTable>(head(true));  // `allocated` is for memory of its own
  SubjectTable& subject_table = *owned;
  const std::size_t empty = subject_table.memory(allocated);
  EXPECT_GE(empty, sizeof(SubjectTable));
  EXPECT_GE(subject_table.pieces(), 1U);
  subject_table.history().note_denial({SubjectHash::of(2), std::string(1024, 'x'), kNow}, "fixed", seconds(3600), {});
  const std::size_t with_a_name = subject_table.memory(allocated);
  EXPECT_GT(with_a_name, empty + 1024);
  fill(subject_table, 10'000, {pool.get(std::array{kFixed})}, engine);
  EXPECT_GT(subject_table.memory(allocated), with_a_name + 10'000U * 24U) << "a hash and a state";
  EXPECT_GT(subject_table.pieces(), 1U);
}

}  // namespace
}  // namespace ratelimit
