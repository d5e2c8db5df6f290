// SPDX-License-Identifier: MIT
// What the server holds for a key: each form answers the same questions, and a change of form loses nothing.
#include "storage/stored_value.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "hex.h"
#include "ratelimit/limits.h"
#include "ratelimit/verdict.h"

namespace ratelimit {
namespace {

using tests::from_hex;
using tests::to_hex;

using std::chrono::seconds;

constexpr Instant kNow{seconds(1'800'000'000)};

constexpr LimitSpec kBucket{
    .algorithm = Algorithm::token_bucket, .size = Units(10), .refill = Units(7), .span = seconds(60)};
constexpr LimitSpec kFixed{.algorithm = Algorithm::fixed_window, .size = Units(10), .span = seconds(60)};
constexpr LimitSpec kSliding{.algorithm = Algorithm::sliding_window_log, .size = Units(1000), .span = seconds(600)};

constexpr Operation kReserve{
    .kind = Operation::Kind::reserve, .at = kNow, .units = Units(4), .span = seconds(100), .id = "hold"};

constexpr SubjectTableHead kHead{.is_stored = true, .is_shadow = true, .secret = {1, 2, 3}};

void charge(const Subject& subject, Units cost, bool force = false) {
  apply(subject.limits(), subject.cells(), decide(subject.limits(), subject.cells(), Ask{cost, "id", force}, kNow));
}

Value::Pointer charged(LimitsPool& pool, const LimitSpec& spec, Units cost) {
  Value::Pointer value = Value::create(pool.get(std::array{spec}));
  charge(value->subject(), cost);
  return value;
}

Units used(const Subject& subject, Instant at = kNow) {
  return subject.limits()[0].visit(
      [&](const auto& algorithm) { return algorithm.used(state_in(subject.cells()[0], algorithm), at); });
}

SubjectHash hash(std::uint64_t i) { return SubjectHash::of(i * 0x9E3779B97F4A7C15U); }

enum class Form : std::uint8_t { compact, value, table };
constexpr std::array kForms{Form::compact, Form::value, Form::table};
constexpr std::uint64_t kSubjects = 5'000;

/// A key as a server holds it: what takes the place of a value ends it.
class StoredValueTest : public testing::Test {
 protected:
  /// Null: the change was made in place.
  void put(StoredValue::Pointer replacement) {
    if (replacement) key_ = std::move(replacement);
  }
  void remove() { key_.reset(); }
  void put(KeyContent content) { put(StoredValue::make(std::move(content), pool_)); }
  void put_compact() { put({charged(pool_, kBucket, Units(3)), std::nullopt}); }
  void put_value() { put({charged(pool_, kSliding, Units(3)), std::nullopt}); }
  void put_table(std::uint64_t subjects = kSubjects) {
    put({charged(pool_, kFixed, Units(2)), kHead});
    for (std::uint64_t i = 0; i < subjects; ++i) {
      charge(stored().subject_table()->hash_table().insert(hash(i), pool_.get(std::array{kFixed})), Units(1));
    }
  }
  void put(Form form) {
    switch (form) {
      case Form::compact: return put_compact();
      case Form::value: return put_value();
      case Form::table: return put_table();
    }
  }
  [[nodiscard]] StoredValue stored() const { return {key_.get(), pool_}; }
  [[nodiscard]] Units own_used() const {
    Cell loose;
    return used(stored().own_subject(loose));
  }
  /// Bytes, if the allocator took 1000 for each piece that it is asked about.
  [[nodiscard]] std::size_t bytes() const {
    return stored().memory([](const void*) { return std::size_t{1000}; });
  }

  LimitsPool pool_;
  StoredValue::Pointer key_{nullptr, {&pool_}};
};

TEST_F(StoredValueTest, OfAKeyThatDoesNotExistHasNoTableAndCountsNothing) {
  const StoredValue nothing = stored();
  EXPECT_FALSE(nothing);
  EXPECT_EQ(nothing.subject_table(), nullptr);
  EXPECT_FALSE(nothing.stored_limits());
  EXPECT_FALSE(nothing.is_stored());
  EXPECT_FALSE(nothing.is_shadow());
  nothing.count_call(Outcome::denied);
}

TEST_F(StoredValueTest, ShowsTheKeysOwnSubjectInEachForm) {
  put_compact();
  EXPECT_EQ(own_used(), Units(3));
  EXPECT_TRUE(stored().own_limits()->matches(std::array{kBucket}));
  EXPECT_EQ(stored().own_idle_at(), charged(pool_, kBucket, Units(3))->idle_at());
  put_value();
  EXPECT_EQ(own_used(), Units(3));
  EXPECT_TRUE(stored().own_limits()->matches(std::array{kSliding}));
  EXPECT_EQ(stored().own_idle_at(), charged(pool_, kSliding, Units(3))->idle_at());
  put_table();
  EXPECT_EQ(own_used(), Units(2));
  EXPECT_TRUE(stored().own_limits()->matches(std::array{kFixed}));
  EXPECT_EQ(stored().own_idle_at(), kNow + seconds(60));
}

TEST_F(StoredValueTest, KeepsAChangeOfACompactValueOnlyOnceItIsWrittenBack) {
  put_compact();
  Cell loose;
  const Subject own = stored().own_subject(loose);
  charge(own, Units(2));
  EXPECT_EQ(used(own), Units(5));
  EXPECT_EQ(own_used(), Units(3));
  EXPECT_FALSE(stored().write_back(loose));
  EXPECT_EQ(own_used(), Units(5));
}

TEST_F(StoredValueTest, PromotesACompactValueWhoseStateDoesNotFit) {
  put_compact();
  for (int i = 0; i < 5; ++i) stored().count_call(Outcome::granted);
  Cell loose;
  const Subject own = stored().own_subject(loose);
  charge(own, Units(13), true);
  ASSERT_EQ(used(own), Units(16)) << "a debt";
  StoredValue::Pointer promoted = stored().write_back(loose);
  ASSERT_TRUE(promoted);
  EXPECT_EQ(own_used(), Units(3)) << "what the server holds is as it was";
  put(std::move(promoted));
  EXPECT_EQ(own_used(), Units(16));
  EXPECT_EQ(stored().counters(), (StoredValue::Counters{5, 0}));
}

TEST_F(StoredValueTest, HasNothingToWriteBackIfTheSubjectIsInPlace) {
  put_value();
  Cell loose;
  charge(stored().own_subject(loose), Units(2));
  EXPECT_FALSE(stored().write_back(loose));
  EXPECT_EQ(own_used(), Units(5));
}

TEST_F(StoredValueTest, CountsCallsInEachForm) {
  for (const Form form : kForms) {
    put(form);
    EXPECT_EQ(stored().counters(), StoredValue::Counters{});
    stored().count_call(Outcome::granted);
    stored().count_call(Outcome::denied);
    stored().count_call(Outcome::never);
    EXPECT_EQ(stored().counters(), (StoredValue::Counters{1, 2}));
  }
}

TEST_F(StoredValueTest, RemembersInEachFormThatItHasAnEnd) {
  put_compact();
  EXPECT_FALSE(stored().has_end());
  stored().note_end();
  EXPECT_TRUE(stored().has_end());
  EXPECT_EQ(own_used(), Units(3));
  put_value();
  EXPECT_FALSE(stored().has_end());
  stored().note_end();
  EXPECT_TRUE(stored().has_end());
}

TEST_F(StoredValueTest, TellsWhatALimiterStores) {
  put_value();
  EXPECT_EQ(stored().subject_table(), nullptr);
  EXPECT_FALSE(stored().stored_limits());
  put_table();
  ASSERT_NE(stored().subject_table(), nullptr);
  EXPECT_TRUE(stored().is_stored());
  EXPECT_TRUE(stored().is_shadow());
  EXPECT_EQ(&*stored().stored_limits(), &*pool_.get(std::array{kFixed}));
  put({charged(pool_, kFixed, Units(2)), SubjectTableHead{.secret = {1}}});
  EXPECT_FALSE(stored().is_stored()) << "a table whose subjects have limits of their own";
  EXPECT_FALSE(stored().stored_limits());
}

TEST_F(StoredValueTest, GoesOnCountingWithAnotherSubject) {
  put_compact();
  stored().count_call(Outcome::granted);
  put(stored().put_own(charged(pool_, kSliding, Units(7))));
  EXPECT_EQ(own_used(), Units(7));
  EXPECT_EQ(stored().counters(), (StoredValue::Counters{1, 0}));
  put(stored().put_own(charged(pool_, kBucket, Units(1))));
  EXPECT_EQ(own_used(), Units(1));
  EXPECT_EQ(stored().counters(), (StoredValue::Counters{1, 0}));
  EXPECT_EQ(stored().pieces(), 1U) << "it is compact again";
}

TEST_F(StoredValueTest, BeginsWithASubject) {
  put(stored().put_own(charged(pool_, kBucket, Units(4))));
  EXPECT_EQ(own_used(), Units(4));
  EXPECT_EQ(stored().counters(), StoredValue::Counters{});
}

TEST_F(StoredValueTest, KeepsItsTableWithAnotherSubject) {
  put_table(5);
  const std::uint64_t digest = stored().subject_table()->digest();
  stored().count_call(Outcome::denied);
  EXPECT_FALSE(stored().put_own(charged(pool_, kFixed, Units(9)))) << "in place: the key keeps its time to live";
  EXPECT_EQ(own_used(), Units(9));
  ASSERT_NE(stored().subject_table(), nullptr);
  EXPECT_EQ(stored().subject_table()->digest(), digest);
  EXPECT_TRUE(stored().is_shadow());
  EXPECT_EQ(stored().counters(), (StoredValue::Counters{0, 1}));
}

TEST_F(StoredValueTest, KeepsItsTableWhenItIsReplacedUnderTheSameHead) {
  put_table(5);
  EXPECT_FALSE(stored().replace({charged(pool_, kFixed, Units(9)), kHead}));
  EXPECT_EQ(own_used(), Units(9));
  EXPECT_EQ(stored().subject_table()->hash_table().size(), 5U);
}

TEST_F(StoredValueTest, MayNotKeepItsTableUnderLimitsThatAreNotThoseOfItsSubjects) {
  put_table(5);
  const auto content = [this](const LimitSpec& spec, const std::optional<SubjectTableHead>& head) {
    return KeyContent{charged(pool_, spec, Units(1)), head};
  };
  EXPECT_TRUE(stored().may_be_replaced_by(content(kFixed, kHead)));
  EXPECT_FALSE(stored().may_be_replaced_by(content(kBucket, kHead)));
  SubjectTableHead other = kHead;
  other.secret[15] = 1;
  EXPECT_TRUE(stored().may_be_replaced_by(content(kBucket, other))) << "then the table does not stay";
  EXPECT_TRUE(stored().may_be_replaced_by(content(kBucket, std::nullopt)));
  remove();
  EXPECT_TRUE(stored().may_be_replaced_by(content(kBucket, kHead)));
}

TEST_F(StoredValueTest, LosesItsTableWhenItIsReplacedUnderAnotherHead) {
  put_table(5);
  SubjectTableHead other = kHead;
  other.secret[15] = 1;
  put(stored().replace({charged(pool_, kFixed, Units(9)), other}));
  ASSERT_NE(stored().subject_table(), nullptr);
  EXPECT_EQ(stored().subject_table()->hash_table().size(), 0U);
  EXPECT_EQ(stored().subject_table()->head(), other);
  stored().count_call(Outcome::granted);
  put(stored().replace({charged(pool_, kBucket, Units(9)), std::nullopt}));
  EXPECT_EQ(stored().subject_table(), nullptr);
  EXPECT_EQ(own_used(), Units(9));
  EXPECT_EQ(stored().counters(), (StoredValue::Counters{1, 0}));
  put(stored().replace({charged(pool_, kBucket, Units(9)), kHead}));
  EXPECT_TRUE(stored().is_shadow()) << "a compact value has none, and gets one";
  EXPECT_EQ(own_used(), Units(9));
}

TEST_F(StoredValueTest, GetsRoomForReservationsInEachForm) {
  for (const Form form : kForms) {
    put(form);
    stored().count_call(Outcome::granted);
    const Units before = own_used();
    const std::size_t subjects = form == Form::table ? kSubjects : 0;
    Cell loose;
    if (stored().own_subject(loose).reservations() == nullptr) put(stored().add_reservations());
    const Subject own = stored().own_subject(loose);
    ASSERT_NE(own.reservations(), nullptr);
    EXPECT_EQ(used(own), before);
    EXPECT_EQ(stored().counters(), (StoredValue::Counters{1, 0}));
    own.perform(kReserve);
    EXPECT_EQ(used(own), before + Units(4));
    EXPECT_FALSE(stored().write_back(loose));
    EXPECT_EQ(own_used(), before + Units(4));
    EXPECT_EQ(subjects == 0 ? 0 : stored().subject_table()->hash_table().size(), subjects);
  }
}

TEST_F(StoredValueTest, GetsATableInEachForm) {
  put(stored().add_table(kHead, pool_.get(std::array{kSliding})));
  EXPECT_TRUE(stored().own_limits()->matches(std::array{kSliding}));
  EXPECT_EQ(own_used(), kNoUnits);
  EXPECT_EQ(stored().subject_table()->head(), kHead);
  EXPECT_EQ(stored().counters(), StoredValue::Counters{});
  for (const Form form : {Form::compact, Form::value}) {
    put(form);
    stored().count_call(Outcome::granted);
    const SharedLimits limits = stored().own_limits();
    put(stored().add_table(kHead, pool_.get(std::array{kFixed})));
    EXPECT_EQ(&*stored().own_limits(), &*limits) << "the key's own subject stays as it is";
    EXPECT_EQ(own_used(), Units(3));
    EXPECT_EQ(stored().subject_table()->head(), kHead);
    EXPECT_EQ(stored().subject_table()->hash_table().size(), 0U);
    EXPECT_EQ(stored().counters(), (StoredValue::Counters{1, 0}));
  }
}

TEST_F(StoredValueTest, KeepsItsReservationsWhenItGetsATable) {
  put_value();
  put(stored().add_reservations());
  Cell loose;
  stored().own_subject(loose).perform(kReserve);
  put(stored().add_table(kHead, {}));
  EXPECT_TRUE(stored().own_subject(loose).is_reserved());
  EXPECT_EQ(own_used(), Units(7));
}

TEST_F(StoredValueTest, IsReadAsItWasWrittenInEachForm) {
  const auto expect_read_again = [this] {
    const std::string bytes = stored().encoded();
    std::optional<KeyContent> content = decode_key(bytes, pool_);
    ASSERT_TRUE(content);
    EXPECT_EQ(content->table.has_value(), stored().subject_table() != nullptr);
    const StoredValue::Pointer again = StoredValue::make(std::move(*content), pool_);
    EXPECT_EQ(StoredValue(again.get(), pool_).encoded(), bytes);
    for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(decode_key(bytes.substr(0, size), pool_));
    EXPECT_FALSE(decode_key(bytes + '\0', pool_));
  };
  put_compact();
  expect_read_again();
  EXPECT_EQ(stored().encoded(), charged(pool_, kBucket, Units(3))->encoded());
  put_value();
  expect_read_again();
  put(stored().add_reservations());
  Cell loose;
  stored().own_subject(loose).perform(kReserve);
  expect_read_again();
  put_table();
  expect_read_again();
}

TEST_F(StoredValueTest, WritesTheHeadOfItsTableButNoSubjectOfIt) {
  const Instant leap_day{std::chrono::sys_days{std::chrono::year{2024} / 2 / 29}};  // as in docs/format.md
  const LimitSpec five{.algorithm = Algorithm::fixed_window, .size = Units(5), .span = seconds(60)};
  Value::Pointer own = Value::create(pool_.get(std::array{five}));
  apply(own->limits(), own->cells(), decide(own->limits(), own->cells(), Ask{Units(3)}, leap_day));
  const std::string subject = own->encoded();
  SubjectTableHead head{.is_stored = true, .is_shadow = true};
  for (std::size_t i = 0; i < head.secret.size(); ++i) head.secret[i] = static_cast<std::uint8_t>(i);
  put({std::move(own), head});
  const std::string bytes = stored().encoded();
  EXPECT_EQ(to_hex(bytes), to_hex(from_hex("0141 0200 05 00 005847f80d000000 0058e176622cb817 03 03 "
                                           "000102030405060708090a0b0c0d0e0f")));
  stored().subject_table()->hash_table().insert(SubjectHash::of(2), pool_.get(std::array{five}));
  EXPECT_EQ(stored().encoded(), bytes);

  std::optional<KeyContent> content = decode_key(bytes, pool_);
  ASSERT_TRUE(content);
  put(std::move(*content));
  EXPECT_EQ(stored().subject_table()->head(), head);
  EXPECT_EQ(stored().subject_table()->hash_table().size(), 0U);
  Cell loose;
  EXPECT_EQ(Value::copy(stored().own_subject(loose))->encoded(), subject);
}

TEST_F(StoredValueTest, IsReadOnlyAsItIsWritten) {
  put_value();
  put(stored().add_reservations());
  Cell loose;
  stored().own_subject(loose).perform(kReserve);
  put(stored().add_table(kHead, {}));
  const std::string original = stored().encoded();
  for (std::size_t i = 0; i < original.size(); ++i) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string bytes = original;
      bytes[i] = static_cast<char>(byte);
      std::optional<KeyContent> content = decode_key(bytes, pool_);
      if (!content) continue;
      put(std::move(*content));
      ASSERT_EQ(to_hex(stored().encoded()), to_hex(bytes)) << "accepted, but nobody writes it so";
    }
  }
}

TEST_F(StoredValueTest, CopiesShareNothingAndCountAnew) {
  for (const Form form : kForms) {
    put(form);
    stored().count_call(Outcome::granted);
    const StoredValue::Pointer copy = stored().copy();
    const StoredValue copied(copy.get(), pool_);
    EXPECT_EQ(copied.encoded(), stored().encoded());
    EXPECT_EQ(copied.counters(), StoredValue::Counters{});
    Cell loose;
    charge(stored().own_subject(loose), Units(1));
    EXPECT_FALSE(stored().write_back(loose));
    EXPECT_NE(copied.encoded(), stored().encoded());
    if (SubjectTable* const table = stored().subject_table()) {
      const std::uint64_t digest = table->digest();
      EXPECT_EQ(copied.subject_table()->digest(), digest);
      charge(*table->hash_table().find(hash(1)), Units(1));
      EXPECT_EQ(copied.subject_table()->digest(), digest);
    }
  }
}

TEST_F(StoredValueTest, GivesItsLimitsBackToThePool) {
  put_compact();
  put_table();
  remove();
  for (std::int64_t size = 1000; size < 6000; ++size) {
    static_cast<void>(pool_.get(
        std::array{LimitSpec{.algorithm = Algorithm::fixed_window, .size = Units(size), .span = seconds(1)}}));
  }
  const SharedLimits again = pool_.get(std::array{kBucket});
  EXPECT_NE(again.number(), LimitsNumber{0}) << "the first number went to somebody else meanwhile";
}

TEST_F(StoredValueTest, MeasuresWhatItTakes) {
  put_compact();
  EXPECT_EQ(bytes(), 1000U) << "one allocation, as the allocator says";
  EXPECT_EQ(stored().pieces(), 1U);
  put_value();
  const std::size_t small = bytes();
  for (int i = 0; i < 300; ++i) {
    Cell loose;
    const Subject own = stored().own_subject(loose);
    apply(own.limits(), own.cells(), decide(own.limits(), own.cells(), Ask{Units(1)}, kNow + seconds(i)));
  }
  EXPECT_GT(bytes(), small + 300 * 2);
  put_table(0);
  const std::size_t empty = bytes();
  const std::size_t pieces = stored().pieces();
  put_table(10'000);
  EXPECT_GT(bytes(), empty + 10'000 * 24);
  EXPECT_GT(stored().pieces(), pieces);
}

/// Moves memory as the server does it: by a copy of the bytes. Sanitizers want arrays and objects to be told apart.
void* moved(void* memory, bool is_array) {
  const std::size_t size = malloc_usable_size(memory);
  void* const place = is_array ? ::operator new[](size) : ::operator new(size);
  std::memcpy(place, memory, size);
  std::memset(memory, 0xAA, size);
  is_array ? ::operator delete[](memory) : ::operator delete(memory);
  return place;
}

TEST_F(StoredValueTest, SurvivesThatItsMemoryIsMovedInEachForm) {
  for (const Form form : kForms) {
    put(form);
    const std::string before = stored().encoded();
    const std::uint64_t digest = stored().subject_table() != nullptr ? stored().subject_table()->digest() : 0;
    std::size_t moves = 0;
    const bool is_table = form == Form::table;
    StoredValue value(key_.release(), pool_);
    value.relocate([&moves](void* memory) { return ++moves, moved(memory, false); });
    key_.reset(value.get());
    const auto move = [&moves, is_table](void* memory) {
      return ++moves, moved(memory, !is_table && malloc_usable_size(memory) != sizeof(EventLog));
    };
    for (std::size_t i = 0; stored().relocate_piece(i, move); ++i) {
    }
    EXPECT_EQ(stored().encoded(), before);
    EXPECT_GE(moves, 1U);
    if (digest != 0) {
      EXPECT_GT(moves, kSubjects / 512) << "a segment holds fewer";
      EXPECT_EQ(stored().subject_table()->digest(), digest);
      EXPECT_TRUE(stored().subject_table()->hash_table().is_valid());
    }
  }
}

}  // namespace
}  // namespace ratelimit
