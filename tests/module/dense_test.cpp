// What a key is besides one subject, outside of a server: how it is written, read, copied and digested.
#include "dense.h"

#include <gtest/gtest.h>

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
constexpr LimitSpec kSliding{.algorithm = Algorithm::sliding_log, .size = Units(1000), .span = hours(1)};
constexpr LimitSpec kConcurrent{.algorithm = Algorithm::concurrent, .size = Units(10), .span = seconds(60)};

DenseHead head(bool is_stored, bool is_shadow = false) {
  DenseHead made{.is_stored = is_stored, .is_shadow = is_shadow};
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
  Value::Pointer value = Value::create(limits, Value::Room::for_more);
  value->subject().perform(
      {.kind = Operation::Kind::reserve, .at = kNow, .units = cost, .span = seconds(100), .id = "hold"});
  return value;
}

std::vector<std::string> chunks_of(Dense& dense) {
  std::vector<std::string> chunks;
  std::optional<SubjectHash> from = SubjectHash::of(0);
  while (from) {
    std::string chunk = dense.encoded_chunk(from);
    if (!chunk.empty()) chunks.push_back(std::move(chunk));
  }
  return chunks;
}
/// The subjects of a table that are written as one chunk.
std::string chunk_of(Dense& dense) {
  const std::vector<std::string> chunks = chunks_of(dense);
  EXPECT_EQ(chunks.size(), 1U);
  return chunks.empty() ? std::string() : chunks[0];
}

/// Whether a table takes a chunk in, and each of its subjects is then there as it is written.
bool takes_in(Dense& dense, std::string_view chunk, const SharedLimits& stored, LimitsPool& pool) {
  const std::vector<char> copy(chunk.begin(), chunk.end());  // just so long, so that sanitizers see who reads beyond it
  std::optional<SubjectHash> last;
  return dense.take_in({copy.data(), copy.size()}, stored, pool, last);
}
bool is_readable(std::string_view chunk, const SharedLimits& stored, LimitsPool& pool) {
  Dense dense(head(static_cast<bool>(stored)));
  const bool is_read = takes_in(dense, chunk, stored, pool);
  // What is left of it must be sound whatever came.
  const std::uint64_t digest = dense.digest();
  EXPECT_EQ(dense.copy()->digest(), digest);
  EXPECT_TRUE(dense.table().is_valid());
  return is_read;
}

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
void fill(Dense& dense, std::size_t subjects, const std::vector<SharedLimits>& limits, std::mt19937_64& engine) {
  for (std::size_t i = 0; i < subjects; ++i) {
    const SubjectHash hash = SubjectHash::of(engine());
    const SharedLimits& of_subject = limits[engine() % limits.size()];
    const Units cost(1 + static_cast<std::int64_t>(engine() % 5));
    if (engine() % 8 == 0) {
      dense.table().put(hash, reserved(of_subject, cost));
    } else if (!dense.table().find(hash)) {
      charge(dense.table().insert(hash, of_subject), cost, kNow + seconds(engine() % 100));
    }
  }
}

/// Forgets one subject, whenever it is idle.
void forget(Table& table, SubjectHash hash) { table.sweep({hash, hash}, kLatest + 3 * kMaxSpan); }

TEST(Dense, KnowsSubjectsByAKeyedHash) {
  const Dense dense(head(false));
  // SipHash-2-4 of the name, its lowest bit cleared; from another implementation of it.
  EXPECT_EQ(dense.hash_of("user:1").word(), 0xF66A302956A2BE74U);
  EXPECT_EQ(dense.hash_of("user:2").word(), 0x1BEDF54F03AC48BCU);
  EXPECT_EQ(dense.hash_of("alice").word(), 0x7159E700F53C57A2U);
  EXPECT_EQ(dense.hash_of("user:1"), dense.hash_of(std::string("user:1")));
  EXPECT_NE(dense.hash_of(std::string(1024, 'x')), dense.hash_of(std::string(1023, 'x')));
  EXPECT_NE(dense.hash_of(std::string_view("a\0b", 3)), dense.hash_of("a"));

  DenseHead other = head(false);
  other.secret[15] ^= 1;
  EXPECT_NE(Dense(other).hash_of("user:1"), dense.hash_of("user:1"));
}

TEST(Dense, IsALimiterOnceLimitsAreStored) {
  Dense dense(head(false));
  EXPECT_FALSE(dense.is_stored());
  EXPECT_FALSE(dense.is_shadow());
  dense.store(true);
  EXPECT_TRUE(dense.is_stored());
  EXPECT_TRUE(dense.is_shadow());
  dense.store(false);
  EXPECT_TRUE(dense.is_stored());
  EXPECT_FALSE(dense.is_shadow());
  EXPECT_EQ(dense.head(), head(true)) << "the secret stays";
}

TEST(Dense, WritesSubjectsOfALimiterAsThePageSays) {
  LimitsPool pool;
  const SharedLimits limits = pool.get(std::array{kFixed});
  Dense dense(head(true));
  charge(dense.table().insert(dense.hash_of("user:1"), limits), Units(1), kNow);
  charge(dense.table().insert(dense.hash_of("user:2"), limits), Units(2), kNow + seconds(20));
  EXPECT_EQ(to_hex(chunk_of(dense)), to_hex(from_hex("01 bc48ac034ff5ed1b 00 0020f91e672cb817 02000000 "
                                                     "74bea25629306af6 00 0058e176622cb817 01000000")));
}

TEST(Dense, WritesLimitsOnceForAllThatFollowWithTheSame) {
  LimitsPool pool;
  const SharedLimits fixed = pool.get(std::array{kFixed});
  const SharedLimits bucket = pool.get(std::array{kBucket});
  Dense dense(head(false));
  dense.table().put(SubjectHash::of(2), charged(fixed, Units(1)));
  dense.table().put(SubjectHash::of(4), charged(fixed, Units(2)));
  dense.table().put(SubjectHash::of(6), charged(bucket, Units(7)));
  dense.table().put(SubjectHash::of(8), charged(fixed, Units(3)));
  const std::string limit = "0200 05000000 00000000 005847f80d000000";
  const std::string end = "0058e176622cb817";
  EXPECT_EQ(to_hex(chunk_of(dense)),
            to_hex(from_hex("01 0200000000000000 01" + limit + end + "01000000 0400000000000000 00" + end +
                            "02000000 0600000000000000 01 0100 0a000000 07000000 005847f80d000000 0058e176622cb817 "
                            "00000000 0800000000000000 01" +
                            limit + end + "03000000")));
}

TEST(Dense, WritesNothingOfATableThatIsEmpty) {
  Dense dense(head(true));
  std::optional<SubjectHash> from = SubjectHash::of(0);
  EXPECT_EQ(dense.encoded_chunk(from), "");
  EXPECT_EQ(from, std::nullopt);
  EXPECT_EQ(dense.encoded_chunk(from), "") << "nor behind its end";
}

TEST(Dense, ComesBackFromItsChunks) {
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
      Dense dense(head(is_stored));
      fill(dense, subjects, limits, engine);
      const std::vector<std::string> chunks = chunks_of(dense);

      // As a file is loaded: one chunk behind the other.
      Dense loaded(head(is_stored));
      std::optional<SubjectHash> last;
      for (const std::string& chunk : chunks) ASSERT_TRUE(loaded.take_in(chunk, stored, pool, last));
      EXPECT_EQ(loaded.table().size(), dense.table().size());
      EXPECT_EQ(loaded.digest(), dense.digest());
      EXPECT_EQ(chunks_of(loaded), chunks);
      EXPECT_TRUE(loaded.table().is_valid());

      // As a rewritten append-only file is replayed: each by itself, whatever the order.
      Dense replayed(head(is_stored));
      for (std::size_t i = chunks.size(); i-- > 0;) ASSERT_TRUE(takes_in(replayed, chunks[i], stored, pool));
      EXPECT_EQ(chunks_of(replayed), chunks);
    }
  }
}

TEST(Dense, WritesChunksOfSixtyFourKilobytes) {
  std::uint64_t seed = 0;
  std::mt19937_64 engine = seeded(seed);
  LimitsPool pool;
  const SharedLimits limits = pool.get(std::array{kFixed});
  Dense dense(head(true));
  fill(dense, 20'000, {limits}, engine);
  const std::vector<std::string> chunks = chunks_of(dense);
  EXPECT_GT(chunks.size(), 5U);
  for (const std::string& chunk : chunks) {
    EXPECT_LT(chunk.size(), 65'536U + 256U);
    EXPECT_TRUE(chunk.size() >= 65'536U || &chunk == &chunks.back()) << "all but the last are full";
  }
}

TEST(Dense, WritesASubjectThatIsLargerThanAChunk) {
  LimitsPool pool;
  const SharedLimits limits = pool.get(std::array{kConcurrent, kSliding});
  Dense dense(head(true));
  Value::Pointer large = Value::create(limits);
  for (int i = 0; i < 2000; ++i) {
    const std::string id = std::string(58, 'x') + std::to_string(i);
    const Verdict verdict = decide(*limits, large->cells(), Ask{kMinUnits, id, true}, kNow);
    ASSERT_EQ(verdict.decision.outcome, Outcome::granted);
    apply(*limits, large->cells(), verdict);
  }
  const std::string encoded = large->encoded();
  ASSERT_GT(encoded.size(), 100'000U);
  dense.table().put(SubjectHash::of(2), charged(limits, Units(1)));
  dense.table().put(SubjectHash::of(4), std::move(large));
  dense.table().put(SubjectHash::of(6), charged(limits, Units(2)));
  const std::vector<std::string> chunks = chunks_of(dense);
  ASSERT_EQ(chunks.size(), 2U);
  Dense loaded(head(true));
  std::optional<SubjectHash> last;
  for (const std::string& chunk : chunks) ASSERT_TRUE(loaded.take_in(chunk, limits, pool, last));
  EXPECT_EQ(loaded.digest(), dense.digest());
}

TEST(Dense, WritesEqualSubjectsAsEqualBytesHoweverTheyCameToBe) {
  std::uint64_t seed = 0;
  std::mt19937_64 engine = seeded(seed);
  SCOPED_TRACE(::testing::Message() << "RATELIMIT_TEST_SEED=" << seed);
  LimitsPool pool;
  const SharedLimits limits = pool.get(std::array{kFixed, kBucket});
  std::vector<std::uint64_t> hashes(1000);
  for (std::uint64_t& hash : hashes) hash = engine();

  Dense one(head(true));
  for (const std::uint64_t hash : hashes) charge(one.table().insert(SubjectHash::of(hash), limits), Units(2), kNow);
  // In another order, with others in between that are gone again, and with room for what nobody needs.
  Dense other(head(true));
  std::shuffle(hashes.begin(), hashes.end(), engine);
  for (const std::uint64_t hash : hashes) {
    const SubjectHash gone = SubjectHash::of(engine());
    other.table().insert(gone, limits);
    if (hash % 2 == 0) {
      charge(other.table().insert(SubjectHash::of(hash), limits), Units(2), kNow);
    } else {
      other.table().put(SubjectHash::of(hash), charged(limits, Units(2))->move_to_more_room());
    }
    forget(other.table(), gone);
  }
  EXPECT_EQ(chunks_of(other), chunks_of(one));
  EXPECT_EQ(other.digest(), one.digest());
}

TEST(Dense, WritesSubjectsAsTheyAreAfterTheLimitsWereRedefined) {
  LimitsPool pool;
  LimitSpec larger = kFixed;
  larger.size = Units(100);
  const SharedLimits before = pool.get(std::array{kFixed});
  const SharedLimits after = pool.get(std::array{larger});
  Dense dense(head(true));
  Dense expected(head(true));
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    charge(dense.table().insert(SubjectHash::of(i << 53U), before), Units(3), kNow);
    expected.table().put(SubjectHash::of(i << 53U),
                         carry_over(charged(before, Units(3))->subject(), after, kNow + seconds(10)));
  }
  dense.table().redefine(after, kNow + seconds(10));
  EXPECT_EQ(chunks_of(dense), chunks_of(expected)) << "whether the table has done the work yet or not";
  EXPECT_EQ(dense.digest(), expected.digest());
  EXPECT_TRUE(is_readable(chunks_of(dense)[0], after, pool));
}

TEST(Dense, RefusesChunksThatAreCutOffAndSomethingBehindThem) {
  LimitsPool pool;
  const SharedLimits limits = pool.get(std::array{kFixed, kConcurrent});
  for (const SharedLimits& stored : {limits, SharedLimits{}}) {
    Dense dense(head(static_cast<bool>(stored)));
    dense.table().put(SubjectHash::of(2), charged(limits, Units(1)));
    dense.table().put(SubjectHash::of(4), reserved(limits, Units(2)));
    const std::string chunk = chunk_of(dense);
    // Behind the first subject a chunk may end.
    Dense first(head(static_cast<bool>(stored)));
    first.table().put(SubjectHash::of(2), charged(limits, Units(1)));
    const std::size_t of_first = chunk_of(first).size();
    EXPECT_TRUE(is_readable(chunk, stored, pool));
    for (std::size_t size = 2; size < chunk.size(); ++size) {
      EXPECT_EQ(is_readable(std::string_view(chunk).substr(0, size), stored, pool), size == of_first) << size;
    }
    for (const char byte : {'\0', '\1', '\xFF'}) EXPECT_FALSE(is_readable(chunk + byte, stored, pool));
  }
}

TEST(Dense, RefusesChunksWithoutASubject) {
  LimitsPool pool;
  const SharedLimits limits = pool.get(std::array{kFixed});
  EXPECT_FALSE(is_readable("", limits, pool)) << "that is how a file says that no more follow";
  EXPECT_FALSE(is_readable("\1", limits, pool)) << "nobody writes a version alone";
}

TEST(Dense, RefusesSubjectsThatNobodyWrites) {
  LimitsPool pool;
  const SharedLimits stored = pool.get(std::array{kFixed});
  const auto chunk = [&](const std::string& hex) { return is_readable(from_hex("01" + hex), stored, pool); };
  const std::string two = "0200000000000000";
  const std::string four = "0400000000000000";
  const std::string state = "0058e176622cb817 03000000";
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
  EXPECT_FALSE(chunk(two + "80" + state + "0000000000000000 0000000000000000 0000000000000000 00000000"))
      << "nothing reserved";
  EXPECT_FALSE(chunk(two + "00 0058e176622cb897 03000000")) << "a window before 1970";
}

TEST(Dense, RefusesOtherLimitsThanThoseThatAreStored) {
  LimitsPool pool;
  const SharedLimits stored = pool.get(std::array{kFixed});
  Dense loose(head(false));
  loose.table().put(SubjectHash::of(2), charged(pool.get(std::array{kBucket}), Units(1)));
  EXPECT_FALSE(is_readable(chunk_of(loose), stored, pool));
  EXPECT_TRUE(is_readable(chunk_of(loose), {}, pool));

  Dense limiter(head(true));
  limiter.table().put(SubjectHash::of(2), charged(stored, Units(1)));
  EXPECT_FALSE(is_readable(chunk_of(limiter), {}, pool)) << "limits that nobody knows";
}

TEST(Dense, RefusesLimitsThatAreWrittenWhereTheyAreKnown) {
  LimitsPool pool;
  const std::string limit = "01 0200 05000000 00000000 005847f80d000000";
  const std::string state = "0058e176622cb817 03000000";
  const std::string first = "01 0200000000000000" + limit + state;
  EXPECT_TRUE(is_readable(from_hex(first), {}, pool));
  EXPECT_TRUE(is_readable(from_hex(first + "0400000000000000 00" + state), {}, pool));
  EXPECT_FALSE(is_readable(from_hex(first + "0400000000000000" + limit + state), {}, pool)) << "those before it";
  EXPECT_FALSE(is_readable(from_hex(first), pool.get(std::array{kFixed}), pool)) << "those that are stored";
}

TEST(Dense, TakesInASubjectOnlyOnceAndInTheOrderOfHashes) {
  LimitsPool pool;
  const SharedLimits limits = pool.get(std::array{kFixed});
  const auto one = [&](std::uint64_t hash) {
    Dense dense(head(true));
    dense.table().put(SubjectHash::of(hash), charged(limits, Units(1)));
    return chunk_of(dense);
  };
  Dense dense(head(true));
  std::optional<SubjectHash> last;
  EXPECT_TRUE(dense.take_in(one(100), limits, pool, last));
  EXPECT_EQ(last, SubjectHash::of(100));
  EXPECT_FALSE(dense.take_in(one(50), limits, pool, last)) << "a chunk that should have come before";
  EXPECT_TRUE(dense.take_in(one(102), limits, pool, last));

  EXPECT_TRUE(takes_in(dense, one(50), limits, pool)) << "each for itself";
  EXPECT_FALSE(takes_in(dense, one(100), limits, pool)) << "but none that is there";
  EXPECT_EQ(dense.table().size(), 3U);
}

TEST(Dense, IsSafeWithAnyByteOfAChunkChanged) {
  LimitsPool pool;
  const SharedLimits limits = pool.get(std::array{kFixed, kSliding, kConcurrent});
  for (const SharedLimits& stored : {limits, SharedLimits{}}) {
    Dense dense(head(static_cast<bool>(stored)));
    dense.table().put(SubjectHash::of(0x100), charged(limits, Units(1)));
    dense.table().put(SubjectHash::of(std::uint64_t{1} << 60U), reserved(limits, Units(2)));
    const std::string original = chunk_of(dense);
    for (std::size_t i = 0; i < original.size(); ++i) {
      for (int byte = 0; byte < 256; byte += i < 32 ? 1 : 7) {
        std::string bytes = original;
        bytes[i] = static_cast<char>(byte);
        Dense read(head(static_cast<bool>(stored)));
        if (!takes_in(read, bytes, stored, pool)) continue;
        ASSERT_EQ(read.table().size(), 2U);
        ASSERT_EQ(to_hex(chunk_of(read)), to_hex(bytes)) << "accepted, but nobody writes it so";
      }
    }
  }
}

TEST(Dense, HasADigestOfAllThatItsSubjectsAre) {
  LimitsPool pool;
  const SharedLimits fixed = pool.get(std::array{kFixed});
  LimitSpec larger = kFixed;
  larger.size = Units(6);
  const auto digest = [](std::uint64_t hash, Value::Pointer value) {
    Dense dense(head(true));
    dense.table().put(SubjectHash::of(hash), std::move(value));
    return dense.digest();
  };
  const std::uint64_t one = digest(2, charged(fixed, Units(1)));
  EXPECT_EQ(one, digest(2, charged(fixed, Units(1))));
  EXPECT_EQ(one, digest(2, charged(fixed, Units(1))->move_to_more_room())) << "room is not content";
  EXPECT_NE(one, digest(4, charged(fixed, Units(1)))) << "of somebody else";
  EXPECT_NE(one, digest(2, charged(fixed, Units(2)))) << "of another state";
  EXPECT_NE(one, digest(2, charged(fixed, Units(1), kNow + seconds(1)))) << "at another time";
  EXPECT_NE(one, digest(2, charged(pool.get(std::array{larger}), Units(1)))) << "under another limit";
  EXPECT_NE(one, digest(2, reserved(fixed, Units(1)))) << "with a hold";
  EXPECT_NE(one, Dense(head(true)).digest()) << "of nobody";
}

TEST(Dense, HasTheSameDigestInAnyOrderButNotWithoutSomebody) {
  std::uint64_t seed = 0;
  std::mt19937_64 engine = seeded(seed);
  SCOPED_TRACE(::testing::Message() << "RATELIMIT_TEST_SEED=" << seed);
  LimitsPool pool;
  const std::vector<SharedLimits> limits = some_limits(pool);
  Dense dense(head(false));
  fill(dense, 300, limits, engine);
  std::vector<std::pair<SubjectHash, Value::Pointer>> subjects;
  dense.table().for_each(SubjectHash::of(0), [&](SubjectHash hash, const Subject& subject) {
    subjects.emplace_back(hash, Value::copy(subject));
    return true;
  });
  std::shuffle(subjects.begin(), subjects.end(), engine);
  Dense shuffled(head(false));
  for (const auto& [hash, value] : subjects) shuffled.table().put(hash, Value::copy(value->subject()));
  EXPECT_EQ(shuffled.digest(), dense.digest());
  forget(shuffled.table(), subjects[0].first);
  EXPECT_NE(shuffled.digest(), dense.digest());
  shuffled.table().put(subjects[0].first, std::move(subjects[0].second));
  EXPECT_EQ(shuffled.digest(), dense.digest());
}

TEST(Dense, IsCopiedWithItsSubjectsAndItsSecret) {
  std::uint64_t seed = 0;
  std::mt19937_64 engine = seeded(seed);
  LimitsPool pool;
  const std::vector<SharedLimits> limits = some_limits(pool);
  Dense dense(head(false));
  fill(dense, 1000, limits, engine);
  const SubjectHash known = dense.hash_of("user:1");
  dense.table().put(known, reserved(limits[2], Units(3)));
  dense.note_denial(known, "user:1");
  const std::vector<std::string> before = chunks_of(dense);

  const std::unique_ptr<Dense> copy = dense.copy();
  EXPECT_EQ(copy->head(), dense.head());
  EXPECT_EQ(chunks_of(*copy), before);
  EXPECT_EQ(copy->digest(), dense.digest());
  EXPECT_EQ(copy->hash_of("user:1"), known);
  EXPECT_EQ(copy->most_denied(), nullptr) << "who was denied there was not denied here";

  copy->table().find(known)->perform({.kind = Operation::Kind::settle, .at = kNow, .units = Units(1), .id = "hold"});
  forget(copy->table(), SubjectHash::of(0));
  EXPECT_NE(copy->digest(), dense.digest());
  EXPECT_EQ(chunks_of(dense), before) << "a copy shares nothing that changes";
}

TEST(Dense, RemembersWhoWasDeniedMost) {
  Dense dense(head(true));
  EXPECT_EQ(dense.most_denied(), nullptr);
  for (int i = 0; i < 3; ++i) dense.note_denial(dense.hash_of("greedy"), "greedy");
  dense.note_denial(dense.hash_of("unlucky"), "unlucky");
  ASSERT_NE(dense.most_denied(), nullptr);
  const std::vector<HeavyHitters::Entry> top = dense.most_denied()->top(10);
  ASSERT_EQ(top.size(), 2U);
  EXPECT_EQ(top[0], (HeavyHitters::Entry{"greedy", 3, 0}));
  EXPECT_EQ(top[1], (HeavyHitters::Entry{"unlucky", 1, 0}));
}

TEST(Dense, CountsTheMemoryOfAllThatItHas) {
  std::uint64_t seed = 0;
  std::mt19937_64 engine = seeded(seed);
  LimitsPool pool;
  Dense dense(head(true));
  const std::size_t empty = dense.memory();
  EXPECT_GE(empty, sizeof(Dense));
  EXPECT_GE(dense.pieces(), 1U);
  dense.note_denial(SubjectHash::of(2), std::string(1024, 'x'));
  const std::size_t with_a_name = dense.memory();
  EXPECT_GT(with_a_name, empty + 1024);
  fill(dense, 10'000, {pool.get(std::array{kFixed})}, engine);
  EXPECT_GT(dense.memory(), with_a_name + 10'000U * 24U) << "a hash and a state";
  EXPECT_GT(dense.pieces(), 1U);
}

TEST(EncodedValue, OfOneSubjectIsThatOfTheSubject) {
  LimitsPool pool;
  const Value::Pointer value = charged(pool.get(std::array{kFixed}), Units(3));
  EXPECT_EQ(encode_value(*value), value->encoded());
  const Value::Pointer read = decode_value(value->encoded(), pool);
  ASSERT_TRUE(read);
  EXPECT_EQ(dense_of(*read), nullptr);
  EXPECT_EQ(encode_value(*read), value->encoded());
}

TEST(EncodedValue, TellsWhatTheKeyIsBesidesButNotWhoIsInItsTable) {
  LimitsPool pool;
  const SharedLimits limits = pool.get(std::array{kFixed});
  const Value::Pointer value = charged(limits, Units(3))->move_to_more_room();
  const std::string subject = value->encoded();
  value->set_annex(std::make_unique<Dense>(head(true, true)));
  const std::string bytes = encode_value(*value);
  EXPECT_EQ(to_hex(bytes), to_hex(from_hex("0141 0200 05000000 00000000 005847f80d000000 0058e176622cb817 03000000 03 "
                                           "000102030405060708090a0b0c0d0e0f")));
  dense_of(*value)->table().insert(SubjectHash::of(2), limits);
  EXPECT_EQ(encode_value(*value), bytes);

  const Value::Pointer read = decode_value(bytes, pool);
  ASSERT_TRUE(read);
  ASSERT_NE(dense_of(*read), nullptr);
  EXPECT_EQ(dense_of(*read)->head(), head(true, true));
  EXPECT_EQ(dense_of(*read)->table().size(), 0U);
  EXPECT_EQ(read->encoded(), subject);
  EXPECT_EQ(encode_value(*read), bytes);
}

TEST(EncodedValue, HasReservationsBeforeWhatTheKeyIsBesides) {
  LimitsPool pool;
  const Value::Pointer value = reserved(pool.get(std::array{kFixed, kConcurrent}), Units(2));
  value->set_annex(std::make_unique<Dense>(head(true)));
  const std::string bytes = encode_value(*value);
  const Value::Pointer read = decode_value(bytes, pool);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->reservations()->holds.size(), 1U);
  EXPECT_EQ(encode_value(*read), bytes);
  for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(decode_value(bytes.substr(0, size), pool));
  EXPECT_FALSE(decode_value(bytes + '\0', pool));
}

TEST(EncodedValue, IsReadOnlyAsItIsWritten) {
  LimitsPool pool;
  const Value::Pointer value = reserved(pool.get(std::array{kFixed, kConcurrent}), Units(2));
  value->set_annex(std::make_unique<Dense>(head(true)));
  const std::string original = encode_value(*value);
  for (std::size_t i = 0; i < original.size(); ++i) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string bytes = original;
      bytes[i] = static_cast<char>(byte);
      const Value::Pointer read = decode_value(bytes, pool);
      if (!read) continue;
      ASSERT_EQ(to_hex(encode_value(*read)), to_hex(bytes)) << "accepted, but nobody writes it so";
    }
  }
}

}  // namespace
}  // namespace ratelimit
