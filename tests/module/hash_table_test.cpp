// SPDX-License-Identifier: MIT
// The dense form, against a map of values that do the same one by one.
#include "storage/hash_table.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "random.h"
#include "ratelimit/account.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/codec/bytes.h"
#include "ratelimit/codec/format.h"
#include "ratelimit/limits.h"
#include "ratelimit/operation.h"
#include "ratelimit/states.h"

namespace ratelimit {
namespace {

using tests::Random;
using namespace std::chrono_literals;

constexpr Instant kNow = tests::kToday;

const LimitSpec kBucket = tests::bucket(10, 7, 60s);
const LimitSpec kSmallBucket = tests::bucket(5, 7, 60s);
const LimitSpec kWindow = tests::fixed(10, 60s);
const LimitSpec kLog = tests::sliding(10, 60s);

/// Numbers that are spread evenly, another one for each number.
std::uint64_t scrambled(std::uint64_t number) {
  number = (number ^ (number >> 30U)) * 0xBF58476D1CE4E5B9U;
  number = (number ^ (number >> 27U)) * 0x94D049BB133111EBU;
  return number ^ (number >> 31U);
}
SubjectHash spread(std::uint64_t number) { return SubjectHash::of(scrambled(number + 1)); }

constexpr HashRange kAll{SubjectHash::smallest(), SubjectHash::largest()};

std::string encoded(const Subject& subject) {
  std::string bytes;
  Writer out(bytes);
  encode_subject(out, subject.limits(), subject.cells(), subject.reservations(), LimitsForm::written, nullptr,
                 subject.last_grants());
  return bytes;
}

using Contents = std::map<SubjectHash, std::string>;

Contents contents_of(HashTable& table) {
  Contents contents;
  SubjectHash last = SubjectHash::smallest();
  table.for_each(SubjectHash::smallest(), [&](SubjectHash hash, const Subject& subject) {
    EXPECT_TRUE(contents.empty() || last < hash) << "out of order";
    last = hash;
    contents[hash] = encoded(subject);
    return true;
  });
  return contents;
}

void charge(const Subject& subject, Units cost, Instant now) {
  apply(subject.limits(), subject.cells(), decide(subject.limits(), subject.cells(), Ask{cost, "id", true}, now));
}

/// A subject as a call with those limits leaves it, which opens and drops accounts. Null if it stays as it is.
Value::Pointer opened(const Subject& subject, const SharedLimits& limits, LimitsPool& pool, Instant now) {
  NamedAccounts accounts(subject.accounts(), *limits, now, subject.turn().or_later(now));
  return accounts.changes() ? with_accounts(subject, accounts, pool) : Value::Pointer();
}

/// So many subjects with these limits, each of which has used something.
void fill(HashTable& table, const SharedLimits& limits, std::uint64_t first, std::uint64_t count) {
  for (std::uint64_t i = first; i < first + count; ++i) {
    charge(table.insert(spread(i), limits), Units(1 + static_cast<std::int64_t>(i % 10)), kNow);
  }
}

/// Sweeps all, some subjects at a time, as the background sweep does.
std::size_t sweep_in_steps(HashTable& table, std::optional<Instant> forget_idle_at, std::size_t subjects = 1000) {
  std::size_t forgotten = 0;
  for (SubjectHash from = SubjectHash::smallest();;) {
    const HashRange range = table.range_from(from, subjects);
    EXPECT_EQ(range.first, from);
    forgotten += table.sweep(range, forget_idle_at);
    if (range.last == SubjectHash::largest()) return forgotten;
    from = range.last.next();
  }
}

/// Forgets one subject, whenever it is idle.
void forget(HashTable& table, SubjectHash hash) { table.sweep({hash, hash}, kLatest + 3 * kMaxSpan); }

/// Moves each segment as the server does it: by a copy of its bytes.
std::size_t move_all(HashTable& table) {
  std::size_t moved = 0;
  for (std::size_t i = 0; table.relocate_piece(i,
                                               [&](void* memory) {
                                                 const std::size_t bytes = malloc_usable_size(memory);
                                                 void* place = ::operator new(bytes);
                                                 std::memcpy(place, memory, bytes);
                                                 ::operator delete(memory);
                                                 ++moved;
                                                 return place;
                                               });
       ++i) {
  }
  return moved;
}

// ---- Hashes

TEST(SubjectHash, LeavesItsLowestBitToTheTableAndIsNeverNothing) {
  EXPECT_EQ(SubjectHash::of(7).word(), 6U);
  EXPECT_EQ(SubjectHash::of(8).word(), 8U);
  EXPECT_EQ(SubjectHash::of(0).word(), 2U);
  EXPECT_EQ(SubjectHash::of(1).word(), 2U);
  EXPECT_EQ(SubjectHash::smallest().word(), 2U);
  EXPECT_EQ(SubjectHash::largest().word(), ~std::uint64_t{1});
  EXPECT_EQ(SubjectHash::of(8).next(), SubjectHash::of(10));
  EXPECT_EQ(SubjectHash::largest().next(), SubjectHash::largest());
}

// ---- Against a map

/// A table and a map of values, to which the same is done.
class Pair {
 public:
  enum class Hashes : std::uint8_t { spread, ascending, one_place, two_places };

  Pair(Random& random, LimitsPool& pool, Hashes hashes, std::size_t most_limits, std::uint64_t subjects)
      : random_(random), pool_(pool), hashes_(hashes), subjects_(subjects), hash_table_(std::make_unique<HashTable>()) {
    for (SharedLimits& limits : palette_) limits = random_limits(most_limits);
    // Who was blocked before being asked under any limit.
    if (random_.one_in(2)) palette_.back() = pool_.none();
  }

  void step() {
    now_ += Span{random_.one_in(3) ? random_.magnitude_between(1, Span{1h}.count()) : 0};
    switch (random_.below(40)) {
      case 0: return sweep(random_range());
      case 1:
        return random_.one_in(30) ? sweep(kAll) : sweep(hash_table_->range_from(random_hash(), random_.below(1000)));
      case 2: return random_.one_in(20) ? redefine() : check();
      case 3: return random_.one_in(100) ? copy() : check();
      case 4: return random_.one_in(100) ? void(move_all(*hash_table_)) : check();
      case 5: return follow();
      case 6: return open();
      case 7: return put();
      case 8:
      case 9: return reserve();
      case 10:
      case 11: return forget_one();
      case 12: return look_for_room();
      case 13: return compare(random_hash());
      default: return check();
    }
  }

  void compare_all() {
    ASSERT_EQ(hash_table_->size(), values_.size());
    Contents expected;
    for (const auto& [hash, value] : values_) expected[hash] = value->encoded();
    ASSERT_EQ(contents_of(*hash_table_), expected);
    ASSERT_TRUE(hash_table_->is_valid());
  }

  [[nodiscard]] const HashTable& table() const { return *hash_table_; }
  [[nodiscard]] std::size_t redefinitions() const { return redefinitions_; }
  [[nodiscard]] std::size_t forgotten() const { return forgotten_; }

 private:
  SharedLimits random_limits(std::size_t most) {
    for (;;) {
      std::vector<LimitSpec> specs;
      const std::size_t count = 1 + random_.below(most);
      for (std::size_t i = 0; i < count; ++i) {
        specs.push_back(tests::random_spec(random_, static_cast<Algorithm>(random_.between(1, 7))));
      }
      if (SharedLimits limits = pool_.get(specs)) return limits;
    }
  }

  SubjectHash random_hash() {
    const std::uint64_t number = random_.below(subjects_);
    switch (hashes_) {
      case Hashes::spread: return spread(number);
      case Hashes::ascending: return SubjectHash::of(number << 40U);
      case Hashes::one_place: return SubjectHash::of(0xABCDEF0000000000U + 2 * number);
      case Hashes::two_places: return SubjectHash::of((number % 2 != 0 ? ~std::uint64_t{0} << 32U : 0) + 2 * number);
    }
    return SubjectHash::smallest();
  }

  HashRange random_range() {
    const SubjectHash other = random_.one_in(2) ? random_hash() : SubjectHash::of(scrambled(random_.below(~0U)));
    const auto [first, last] = std::minmax({random_hash(), other});
    return {first, last};
  }

  /// Those of most calls: one list for a long time, so that it is that of most subjects, then another one.
  const SharedLimits& usual_limits() {
    if (random_.one_in(1000)) usual_ = random_.below(palette_.size());
    return palette_[random_.one_in(20) ? random_.below(palette_.size()) : usual_];
  }

  /// What a call names, or RL.DEFINE stores: one limit at least.
  const SharedLimits& limits_of_call() { return palette_[random_.below(palette_.size() - 1)]; }

  void check() {
    const SubjectHash hash = random_hash();
    std::optional<Subject> found = hash_table_->find(hash);
    Value::Pointer& value = values_[hash];
    ASSERT_EQ(found.has_value(), value != nullptr);
    if (!found) {
      const SharedLimits& limits = usual_limits();
      const std::size_t size = hash_table_->size();
      found = hash_table_->insert(hash, limits);
      ASSERT_EQ(hash_table_->size(), size + 1);
      value = Value::create(limits);
    }
    const Units cost(random_.between(1, 10));
    for (const Subject& subject : {*found, value->subject()}) {
      if (subject.reservations() != nullptr || subject.has_several_lists()) {
        subject.perform({.kind = Operation::Kind::charge, .at = now_, .units = cost, .id = "id"});
      } else {
        charge(subject, cost, now_);
      }
    }
    ASSERT_EQ(encoded(*found), value->encoded());
  }

  void follow() {
    const SubjectHash hash = random_hash();
    const std::optional<Subject> found = hash_table_->find(hash);
    if (!found) return;
    const SharedLimits& limits = usual_limits();
    Value::Pointer& value = values_[hash];
    const Subject put = hash_table_->put(hash, carry_over(*found, limits, now_));
    value = carry_over(value->subject(), limits, now_);
    ASSERT_EQ(encoded(put), value->encoded());
  }

  void open() {
    const SubjectHash hash = random_hash();
    const std::optional<Subject> found = hash_table_->find(hash);
    if (!found) return;
    const SharedLimits& limits = limits_of_call();
    Value::Pointer& value = values_[hash];
    Value::Pointer next = opened(*found, limits, pool_, now_);
    Value::Pointer expected = opened(value->subject(), limits, pool_, now_);
    ASSERT_EQ(next == nullptr, expected == nullptr);
    if (!next) return;
    value = std::move(expected);
    ASSERT_EQ(encoded(hash_table_->put(hash, std::move(next))), value->encoded());
  }

  void put() {
    const SubjectHash hash = random_hash();
    Value::Pointer value = Value::create(usual_limits());
    charge(value->subject(), Units(random_.between(1, 10)), now_);
    ASSERT_EQ(encoded(hash_table_->put(hash, Value::copy(value->subject()))), value->encoded());
    values_[hash] = std::move(value);
  }

  void reserve() {
    const SubjectHash hash = random_hash();
    std::optional<Subject> found = hash_table_->find(hash);
    if (!found) return;
    if (found->reservations() == nullptr) found = hash_table_->put(hash, Value::take(*found));
    ASSERT_NE(found->reservations(), nullptr) << "there must be room now";
    Value::Pointer& value = values_[hash];
    if (value->reservations() == nullptr) value = value->with_reservations();
    const Span span{random_.magnitude_between(kMinSpan.count(), Span{10h}.count())};
    const Operation::Kind kind = random_.one_of(
        {Operation::Kind::reserve, Operation::Kind::charge, Operation::Kind::settle, Operation::Kind::block});
    const Operation operation{
        .kind = kind, .at = now_, .units = Units(2), .span = span, .id = random_.one_in(2) ? "a" : "b"};
    found->perform(operation);
    value->subject().perform(operation);
    ASSERT_EQ(encoded(*found), value->encoded());
  }

  void forget_one() {
    const SubjectHash hash = random_hash();
    if (random_.one_in(2)) {
      ASSERT_EQ(hash_table_->remove(hash), values_.contains(hash));
    } else {
      forget(*hash_table_, hash);
    }
    values_.erase(hash);
    ASSERT_FALSE(hash_table_->find(hash));
  }

  void redefine() {
    ++redefinitions_;
    const SharedLimits& limits = limits_of_call();
    hash_table_->redefine(limits, now_);
    for (auto& [hash, value] : values_) {
      if (value->subject().any_hold_ended(now_)) value->subject().perform({.at = now_});
      value = carry_over(value->subject(), limits, now_);
    }
  }

  void sweep(const HashRange& range) {
    const std::optional<Instant> at =
        random_.one_in(3) ? std::nullopt : std::optional(now_ - Span{random_.magnitude_between(1, Span{24h}.count())});
    const std::size_t forgotten = hash_table_->sweep(range, at);
    const std::size_t expected = std::erase_if(values_, [&](const auto& entry) {
      return at && range.contains(entry.first) && entry.second->idle_at() <= *at;
    });
    ASSERT_EQ(forgotten, expected);
    forgotten_ += forgotten;
    ASSERT_EQ(hash_table_->size(), values_.size());
  }

  void copy() {
    hash_table_ = std::make_unique<HashTable>(*hash_table_);
    ASSERT_TRUE(hash_table_->is_valid());
  }

  void look_for_room() {
    const SubjectHash hash = random_hash();
    const std::optional<HashRange> range = hash_table_->crowded(hash);
    ASSERT_TRUE(!range || range->contains(hash));
    if (values_.contains(hash)) return;
    const SharedLimits& limits = usual_limits();
    hash_table_->insert(hash, limits);
    values_[hash] = Value::create(limits);
  }

  void compare(SubjectHash hash) {
    const auto value = values_.find(hash);
    const std::optional<Subject> subject = hash_table_->find(hash);
    ASSERT_EQ(subject.has_value(), value != values_.end());
    ASSERT_TRUE(!subject || encoded(*subject) == value->second->encoded());
  }

  Random& random_;
  LimitsPool& pool_;
  Hashes hashes_;
  std::uint64_t subjects_;
  std::unique_ptr<HashTable> hash_table_;
  std::map<SubjectHash, Value::Pointer> values_;
  std::array<SharedLimits, 4> palette_;
  std::size_t usual_ = 0;
  std::size_t redefinitions_ = 0;
  std::size_t forgotten_ = 0;
  Instant now_ = kNow;
};

void walk(Pair::Hashes hashes, std::size_t most_limits, std::uint64_t subjects) {
  const std::uint64_t seed = tests::test_seed();
  Random random(seed);
  LimitsPool pool;
  const std::uint64_t steps = std::max<std::uint64_t>(tests::test_steps() / 20, 10'000);
  std::size_t largest = 0;
  for (std::uint64_t round = 0; round < 4; ++round) {
    Pair pair(random, pool, hashes, most_limits, subjects);
    SCOPED_TRACE(::testing::Message() << "RATELIMIT_TEST_SEED=" << seed << ", round " << round);
    for (std::uint64_t step = 0; step < steps; ++step) {
      SCOPED_TRACE(::testing::Message() << "step " << step);
      ASSERT_NO_FATAL_FAILURE(pair.step());
      ASSERT_TRUE(step % 1024 != 0 || pair.table().is_valid());
      if (step % 8192 == 0) {
        ASSERT_NO_FATAL_FAILURE(pair.compare_all());
      }
      largest = std::max(largest, pair.table().size());
    }
    ASSERT_NO_FATAL_FAILURE(pair.compare_all());
    EXPECT_GT(pair.redefinitions(), 0U);
    EXPECT_GT(pair.forgotten(), 0U);
  }
  EXPECT_GT(largest, subjects / 4) << "the walk is to be among many";
}

TEST(HashTable, DoesWhatAMapOfValuesDoes) { walk(Pair::Hashes::spread, 1, 2'000); }
TEST(HashTable, DoesSoWithListsOfLimits) { walk(Pair::Hashes::spread, 8, 1'000); }
TEST(HashTable, DoesSoWithFewSubjects) { walk(Pair::Hashes::spread, 3, 12); }
TEST(HashTable, DoesSoWithHashesInARow) { walk(Pair::Hashes::ascending, 2, 1'000); }
TEST(HashTable, DoesSoWithHashesInOnePlace) { walk(Pair::Hashes::one_place, 2, 1'000); }
TEST(HashTable, DoesSoWithHashesInTwoPlaces) { walk(Pair::Hashes::two_places, 2, 1'000); }

// ---- Memory

TEST(HashTable, GrowsAndShrinksBackToWhereItBegan) {
  LimitsPool pool;
  HashTable table;
  const std::size_t bytes = table.bytes();
  const std::size_t pieces = table.pieces();
  fill(table, pool.get({&kBucket, 1}), 0, 100'000);
  EXPECT_EQ(table.size(), 100'000U);
  EXPECT_TRUE(table.is_valid());
  EXPECT_GT(table.directory_size(), 256U);
  for (std::uint64_t i = 0; i < 100'000; ++i) forget(table, spread(i));
  EXPECT_EQ(table.size(), 0U);
  EXPECT_EQ(sweep_in_steps(table, std::nullopt), 0U);
  EXPECT_TRUE(table.is_valid());
  EXPECT_EQ(table.bytes(), bytes);
  EXPECT_EQ(table.pieces(), pieces);
  EXPECT_EQ(table.directory_size(), 1U);
}

TEST(HashTable, ShrinksAsItsSubjectsAreForgotten) {
  LimitsPool pool;
  HashTable table;
  const std::size_t bytes = table.bytes();
  fill(table, pool.get({&kBucket, 1}), 0, 100'000);
  const std::size_t most = table.bytes();
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    if (i % 10 == 0) charge(*table.find(spread(i)), Units(10), kNow + 30s);
  }
  EXPECT_EQ(sweep_in_steps(table, kNow + 86s), 90'000U);
  EXPECT_TRUE(table.is_valid());
  EXPECT_LT(table.bytes(), most / 6);
  EXPECT_EQ(sweep_in_steps(table, kNow + 1h), 10'000U);
  EXPECT_EQ(table.bytes(), bytes);
}

TEST(HashTable, ShrinksWhereThereIsNothingToBeMerged) {
  LimitsPool pool;
  HashTable table;
  fill(table, pool.get({&kBucket, 1}), 0, 200);
  EXPECT_EQ(table.directory_size(), 1U);
  const std::size_t most = table.bytes();
  for (std::uint64_t i = 0; i < 150; ++i) forget(table, spread(i));
  EXPECT_LT(table.bytes(), most / 3);
  EXPECT_TRUE(table.is_valid());
}

TEST(HashTable, KeepsASubjectInLessThanThirtyBytes) {
  LimitsPool pool;
  const SharedLimits limits = pool.get({&kBucket, 1});
  HashTable table;
  std::uint64_t subjects = 0;
  std::size_t bytes_each = 0;  // in hundredths
  std::size_t samples = 0;
  for (std::uint64_t next = 100'000; next <= 1'000'000; next += next / 64, ++samples) {
    for (; subjects < next; ++subjects) table.insert(spread(subjects), limits);
    bytes_each += 100 * table.bytes() / table.size();
  }
  EXPECT_LE(bytes_each / samples, 2'800U) << "on average over the growth";
  EXPECT_GE(bytes_each / samples, 2'400U) << "nothing is left out";
  EXPECT_TRUE(table.is_valid());
}

TEST(HashTable, OfAFewSubjectsIsSmall) {
  LimitsPool pool;
  HashTable table;
  EXPECT_LE(table.bytes(), 160U);
  fill(table, pool.get({&kBucket, 1}), 0, 10);
  EXPECT_LE(table.bytes(), 10U * 50);
}

TEST(HashTable, KeepsItsDirectorySmallWhateverTheHashes) {
  LimitsPool pool;
  const SharedLimits limits = pool.get({&kBucket, 1});
  constexpr std::uint64_t kSubjects = 20'000;
  const auto entries_with = [&](auto hash_of) {
    HashTable table;
    for (std::uint64_t i = 0; i < kSubjects; ++i) table.insert(hash_of(i), limits);
    EXPECT_TRUE(table.is_valid());
    for (std::uint64_t i = 0; i < kSubjects; ++i) EXPECT_TRUE(table.find(hash_of(i)));
    EXPECT_FALSE(table.find(SubjectHash::largest()));
    EXPECT_FALSE(table.find(SubjectHash::smallest()));
    EXPECT_LE(table.bytes(), kSubjects * 50);
    return table.directory_size();
  };
  EXPECT_LE(entries_with([](std::uint64_t i) { return spread(i); }), kSubjects / 64);
  EXPECT_LE(entries_with([](std::uint64_t i) { return SubjectHash::of(4 + 2 * i); }), kSubjects / 4);
  EXPECT_LE(entries_with([](std::uint64_t i) { return SubjectHash::of(0x8000'0000'0000'0000U - 2 * i); }),
            kSubjects / 4);
  EXPECT_LE(entries_with(
                [](std::uint64_t i) { return SubjectHash::of(0x1234'5678'9ABC'0000U | (2 * i * 0x9E37U & 0xFFFEU)); }),
            kSubjects / 4);
  EXPECT_LE(entries_with([](std::uint64_t i) {
              return SubjectHash::of((i % 2 == 0 ? 0x1234'5678'9ABC'0000U : 0xFFFF'FFFF'FFFF'0000U) + 2 * (i / 2));
            }),
            kSubjects / 4);
}

/// Adds new subjects, a chunk at a time, as a file brings them. False as soon as the table refuses some.
bool load(HashTable& table, const SharedLimits& limits, std::span<const SubjectHash> hashes) {
  constexpr std::size_t kChunk = 3000;
  for (std::size_t begin = 0; begin < hashes.size(); begin += kChunk) {
    std::vector<Entry> entries;
    for (const SubjectHash hash : hashes.subspan(begin, std::min(kChunk, hashes.size() - begin))) {
      entries.push_back({hash, Value::create(limits)});
      charge(entries.back().value->subject(), Units(1 + static_cast<std::int64_t>(hash.word() % 9)), kNow);
    }
    if (!table.put_new(entries)) return false;
  }
  return table.spread();
}

std::vector<SubjectHash> in_a_row(std::size_t count) {
  std::vector<SubjectHash> hashes{SubjectHash::smallest()};
  while (hashes.size() < count) hashes.push_back(hashes.back().next());
  return hashes;
}

TEST(HashTable, IsTheSameIfItsSubjectsComeInOrderAndManyAtATime) {
  LimitsPool pool;
  const SharedLimits limits = pool.get(std::array{kBucket, kLog});
  std::vector<SubjectHash> hashes;
  for (std::uint64_t i = 0; i < 50'000; ++i) hashes.push_back(spread(i));
  std::sort(hashes.begin(), hashes.end());
  HashTable one_by_one;
  for (const SubjectHash hash : hashes) {
    charge(one_by_one.insert(hash, limits), Units(1 + static_cast<std::int64_t>(hash.word() % 9)), kNow);
  }
  HashTable at_a_time;
  ASSERT_TRUE(load(at_a_time, limits, hashes));
  EXPECT_TRUE(at_a_time.is_valid());
  EXPECT_EQ(contents_of(at_a_time), contents_of(one_by_one));
  EXPECT_LE(at_a_time.bytes(), one_by_one.bytes() * 11 / 10);
}

TEST(HashTable, TakesNewSubjectsBetweenThoseThatAreThere) {
  LimitsPool pool;
  const SharedLimits limits = pool.get(std::array{kBucket});
  HashTable table;
  fill(table, limits, 0, 2'000);
  Value::Pointer other = Value::create(pool.get(std::array{kWindow}));
  table.put(spread(2'000), std::move(other));
  std::vector<SubjectHash> hashes;
  for (std::uint64_t i = 3'000; i < 9'000; ++i) hashes.push_back(spread(i));
  std::sort(hashes.begin(), hashes.end());
  Contents before = contents_of(table);
  ASSERT_TRUE(load(table, limits, hashes));
  EXPECT_TRUE(table.is_valid());
  EXPECT_EQ(table.size(), 8'001U);
  Contents after = contents_of(table);
  for (const auto& [hash, bytes] : before) EXPECT_EQ(after[hash], bytes);
}

TEST(HashTable, TakesSomeHashesThatAreAlikeFromAFileAndRefusesMany) {
  LimitsPool pool;
  const SharedLimits limits = pool.get(std::array{kBucket});
  HashTable some;
  EXPECT_TRUE(load(some, limits, in_a_row(8'000)));
  EXPECT_TRUE(some.is_valid());
  HashTable many;
  EXPECT_FALSE(load(many, limits, in_a_row(100'000)));
  EXPECT_TRUE(many.is_valid());
  // A million would take minutes if nobody stopped them.
  HashTable very_many;
  EXPECT_FALSE(load(very_many, limits, in_a_row(1'000'000)));
  EXPECT_LT(very_many.size(), 500'000U);
}

/// What each allocation is said to take: so many bytes are outside as there are allocations, and what states count.
std::size_t one(const void*) { return 1; }

TEST(HashTable, KnowsWhatItsSubjectsKeepElsewhere) {
  LimitsPool pool;
  const SharedLimits logs = pool.get({&kLog, 1});
  HashTable table;
  EXPECT_EQ(table.bytes_outside(one), 0U);
  fill(table, pool.get({&kBucket, 1}), 0, 10);
  EXPECT_EQ(table.bytes_outside(one), 0U) << "a bucket is all in its cell";
  EXPECT_EQ(table.pieces(), 2U) << "directory and segment";

  std::size_t bytes = 0;
  std::size_t pieces = 2;
  for (std::uint64_t i = 10; i < 20; ++i) {
    Value::Pointer value = Value::create(logs);
    charge(value->subject(), Units(1), kNow);
    pieces += value->memory_pieces();
    bytes += 1 + value->bytes_behind();
    table.put(spread(i), std::move(value));
  }
  EXPECT_EQ(table.bytes_outside(one), bytes);
  EXPECT_EQ(table.pieces(), pieces);

  HashTable large;
  fill(large, logs, 0, 20'000);
  const std::size_t each = large.find(spread(0))->cells()[0].as<SlidingWindowLog::State>().heap_bytes();
  EXPECT_NEAR(static_cast<double>(large.bytes_outside(one)), 20'000.0 * static_cast<double>(each),
              0.01 * 20'000.0 * static_cast<double>(each));
  EXPECT_GT(large.pieces(), 40'000U);
}

TEST(HashTable, FindsTheFewSubjectsThatKeepMuchElsewhere) {
  LimitsPool pool;
  HashTable table;
  fill(table, pool.get({&kBucket, 1}), 0, 200'000);
  std::size_t bytes = 0;
  for (std::uint64_t i = 0; i < 20; ++i) {
    const Subject subject = table.put(spread(i * 997), Value::take(*table.find(spread(i * 997))));
    for (int hold = 0; hold < 500; ++hold) {
      const std::string id = std::to_string(hold);
      subject.perform({.kind = Operation::Kind::reserve, .at = kNow, .units = Units(1), .span = 100s, .id = id});
    }
    bytes += 2 + subject.reservations()->heap_bytes();
  }
  EXPECT_EQ(table.bytes_outside(one), bytes);
}

TEST(HashTable, CountsLimitsThatAreNotInThePool) {
  LimitsPool pool;
  HashTable table;
  for (std::uint64_t i = 0; i < 5'000; ++i) {
    const LimitSpec spec = tests::bucket(10, 1 + static_cast<std::int64_t>(i), 60s);
    const SharedLimits limits = pool.get({&spec, 1});
    charge(table.insert(spread(i), limits), Units(1), kNow);
  }
  constexpr std::size_t kPieces = 1 + 2;  // the list, its limits, its labels
  const std::size_t values = 5'000 - LimitsPool::kMostShared;
  EXPECT_GT(table.bytes_outside(one), values * (1 + kPieces));
  EXPECT_LE(table.bytes_outside(one), 5'000 * (1 + kPieces));
}

TEST(HashTable, CountsLimitsOfManySubjectsOnce) {
  LimitsPool pool;
  HashTable table;
  fill(table, SharedLimits(*Limits::make({&kBucket, 1})), 0, 10'000);
  EXPECT_LT(table.bytes_outside([](const void*) { return std::size_t{1000}; }), 3U * 1000);
}

TEST(HashTable, SurvivesThatItsMemoryIsMoved) {
  LimitsPool pool;
  HashTable table;
  fill(table, pool.get({&kWindow, 1}), 0, 5'000);
  const Contents before = contents_of(table);
  EXPECT_EQ(move_all(table), table.pieces() - 1) << "each segment once, not the directory";
  EXPECT_LT(table.pieces() - 1, table.directory_size()) << "several entries lead to some";
  EXPECT_TRUE(table.is_valid());
  EXPECT_EQ(contents_of(table), before);
  EXPECT_FALSE(table.relocate_piece(table.directory_size(), [](void*) -> void* { return nullptr; }));
  EXPECT_TRUE(table.relocate_piece(0, [](void*) -> void* { return nullptr; })) << "it may stay where it is";
  EXPECT_EQ(contents_of(table), before);
}

TEST(HashTable, IsCopiedWithAllThatIsStillToBeDone) {
  LimitsPool pool;
  HashTable table;
  fill(table, pool.get({&kLog, 1}), 0, 3'000);
  table.put(spread(7), Value::take(*table.find(spread(7))))
      .perform({.kind = Operation::Kind::reserve, .at = kNow, .units = Units(1), .span = 100s, .id = "hold"});
  table.redefine(pool.get({&kSmallBucket, 1}), kNow + 1s);
  const auto copy = std::make_unique<HashTable>(table);
  EXPECT_TRUE(copy->has_pending_changes());
  EXPECT_EQ(copy->size(), table.size());
  const Contents before = contents_of(table);
  EXPECT_EQ(contents_of(*copy), before);
  EXPECT_TRUE(copy->is_valid());
  copy->for_each(SubjectHash::smallest(), [](SubjectHash, const Subject& subject) {
    charge(subject, Units(3), kNow + 2s);
    return true;
  });
  EXPECT_EQ(contents_of(table), before) << "a copy shares nothing that changes";
}

TEST(HashTable, MayEndInAnotherThread) {
  LimitsPool pool;
  auto table = std::make_unique<HashTable>();
  fill(*table, pool.get({&kLog, 1}), 0, 1'000);
  std::thread([&table] { table.reset(); }).join();
  EXPECT_EQ(table, nullptr);
}

// ---- Who is kept out of line

TEST(HashTable, TakesInWhoNeedNotBeKeptApart) {
  LimitsPool pool;
  const SharedLimits limits = pool.get({&kBucket, 1});
  HashTable table;
  fill(table, limits, 0, 10);
  const Contents before = contents_of(table);
  const Subject roomy = table.put(spread(3), Value::take(*table.find(spread(3))));
  ASSERT_NE(roomy.reservations(), nullptr) << "room that was asked for is there";
  EXPECT_EQ(table.find(spread(3))->reservations(), roomy.reservations());
  table.sweep(kAll, std::nullopt);
  EXPECT_EQ(table.find(spread(3))->reservations(), nullptr) << "it was not used";
  EXPECT_EQ(table.pieces(), 2U);
  EXPECT_EQ(contents_of(table), before);
}

TEST(HashTable, KeepsApartWhoHasReserved) {
  LimitsPool pool;
  HashTable table;
  fill(table, pool.get({&kBucket, 1}), 0, 10);
  table.put(spread(3), Value::take(*table.find(spread(3))))
      .perform({.kind = Operation::Kind::reserve, .at = kNow, .units = Units(1), .span = 100s, .id = "hold"});
  const Contents before = contents_of(table);
  table.sweep(kAll, std::nullopt);
  ASSERT_NE(table.find(spread(3))->reservations(), nullptr);
  EXPECT_EQ(contents_of(table), before);
  EXPECT_EQ(table.sweep(kAll, kNow + 99s), 9U) << "a hold is not idle";
  EXPECT_EQ(table.sweep(kAll, kNow + 100s), 1U);
}

TEST(HashTable, KeepsWhoIsBlockedAndHasNoLimits) {
  LimitsPool pool;
  HashTable table;
  const Operation block{.kind = Operation::Kind::block, .at = kNow, .span = 100s};
  for (std::uint64_t i = 0; i < 300; ++i) {
    table.insert(spread(i), pool.none());
    table.put(spread(i), Value::take(*table.find(spread(i)))).perform(block);
  }
  table.insert(spread(300), pool.none());
  EXPECT_TRUE(table.is_valid());
  const Contents before = contents_of(table);
  table.sweep(kAll, std::nullopt);
  EXPECT_EQ(contents_of(table), before);
  EXPECT_EQ(contents_of(*std::make_unique<HashTable>(table)), before);
  EXPECT_EQ(table.sweep(kAll, kNow + 99s), 1U) << "who is not blocked is idle";

  table.redefine(pool.get({&kBucket, 1}), kNow + 1s);
  EXPECT_EQ(table.find(spread(7))->block().left(kNow + 1s), 99s);
  EXPECT_EQ(table.find(spread(7))->limits().size(), 1U);
  EXPECT_TRUE(table.is_valid());
  EXPECT_EQ(table.sweep(kAll, kNow + 100s), 300U);
}

TEST(HashTable, RemovesOneAndLeavesTheOthers) {
  LimitsPool pool;
  HashTable table;
  fill(table, pool.get({&kLog, 1}), 0, 2'000);
  Contents expected = contents_of(table);
  for (std::uint64_t i = 0; i < 2'000; i += 7) {
    EXPECT_TRUE(table.remove(spread(i)));
    EXPECT_FALSE(table.remove(spread(i)));
    expected.erase(spread(i));
  }
  EXPECT_EQ(contents_of(table), expected);
  EXPECT_TRUE(table.is_valid());
}

TEST(HashTable, KeepsApartWhoIsAskedUnderSeveralListsUntilOneIsDropped) {
  LimitsPool pool;
  const SharedLimits limits = pool.get({&kBucket, 1});
  const SharedLimits others = pool.get({&kWindow, 1});
  HashTable table;
  fill(table, limits, 0, 10);
  table.put(spread(3), opened(*table.find(spread(3)), others, pool, kNow));
  EXPECT_EQ(table.find(spread(3))->last_grants().size(), 2U);
  EXPECT_EQ(table.pieces(), 3U);
  const Contents before = contents_of(table);
  table.sweep(kAll, std::nullopt);
  EXPECT_EQ(contents_of(table), before) << "a sweep leaves it there";
  EXPECT_EQ(contents_of(*std::make_unique<HashTable>(table)), before);

  table.find(spread(3))->perform(
      {.kind = Operation::Kind::charge, .at = kNow + 2min, .units = Units(1), .named = 0b01});
  table.put(spread(3), opened(*table.find(spread(3)), limits, pool, kNow + 2min));
  EXPECT_TRUE(table.find(spread(3))->last_grants().empty());
  EXPECT_EQ(table.pieces(), 2U) << "in its slot again";
  EXPECT_TRUE(table.is_valid());
}

TEST(HashTable, ChangesTheLimitsOfWhoIsAskedUnderSeveralLists) {
  LimitsPool pool;
  HashTable table;
  fill(table, pool.get({&kBucket, 1}), 0, 10);
  table.put(spread(3), opened(*table.find(spread(3)), pool.get({&kWindow, 1}), pool, kNow));
  table.redefine(pool.get({&kWindow, 1}), kNow);
  EXPECT_TRUE(table.find(spread(3))->last_grants().empty());
  table.sweep(kAll, std::nullopt);
  EXPECT_EQ(table.pieces(), 2U);
}

TEST(HashTable, KeepsASubjectOfTwoListsInLessThanAHundredAndSixtyBytes) {
  LimitsPool pool;
  for (const auto& [first, second] : {std::pair(kBucket, kSmallBucket), std::pair(kBucket, kWindow)}) {
    HashTable two_lists;
    const SharedLimits limits = pool.get(std::array{first});
    fill(two_lists, limits, 0, 20'000);
    std::size_t allocated = 0;
    for (std::uint64_t i = 0; i < 20'000; ++i) {
      Value::Pointer value = opened(*two_lists.find(spread(i)), pool.get(std::array{second}), pool, kNow);
      allocated += malloc_usable_size(value.get()) + sizeof(std::size_t);
      two_lists.put(spread(i), std::move(value));
    }
    EXPECT_LE((two_lists.bytes() + allocated) / 20'000, 160U);
    EXPECT_LE((two_lists.bytes() + two_lists.bytes_outside([](const void* memory) {
                return malloc_usable_size(const_cast<void*>(memory));
              })) /
                  20'000,
              160U);
  }
}

TEST(HashTable, HasTheLimitsOfMost) {
  LimitsPool pool;
  const SharedLimits old_limits = pool.get({&kBucket, 1});
  const SharedLimits new_limits = pool.get(std::array{kWindow, kBucket});
  HashTable table;
  fill(table, old_limits, 0, 20);
  const auto follow = [&](std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t i = first; i < last; ++i) {
      table.put(spread(i), carry_over(*table.find(spread(i)), new_limits, kNow));
    }
    const Contents before = contents_of(table);
    table.sweep(kAll, std::nullopt);
    EXPECT_EQ(contents_of(table), before);
    EXPECT_TRUE(table.is_valid());
    return table.pieces() - 2;
  };
  EXPECT_EQ(follow(0, 9), 9U) << "who is kept apart: those who are fewer";
  EXPECT_EQ(follow(9, 12), 8U) << "now these are the others";
  EXPECT_EQ(follow(12, 20), 0U);
}

TEST(HashTable, TakesTheLimitsOfTheNextWhenNobodyIsLeft) {
  LimitsPool pool;
  const SharedLimits one = pool.get({&kBucket, 1});
  const SharedLimits three = pool.get(std::array{kWindow, kBucket, kLog});
  HashTable table;
  for (const SharedLimits& limits : {one, three, one}) {
    charge(table.insert(spread(1), limits), Units(1), kNow);
    EXPECT_EQ(table.pieces(), limits->size() == 1 ? 2U : 2U + 2U) << "nobody is kept apart, though a log is";
    EXPECT_TRUE(table.is_valid());
    forget(table, spread(1));
  }
}

// ---- Limits that change

/// A table with subjects of all kinds, to which the same is done each time.
std::unique_ptr<HashTable> mixture(LimitsPool& pool, std::uint64_t subjects) {
  auto table = std::make_unique<HashTable>();
  const std::array specs = {kBucket, kLog, kWindow, tests::concurrent(20, 60s), tests::approx(10, 60s)};
  for (std::uint64_t i = 0; i < subjects; ++i) {
    const Subject subject = table->insert(spread(i), pool.get({&specs.at(i % 8 == 0 ? i / 8 % 5 : 0), 1}));
    charge(subject, Units(1 + static_cast<std::int64_t>(i % 10)), kNow + std::chrono::milliseconds(i));
    if (i % 16 != 0) continue;
    table->put(spread(i), Value::take(*table->find(spread(i))))
        .perform({.kind = Operation::Kind::reserve,
                  .at = kNow,
                  .units = Units(1),
                  .span = std::chrono::seconds(1 + i % 100),
                  .id = "hold"});
  }
  return table;
}

TEST(HashTable, ChangesLimitsTheSameWheneverItIsDone) {
  LimitsPool pool;
  const std::array lists = {pool.get(std::array{tests::bucket(5, 1, 30s)}),
                            pool.get(std::array{tests::sliding(100, 90s), kWindow}),
                            pool.get(std::array{tests::leaky(8, 2, 30s), tests::quota(5, CalendarUnit::hour)}),
                            pool.get(std::array{kBucket})};
  const auto run = [&](auto in_between) {
    std::unique_ptr<HashTable> table = mixture(pool, 2'000);
    for (std::uint64_t i = 0; i < 9; ++i) {
      table->redefine(lists.at(i % lists.size()), kNow + std::chrono::seconds(7 * i));
      in_between(*table, i);
      EXPECT_TRUE(table->is_valid());
    }
    return table;
  };
  const auto eager = run([](HashTable& table, std::uint64_t) {
    table.sweep(kAll, std::nullopt);
    EXPECT_FALSE(table.has_pending_changes());
  });
  const auto late = run([](HashTable& table, std::uint64_t) { EXPECT_TRUE(table.has_pending_changes()); });
  const auto mixed = run([](HashTable& table, std::uint64_t i) {
    EXPECT_TRUE(table.find(spread(i)));
    table.sweep(table.range_from(spread(i * 31), 300), std::nullopt);
    if (i == 4) move_all(table);
  });
  const auto little = run([](HashTable& table, std::uint64_t i) {
    for (std::uint64_t step = 0; step < 20; ++step) {
      const HashRange range = table.range_from(spread(i * 57 + step), 300);
      if (const auto done = table.catch_up(range, 500)) table.sweep(*done, std::nullopt);
      EXPECT_TRUE(table.is_valid());
    }
  });
  const Contents expected = contents_of(*eager);
  EXPECT_EQ(expected.size(), 2'000U);
  EXPECT_EQ(contents_of(*late), expected);
  EXPECT_EQ(contents_of(*mixed), expected);
  EXPECT_EQ(contents_of(*little), expected);
  for (const auto& table : {&eager, &late, &mixed, &little}) EXPECT_FALSE((*table)->has_pending_changes());
}

TEST(HashTable, KeepsWhatIsUsedWhenLimitsChange) {
  LimitsPool pool;
  const SharedLimits limits = pool.get({&kWindow, 1});
  const LimitSpec larger = tests::fixed(12, 60s);
  HashTable table;
  charge(table.insert(spread(1), limits), Units(4), kNow);
  table.redefine(pool.get({&larger, 1}), kNow + 1s);
  const Subject subject = *table.find(spread(1));
  EXPECT_EQ(subject.limits()[0].size(), Units(12));
  EXPECT_EQ(decide(subject.limits(), subject.cells(), Ask{Units(1), ""}, kNow + 2s).decision.remaining, Units(7));
}

TEST(HashTable, HasNoEndlessListOfChanges) {
  LimitsPool pool;
  const std::array lists = {pool.get({&kBucket, 1}), pool.get({&kSmallBucket, 1})};
  HashTable table;
  fill(table, lists[0], 0, 30'000);
  for (std::uint64_t i = 0; i < 100; ++i) {
    table.redefine(lists.at(i % 2), kNow + std::chrono::seconds(i));
    ASSERT_TRUE(table.is_valid()) << "redefinition " << i;
    ASSERT_EQ(table.has_too_many_changes(), table.pending_changes() >= Redefinitions::kMost);
    ASSERT_LE(table.pending_changes(), 2 * Redefinitions::kMost) << "of a primary that does not wait";
    table.insert(spread(100'000 + i), lists.at(i % 2));
  }
  EXPECT_TRUE(table.has_pending_changes());
  sweep_in_steps(table, std::nullopt);
  EXPECT_FALSE(table.has_pending_changes());
  EXPECT_EQ(table.pieces(), 1 + move_all(table)) << "all are under the same limits, and nobody is kept apart";
}

TEST(HashTable, CatchesUpWithManyChangesInSmallSteps) {
  LimitsPool pool;
  const auto limits = [&pool](int size) {
    std::vector<LimitSpec> specs;
    for (int i = 0; i < 8; ++i) specs.push_back(tests::bucket(size + i, 7, 60s));
    return pool.get(specs);
  };
  HashTable table;
  fill(table, limits(10), 0, 3'000);
  for (int i = 0; i < static_cast<int>(Redefinitions::kMost); ++i) table.redefine(limits(11 + i), kNow);
  EXPECT_TRUE(table.has_too_many_changes());
  constexpr std::size_t kWork = 2'000;
  std::size_t steps = 0;
  std::size_t first_forgotten = 0;
  for (SubjectHash from = SubjectHash::smallest(); table.has_pending_changes(); ++steps) {
    const std::optional<HashRange> done = table.catch_up(table.range_from(from, 1'000), kWork);
    ASSERT_TRUE(table.is_valid());
    ASSERT_LT(steps, 10'000U);
    if (!done) continue;
    EXPECT_EQ(done->first, from);
    if (first_forgotten == 0) first_forgotten = steps;
    table.sweep(*done, std::nullopt);
    from = done->last == SubjectHash::largest() ? SubjectHash::smallest() : done->last.next();
  }
  const std::size_t all = HashTable::work_of(3'000, 8) * Redefinitions::kMost;
  EXPECT_GE(steps, all / kWork) << "no step does more than it may";
  EXPECT_LE(steps, 2 * all / kWork);
  EXPECT_GT(first_forgotten, 2U) << "already the first segment takes several steps";
}

TEST(HashTable, DoesSomethingInEachStepHoweverLittleItMayDo) {
  LimitsPool pool;
  HashTable table;
  fill(table, pool.get({&kBucket, 1}), 0, 300);
  table.redefine(pool.get({&kSmallBucket, 1}), kNow);
  table.redefine(pool.get({&kWindow, 1}), kNow);
  EXPECT_EQ(table.catch_up(kAll, 0), std::nullopt);
  EXPECT_EQ(table.pending_changes(), 1U);
  EXPECT_EQ(table.catch_up(kAll, 0), kAll);
  EXPECT_FALSE(table.has_pending_changes());
  EXPECT_EQ(table.catch_up(kAll, 0), kAll) << "nothing is to be done";
}

TEST(HashTable, OfAFewSubjectsHasNothingPending) {
  LimitsPool pool;
  HashTable table;
  table.redefine(pool.get({&kBucket, 1}), kNow);
  EXPECT_FALSE(table.has_pending_changes());
  fill(table, pool.get({&kBucket, 1}), 0, 30);
  for (int i = 0; i < 100; ++i) table.redefine(pool.get({i % 2 == 0 ? &kSmallBucket : &kBucket, 1}), kNow);
  EXPECT_FALSE(table.has_pending_changes());
}

TEST(HashTable, OfManyLimitsTakesOthersOfFew) {
  LimitsPool pool;
  std::vector<LimitSpec> many;
  for (int i = 0; i < 8; ++i) many.push_back(tests::fixed(10 + i, 60s));
  const SharedLimits eight = pool.get(many);
  const SharedLimits one = pool.get({&kWindow, 1});
  HashTable table;
  fill(table, one, 0, 10'000);
  const std::size_t small = table.bytes();
  table.redefine(eight, kNow + 1s);
  sweep_in_steps(table, std::nullopt);
  EXPECT_TRUE(table.is_valid());
  EXPECT_GT(table.bytes(), 10'000U * 136);
  EXPECT_LT(table.bytes(), 10'000U * 180);
  table.redefine(one, kNow + 2s);
  sweep_in_steps(table, std::nullopt);
  sweep_in_steps(table, std::nullopt);
  EXPECT_TRUE(table.is_valid());
  EXPECT_LT(table.bytes(), small * 5 / 4);
}

// ---- Ranges

TEST(HashTable, ForgetsThoseInTheRangeWhoAreIdleAndNobodyElse) {
  LimitsPool pool;
  const SharedLimits limits = pool.get({&kWindow, 1});
  HashTable table;
  for (std::uint64_t i = 0; i < 5'000; ++i) {
    charge(table.insert(spread(i), limits), Units(1), kNow + std::chrono::seconds(i % 2));
  }
  const auto [first, last] = std::minmax({spread(17), spread(18)});
  const HashRange part{first, last};
  const auto in_part = [&](std::uint64_t i) { return part.contains(spread(i)) && i % 2 == 0; };
  std::size_t expected = 0;
  for (std::uint64_t i = 0; i < 5'000; ++i) expected += in_part(i) ? 1 : 0;
  ASSERT_GT(expected, 100U);
  EXPECT_EQ(table.sweep(part, kNow + 60s - 1ns), 0U);
  EXPECT_EQ(table.sweep(part, kNow + 60s), expected);
  for (std::uint64_t i = 0; i < 5'000; ++i) EXPECT_EQ(table.find(spread(i)).has_value(), !in_part(i));
  EXPECT_TRUE(table.is_valid());
  const auto forgotten_alone = [&](std::uint64_t i) { return table.sweep({spread(i), spread(i)}, kNow + 61s); };
  EXPECT_EQ(forgotten_alone(18), 0U) << "it was the last of the range, or the first";
  EXPECT_EQ(forgotten_alone(17), 1U);
  EXPECT_EQ(forgotten_alone(17), 0U);
}

TEST(HashTable, TakesLimitsFromOneOfItsOwnSubjects) {
  LimitsPool pool;
  HashTable table;
  {
    const SharedLimits limits(*Limits::make({&kBucket, 1}));  // nobody else has them
    table.insert(spread(0), limits);
  }
  for (std::uint64_t i = 1; i < 1'000; ++i) table.insert(spread(i), table.find(spread(i - 1))->shared_limits());
  EXPECT_EQ(table.size(), 1'000U);
  for (std::uint64_t i = 0; i < 30; ++i) table.redefine(table.find(spread(i))->shared_limits(), kNow);
  EXPECT_TRUE(table.is_valid());
  table.sweep(kAll, std::nullopt);
  EXPECT_EQ(table.pieces(), 1 + move_all(table)) << "nobody is kept apart";
}

TEST(HashTable, IsDividedIntoRangesOfAboutTheSameSize) {
  LimitsPool pool;
  HashTable table;
  EXPECT_EQ(table.range_from(SubjectHash::smallest(), 1), kAll);
  fill(table, pool.get({&kBucket, 1}), 0, 50'000);
  std::size_t ranges = 0;
  for (SubjectHash from = SubjectHash::smallest();; ++ranges) {
    const HashRange range = table.range_from(from, 1'000);
    std::size_t subjects = 0;
    table.for_each(range.first, [&](SubjectHash hash, const Subject&) {
      if (hash > range.last) return false;
      ++subjects;
      return true;
    });
    if (range.last == SubjectHash::largest()) break;
    EXPECT_GE(subjects, 1'000U);
    EXPECT_LT(subjects, 1'000U + 340);
    from = range.last.next();
  }
  EXPECT_GT(ranges, 50'000U / 1'340);
}

TEST(HashTable, IsVisitedFromAnywhereUntilItIsEnough) {
  LimitsPool pool;
  HashTable table;
  fill(table, pool.get({&kBucket, 1}), 0, 3'000);
  std::vector<SubjectHash> hashes;
  for (std::uint64_t i = 0; i < 3'000; ++i) hashes.push_back(spread(i));
  std::sort(hashes.begin(), hashes.end());
  for (const std::size_t first : {std::size_t{0}, std::size_t{1'234}, std::size_t{2'999}}) {
    for (const SubjectHash from : {hashes[first], SubjectHash::of(hashes[first].word() - 2)}) {
      std::vector<SubjectHash> visited;
      table.for_each(from, [&](SubjectHash hash, const Subject&) {
        visited.push_back(hash);
        return visited.size() < 500;
      });
      const std::size_t count = std::min<std::size_t>(500, hashes.size() - first);
      ASSERT_EQ(visited.size(), count);
      EXPECT_TRUE(std::equal(visited.begin(), visited.end(), hashes.begin() + static_cast<std::ptrdiff_t>(first)));
    }
  }
}

TEST(HashTable, GrowsWhereItIsCrowdedAndNowhereElse) {
  LimitsPool pool;
  const SharedLimits limits = pool.get({&kWindow, 1});
  HashTable table;
  std::size_t times = 0;
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    const std::size_t bytes = table.bytes();
    const std::optional<HashRange> range = table.crowded(spread(i));
    table.insert(spread(i), limits);
    ASSERT_EQ(table.bytes() > bytes, range.has_value());
    times += range ? 1 : 0;
  }
  EXPECT_GT(times, 200U);
}

TEST(HashTable, SaysWhereIdleSubjectsWouldMakeRoom) {
  LimitsPool pool;
  const SharedLimits limits = pool.get({&kWindow, 1});
  HashTable table;
  std::size_t times = 0;
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    if (const auto range = table.crowded(spread(i))) {
      ASSERT_TRUE(range->contains(spread(i)));
      ++times;
      const std::size_t forgotten = table.sweep(*range, kNow + std::chrono::seconds(i / 100));
      EXPECT_TRUE(forgotten == 0 || !table.crowded(spread(i))) << "room was made";
    }
    charge(table.insert(spread(i), limits), Units(1), kNow + std::chrono::seconds(i / 100));
  }
  EXPECT_GT(times, 30U);
  EXPECT_LT(times, 2'000U) << "a look for idle ones makes room for a while";
  EXPECT_LT(table.size(), 13'000U) << "6,000 are not idle, and who is hinders nobody";
  EXPECT_LT(table.bytes(), 13'000U * 30);
  EXPECT_TRUE(table.is_valid());
}

}  // namespace
}  // namespace ratelimit
