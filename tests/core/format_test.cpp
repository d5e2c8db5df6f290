// SPDX-License-Identifier: MIT
#include "ratelimit/codec/format.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hex.h"
#include "random.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/block.h"
#include "ratelimit/codec/bytes.h"
#include "ratelimit/limits.h"
#include "ratelimit/operation.h"
#include "ratelimit/request.h"
#include "ratelimit/reservations.h"
#include "stored.h"
#include "subject.h"

namespace ratelimit::tests {
namespace {

/// Something that happens to a key.
struct Call {
  Span at;  ///< after kToday
  Request request;
  Span ttl{};  ///< of a reservation
  bool settles = false;
  bool blocks = false;

  Call(Span when, std::int64_t cost) : at(when), request{.cost = Units(cost)} {}
  Call(Span when, const Request& asked) : at(when), request(asked) {}
  Call(Span when, const Request& asked, Span lasting) : at(when), request(asked), ttl(lasting) {}

  [[nodiscard]] static Call settle(Span when, std::string_view id, std::int64_t actual) {
    Call call(when, {.cost = Units(actual), .id = id});
    call.settles = true;
    return call;
  }

  [[nodiscard]] static Call block(Span when, Span length) {
    Call call(when, Request{}, length);
    call.blocks = true;
    return call;
  }

  /// A hold names all limits. Those of a limiter are all limits, also when they change.
  void make(Stored& stored, bool is_limiter = false) const {
    Operation operation{.at = kToday + at, .units = request.cost, .id = request.id};
    if (blocks) {
      stored.perform({.kind = Operation::Kind::block, .at = kToday + at, .span = ttl});
    } else if (settles) {
      operation.kind = Operation::Kind::settle;
      stored.perform(operation);
    } else if (ttl > Span{}) {
      operation.kind = Operation::Kind::reserve;
      operation.span = ttl;
      operation.named = is_limiter ? kAllAccounts : all_accounts(stored.limits());
      stored.perform(operation);
    } else {
      ASSERT_EQ(stored.check(request, kToday + at).outcome, Outcome::granted);
    }
  }
};

/// Limits that remember something, and the bytes that version 1 writes for them, for ever.
struct Golden {
  std::string name;
  std::vector<LimitSpec> limits;
  std::vector<Call> calls;
  std::string hex;
};
void PrintTo(const Golden& golden, std::ostream* out) { *out << golden.name; }

const std::vector<Golden> kGolden = {
    {"TokenBucket", {bucket(20, 7, 60s)}, {{0s, 1}}, "0101 0100 14 07 005847f80d000000 db9e7f7d562cb817 03000000"},
    {"FixedWindow", {fixed(5, 60s)}, {{0s, 1}, {20s, 2}}, "0101 0200 05 00 005847f80d000000 0058e176622cb817 03"},
    {"SlidingWindowLog",
     {sliding(1000, 60s)},
     {{0s, 1}, {1s, 200}, {3s, 1}},
     "0101 0300 e807 00 005847f80d000000 03000000 8080a28cbe9e8906 01 80897a c801 8092f401 01"},
    {"LabelAndFlags",
     {per_request(aligned(100, 24h, "per-day"))},
     {{5h, 40}},
     "0101 0207 64 00 00004f91944e0000 07 7065722d646179 0000e90fe97ab817 01"},
    {"List",
     {bucket(20, 10, 1s), per_request(fixed(5, 60s)), sliding(7, 1h, "hour")},
     {{0s, 2}},
     "0103 0100 14 0a 00ca9a3b00000000 0202 05 00 005847f80d000000 0304 "
     "07 00 00a0b83046030000 04 686f7572 00c2858a542cb817 00000000 0058e176622cb817 "
     "01 01000000 80c0dcd9eee207 02"},
    {"Idle",
     {bucket(1, 1, 1s), fixed(1, 1s), sliding(1, 1s)},
     {},
     "0103 0100 01 01 00ca9a3b00000000 0200 01 00 00ca9a3b00000000 0300 "
     "01 00 00ca9a3b00000000 0000000000000000 00000000 0000000000000000 00 00000000"},
    {"TokenBucketInDebt",
     {bucket(20, 10, 1s)},
     {{0s, {.cost = Units(25), .mode = Mode::force}}},
     "0101 0100 14 0a 00ca9a3b00000000 00f99c13552cb897 00000000 00 05000000"},
    {"LeakyBucket", {leaky(20, 7, 60s)}, {{0s, 1}}, "0101 0400 14 07 005847f80d000000 db9e7f7d562cb817 03000000"},
    {"LeakyBucketInDebt",
     {leaky(2, 7, 60s)},
     {{0s, {.cost = Units(3), .mode = Mode::force}}},
     "0101 0400 02 07 005847f80d000000 92dc4a7b5a2cb897 02000000 00 01000000"},
    {"FixedWindowInDebt",
     {fixed(5, 60s)},
     {{0s, {.cost = kMaxUnits, .mode = Mode::force}}},
     "0101 0200 05 00 005847f80d000000 0058e176622cb817 ffffffffffffff0f"},
    {"LargestQuota",
     {quota(kMaxUnits.count(), CalendarUnit::day)},
     {{5h, 30'000'000'000}},
     "0101 0600 ffffffffffffff0f 00 0200000000000000 0000e90fe97ab817 80d88ee16f"},
    {"Closed",
     {bucket(0, 10, 1s), fixed(0, 60s), sliding(0, 60s), approx(0, 60s)},
     {{0s, {.cost = Units(2), .mode = Mode::force}}},
     "0104 0100 00 0a 00ca9a3b00000000 0200 00 00 005847f80d000000 0300 00 00 005847f80d000000 "
     "0500 00 00 005847f80d000000 00c2858a542cb897 00000000 00 02000000 0058e176622cb817 02 "
     "01000000 8080a28cbe9e8906 02 00009a7e542cb817 00000000 02000000"},
    {"SlidingWindowCounter",
     {approx(100, 60s)},
     {{50s, 40}, {70s, 2}},
     "0101 0500 64 00 005847f80d000000 0058e176622cb817 28000000 02000000"},
    {"Quota",
     {per_request(quota(100, CalendarUnit::day))},
     {{5h, 40}},
     "0101 0602 64 00 0200000000000000 0000e90fe97ab817 01"},
    {"QuotaWithAnAnchor",
     {anchored(quota(100, CalendarUnit::month), "2026-01-31T06:00")},
     {{0s, 40}},
     "0101 0610 64 00 0400000000000000 e817c201 00c0eda2f93fb817 28"},
    {"QuotaInAZone",
     {monthly_in_berlin()},
     {{0s, 7}},
     "0101 060c e807 00 0400000000000000 0d 4575726f70652f4265726c696e 05 6d6f6e7468 "
     "006030dfa277b817 07"},
    {"Concurrent",
     {concurrent(5, 30s)},
     {{0s, {.id = "job:1"}}, {10s, {.cost = Units(2), .id = "job:2"}}},
     "0101 0700 05 00 00ac23fc06000000 02000000 00acbd7a5b2cb817 01 05 6a6f623a31 "
     "0090c9ce5d2cb817 02 05 6a6f623a32 00ac23fc06000000"},
    {"ConcurrentRenewed",
     {concurrent(5, 30s)},
     {{0s, {.id = "b"}}, {0s, {.id = "a"}}, {5s, {.cost = Units(3), .id = "b"}}},
     "0101 0700 05 00 00ac23fc06000000 02000000 00acbd7a5b2cb817 01 01 61 "
     "009ec3a45c2cb817 03 01 62 00ac23fc06000000"},
    {"IdleOfTheLaterAlgorithms",
     {leaky(1, 1, 1s), approx(1, 1s), quota(1, CalendarUnit::year), concurrent(1, 1s)},
     {},
     "0104 0400 01 01 00ca9a3b00000000 0500 01 00 00ca9a3b00000000 "
     "0600 01 00 0500000000000000 0700 01 00 00ca9a3b00000000 "
     "0000000000000000 00000000 0000000000000000 00000000 00000000 0000000000000000 00 00000000"},
    {"Turn",
     {bucket(20, 10, 1s)},
     {{0s, 20}, {0s, {.cost = Units(5), .mode = Mode::may_wait, .longest_wait = 2s}}},
     "0181 0100 14 0a 00ca9a3b00000000 00f99c13552cb817 00000000 0065679c542cb817 0065cd1d00000000 "
     "0000000000000000 0000000000000000 "
     "0000000000000000 00 00000000"},
    {"Hold",
     {fixed(1000, 60s)},
     {{0s, {.cost = Units(100), .id = "req-7"}, 10s}, {1s, 3}},
     "0181 0200 e807 00 005847f80d000000 0058e176622cb817 67 0000000000000000 0000000000000000 0000000000000000 "
     "0000000000000000 "
     "00ca34ba542cb817 00 01000000 00e4a5d2562cb817 64 03 01 00 05 7265712d37"},
    {"HoldThatIsSettled",
     {fixed(1000, 60s)},
     {{0s, {.cost = Units(100), .id = "req-7"}, 10s}, Call::settle(2s, "req-7", 42)},
     "0181 0200 e807 00 005847f80d000000 0058e176622cb817 2a 0000000000000000 0000000000000000 0000000000000000 "
     "0000000000000000 "
     "0094cff5542cb817 00 01000000 00e4a5d2562cb817 2a 00 01 01 05 7265712d37"},
    {"HoldThatWasCutByOneLimit",
     {fixed(1000, 60s), fixed(5, 60s)},
     {{0s, {.cost = Units(100), .id = "req-7"}, 10s}},
     "0182 0200 e807 00 005847f80d000000 0200 05 00 005847f80d000000 "
     "0058e176622cb817 64 0058e176622cb817 05 0000000000000000 0000000000000000 0000000000000000 0000000000000000 "
     "00009a7e542cb817 01 01000000 00e4a5d2562cb817 64 00 03 00 "
     "64 00 05 00 64 00 64 00 64 00 64 00 64 00 64 00 64 00 05 7265712d37"},
    {"Block",
     {fixed(5, 60s)},
     {{0s, 3}, Call::block(10s, 1h)},
     "0181 0200 05 00 005847f80d000000 0058e176622cb817 03 0000000000000000 0000000000000000 "
     "00845e039d2fb817 00a0b83046030000 0000000000000000 00 00000000"},
    {"HoldsAndATurn",
     {leaky(20, 10, 1s), sliding(1000, 60s), concurrent(5, 30s)},
     {{0s, {.cost = Units(2), .id = "b"}, 10s},
      {0s, {.cost = Units(1), .id = "a"}, 10s},
      {0s, {.cost = Units(200), .mode = Mode::force, .id = "c"}},
      {1s, {.cost = Units(1), .mode = Mode::may_wait, .longest_wait = 1h, .id = "d"}}},
     "0183 0400 14 0a 00ca9a3b00000000 0300 e807 00 005847f80d000000 "
     "0700 05 00 00ac23fc06000000 008db3805b2cb817 00000000 02000000 8080a28cbe9e8906 cb01 808ece1c 01 "
     "04000000 00acbd7a5b2cb817 01 01 61 00acbd7a5b2cb817 02 01 62 00acbd7a5b2cb817 c801 01 63 "
     "0058e176622cb817 01 01 64 00ac23fc06000000 00acbd7a5b2cb817 00e288c006000000 0000000000000000 0000000000000000 "
     "00ca34ba542cb817 00 02000000 "
     "00e4a5d2562cb817 01 c901 07 00 01 61 00e4a5d2562cb817 02 ca01 07 00 01 62"},
};

class GoldenVector : public ::testing::TestWithParam<Golden> {};

TEST_P(GoldenVector, IsWhatIsWritten) {
  Stored stored(GetParam().limits);
  for (const Call& call : GetParam().calls) call.make(stored);
  EXPECT_EQ(to_hex(encode(stored)), to_hex(from_hex(GetParam().hex)));
}

TEST_P(GoldenVector, IsReadAndContinues) {
  Stored stored(GetParam().limits);
  for (const Call& call : GetParam().calls) call.make(stored);
  const auto read = decode(from_hex(GetParam().hex));
  ASSERT_NE(read, nullptr);
  EXPECT_TRUE(read->limits().matches(GetParam().limits));
  const Request request{.id = "later"};
  for (const Span later : {Span{4s}, Span{8s}, Span{30s}, Span{1h}, Span{6h}}) {
    EXPECT_EQ(read->check(request, kToday + later), stored.check(request, kToday + later));
    EXPECT_EQ(to_hex(encode(*read)), to_hex(encode(stored)));
  }
}

TEST_P(GoldenVector, IsRefusedWhereverItIsCutOff) {
  const std::string bytes = from_hex(GetParam().hex);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    // A copy of just that size lets the sanitizer see who reads beyond it.
    const std::vector<char> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(decode({cut.data(), cut.size()}), nullptr) << size;
  }
}

TEST_P(GoldenVector, IsRefusedWithAByteTooMany) {
  for (const char byte : {'\0', '\1', '\xFF'}) EXPECT_EQ(decode(from_hex(GetParam().hex) + byte), nullptr);
}

TEST_P(GoldenVector, IsRefusedInEveryOtherVersion) {
  std::string bytes = from_hex(GetParam().hex);
  for (int version = 0; version < 256; ++version) {
    bytes[0] = static_cast<char>(version);
    EXPECT_EQ(decode(bytes) != nullptr, version == 1) << version;
  }
}

TEST_P(GoldenVector, IsSafeWithAnyOneByteChanged) {
  const std::string original = from_hex(GetParam().hex);
  for (std::size_t i = 0; i < original.size(); ++i) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string bytes = original;
      bytes[i] = static_cast<char>(byte);
      const auto stored = decode(bytes);
      if (stored == nullptr) continue;
      ASSERT_EQ(to_hex(encode(*stored)), to_hex(bytes)) << "accepted, but nobody writes it so";
      ASSERT_NO_FATAL_FAILURE(expect_safe(*stored)) << "byte " << i << " is " << byte;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Version1, GoldenVector, ::testing::ValuesIn(kGolden),
                         [](const auto& golden) { return golden.param.name; });

TEST(Format, ReadsWhatItWrote) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  for (std::uint64_t i = 0; i < test_steps() / 50; ++i) {
    SCOPED_TRACE(::testing::Message() << "RATELIMIT_TEST_SEED=" << seed << ", subject " << i);
    const auto stored = random_stored(random);
    const std::string bytes = encode(*stored);
    const auto read = decode(bytes);
    ASSERT_NE(read, nullptr) << to_hex(bytes);
    ASSERT_EQ(to_hex(encode(*read)), to_hex(bytes));
    for (int call = 0; call < 4; ++call) {
      const Instant now = random_instant(random);
      const Units cost(random.magnitude_between(1, kMaxUnits.count()));
      const Request request = random_asked(random, stored->limits()[0].spec(), cost, {});
      ASSERT_EQ(read->peek(request, now), stored->peek(request, now));
    }
  }
}

TEST(Format, IsSafeWithAnyBytesChanged) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  for (std::uint64_t i = 0; i < test_steps() / 20; ++i) {
    SCOPED_TRACE(::testing::Message() << "RATELIMIT_TEST_SEED=" << seed << ", attempt " << i);
    std::string bytes = encode(*random_stored(random));
    for (std::uint64_t changes = random.below(4); changes > 0; --changes) {
      bytes[random.below(bytes.size())] = static_cast<char>(random.one_of({random.below(256), std::uint64_t{0xFF}}));
    }
    if (random.one_in(8)) bytes.resize(random.below(bytes.size()));
    const auto stored = decode(bytes);
    if (stored == nullptr) continue;
    ASSERT_EQ(to_hex(encode(*stored)), to_hex(bytes)) << "accepted, but nobody writes it so";
    ASSERT_NO_FATAL_FAILURE(expect_safe(*stored)) << to_hex(bytes);
  }
}

TEST(Format, KeepsALogOfTheLargestSize) {
  Stored stored(sliding(kMax32BitUnits.count(), 1h));
  for (std::uint32_t i = 0; i < kMaxLogEntries; ++i) stored.check(1 + i % 3, kToday + i * 1ms);
  const std::string bytes = encode(stored);
  const auto read = decode(bytes);
  ASSERT_NE(read, nullptr);
  EXPECT_EQ(encode(*read), bytes);
  EXPECT_EQ(read->used(0, kToday + 1s), stored.used(0, kToday + 1s));
}

/// 65,536 calls at `now`, each with an id of its own, that takes a lease and a hold.
void fill(Stored& stored, std::string_view prefix, Instant now) {
  for (std::size_t i = 0; i < kMaxHolders; ++i) {
    const std::string id = std::string(prefix) + std::to_string(i);
    stored.perform({.kind = Operation::Kind::reserve, .at = now + i * 1ns, .units = Units(1), .span = 10s, .id = id});
  }
}

TEST(Format, KeepsAsManyLeasesAndHoldsAsThereCanBe) {
  Stored stored(concurrent(kMax32BitUnits.count(), 10s));
  fill(stored, "a", kToday);
  // As many again, of which each forgets some of those that have ended: in between there are more than may last.
  stored.perform({.kind = Operation::Kind::reserve, .at = kToday + 11s, .units = Units(1), .span = 10s, .id = "b"});
  EXPECT_GT(stored.reservations().holds.size(), std::size_t{kMaxHolders - 1000});
  const std::string bytes = encode(stored);
  const auto read = decode(bytes);
  ASSERT_NE(read, nullptr);
  EXPECT_EQ(encode(*read), bytes);
  EXPECT_EQ(read->used(0, kToday + 11s), Units(1));
  EXPECT_EQ(read->check({.id = "c"}, kToday + 12s), stored.check({.id = "c"}, kToday + 12s));
  EXPECT_EQ(encode(*read), encode(stored));
}

TEST(Format, ReadsStatesAtTheBoundsOfTheClock) {
  for (const LimitSpec& spec : {bucket(3650, 1, 24h),
                                bucket(4'294'967'291, 4'294'967'291, kMaxSpan),
                                leaky(1, 1, kMaxSpan),
                                fixed(1, kMaxSpan),
                                aligned(1, kMaxSpan),
                                sliding(1, kMaxSpan),
                                sliding(1, 1ms),
                                approx(1, kMaxSpan),
                                approx(1, 1ms),
                                quota(1, CalendarUnit::year),
                                in_zone(quota(1, CalendarUnit::year), kNewfoundland),
                                concurrent(1, kMaxSpan),
                                fixed(kMaxUnits.count(), kMaxSpan),
                                bucket(0, 1, kMaxSpan),
                                leaky(0, 1, kMaxSpan),
                                fixed(0, kMaxSpan),
                                sliding(0, kMaxSpan),
                                approx(0, kMaxSpan),
                                quota(0, CalendarUnit::year),
                                concurrent(0, kMaxSpan)}) {
    for (const Instant now : {kEarliest, kLatest}) {
      for (const Units cost : {std::max(spec.size, kMinUnits), kMaxUnits}) {
        Stored stored(spec);
        const Request request{.cost = cost, .mode = Mode::force, .longest_wait = {}, .id = "id"};
        ASSERT_EQ(stored.check(request, now).outcome, Outcome::granted);
        stored.perform(
            {.kind = Operation::Kind::reserve, .at = now, .units = kMaxUnits, .span = kMaxSpan, .id = "hold"});
        stored.reservations().turn = {kLatest, kMaxSpan};
        const auto read = decode(encode(stored));
        ASSERT_NE(read, nullptr) << ::testing::PrintToString(spec);
        EXPECT_EQ(encode(*read), encode(stored));
      }
    }
  }
}

/// A value with one limit: `flags` and what follows it are two digits a byte.
std::string one_limit(const std::string& algorithm_and_flags, const std::string& rest) {
  return "0101" + algorithm_and_flags + "05 00 005847f80d000000" + rest;
}

/// A sliding log of five a minute whose states are those bytes.
std::unique_ptr<Stored> decode_log(const std::string& hex) { return decode(from_hex(one_limit("0300", hex))); }

TEST(Format, RefusesLogsThatNobodyWrites) {
  EXPECT_NE(decode_log("02000000 0501 0101"), nullptr);
  EXPECT_EQ(decode_log("02000000 0501 0001"), nullptr) << "two entries of one tick";
  EXPECT_EQ(decode_log("02000000 0501 0100"), nullptr) << "an entry without units";
  EXPECT_EQ(decode_log("01000000 850001"), nullptr) << "five in two bytes";
  EXPECT_EQ(decode_log("02000000 05feffffff0f 0102"), nullptr) << "more units than there can be";
  EXPECT_EQ(decode_log("01000000 ffffffffffffffff7f 01"), nullptr) << "later than the clock goes";
  EXPECT_EQ(decode_log("01000000 ffffffffffffffffff01 01"), nullptr) << "2^64 - 1";
  EXPECT_EQ(decode_log("01000000 ffffffffffffffffff03 01"), nullptr) << "more than 64 bits";
  EXPECT_EQ(decode_log("01000000 ffffffffffffffffffff01 01"), nullptr) << "more than ten bytes";
}

TEST(Format, RefusesBucketsThatNobodyWrites) {
  // The interval of this one is one day: 3650 units come back within 3650 d.
  const auto state = [](const std::string& hex) { return is_readable("0101 0100 05 01 00004f91944e0000" + hex); };
  EXPECT_TRUE(state("0000000000000000 00000000"));
  EXPECT_TRUE(state("00f99c13552cb897 00000000 00 01000000"));
  EXPECT_TRUE(state("00f99c13552cb897 00000000 00 420e0000")) << "3650 units of debt";
  EXPECT_FALSE(state("00f99c13552cb897 00000000 00 430e0000")) << "3651";
  EXPECT_FALSE(state("00f99c13552cb897 00000000 00 00000000")) << "in debt of nothing";
  EXPECT_FALSE(state("00f99c13552cb897 00000000 00")) << "in debt of what?";
  EXPECT_FALSE(state("00f99c13552cb897 00000000")) << "in debt, or cut off?";
  EXPECT_TRUE(state("00f99c13552cb897 00000000 01 420e0000")) << "3650 units are cut off";
  EXPECT_FALSE(state("00f99c13552cb897 00000000 01 430e0000")) << "3651";
  EXPECT_FALSE(state("00f99c13552cb897 00000000 01 00000000")) << "nothing is cut off";
  EXPECT_FALSE(state("00f99c13552cb897 00000000 02 01000000")) << "neither debt nor cut off";
  EXPECT_FALSE(state("00f99c13552cb817 00000000 00 01000000")) << "debt of one that is not in debt";
  EXPECT_FALSE(state("00f99c13552cb897 01000000 00 01000000")) << "a fraction of a whole interval";
  EXPECT_TRUE(state("000018927a661a69 00000000")) << "2200-01-01 and 3650 d";
  EXPECT_FALSE(state("010018927a661a69 00000000")) << "and a nanosecond";
  EXPECT_TRUE(state("0000765abac87aed 00000000 00 01000000")) << "in debt, 3650 d more";
  EXPECT_FALSE(state("0100765abac87aed 00000000 00 01000000")) << "and a nanosecond";
  EXPECT_FALSE(state("ffffffffffffffff 00000000 00 01000000")) << "as late as a number goes";
  EXPECT_FALSE(is_readable("0101 0400 05 01 00004f91944e0000 00f99c13552cb897 00000000 00 430e0000"))
      << "a queue, likewise";
}

TEST(Format, RefusesWindowsThatNobodyWrites) {
  for (const std::string limit : {"0101 0200 05 00 005847f80d000000", "0101 0600 05 00 0100000000000000"}) {
    const auto state = [&limit](const std::string& hex) { return is_readable(limit + hex); };
    EXPECT_TRUE(state("0058e176622cb817 ffffffffffffff0f")) << "2^53-1";
    EXPECT_FALSE(state("0058e176622cb817 8080808080808010")) << "2^53";
    EXPECT_FALSE(state("0058e176622cb817 ffffffffffffffffff01")) << "2^64-1";
    EXPECT_FALSE(state("0058e176622cb817 8300")) << "three in two bytes";
    EXPECT_TRUE(state("000018927a661a69 00")) << "2200-01-01 and 3650 d";
    EXPECT_FALSE(state("010018927a661a69 00")) << "and a nanosecond";
    EXPECT_FALSE(state("0058e176622cb897 03")) << "before 1970";
  }
}

TEST(Format, RefusesWeightedWindowsThatNobodyWrites) {
  const auto state = [](const std::string& hex) { return is_readable(one_limit("0500", hex)); };
  EXPECT_TRUE(state("0000000000000000 00000000 00000000"));
  EXPECT_TRUE(state("0058e176622cb817 28000000 02000000"));
  EXPECT_TRUE(state("0058e176622cb817 ffffffff ffffffff"));
  EXPECT_FALSE(state("0158e176622cb817 28000000 02000000")) << "no beginning of a minute";
  EXPECT_FALSE(state("0058e176622cb817 00000000 00000000")) << "idle, but not as it is written";
  EXPECT_FALSE(state("00a8b807f2ffffff 28000000 02000000")) << "before 1970";
  EXPECT_TRUE(state("0000bac93a04ba64 28000000 02000000")) << "2200-01-01";
  EXPECT_FALSE(state("005801c24804ba64 28000000 02000000")) << "and a minute";
}

TEST(Format, RefusesLeasesThatNobodyWrites) {
  const auto leases = [](const std::string& hex) { return is_readable(one_limit("0700", hex)); };
  const std::string at_30s = "00acbd7a5b2cb817";
  const std::string a = at_30s + "01 01 61";
  const std::string b = at_30s + "01 01 62";
  const std::string earlier_c = "0000 9a7e542cb817 01 01 63";
  EXPECT_TRUE(leases("00000000"));
  const std::string longest_is_30s = "00ac23fc06000000";
  EXPECT_FALSE(leases("00000000" + longest_is_30s)) << "the longest of none";
  EXPECT_TRUE(leases("02000000" + a + b + longest_is_30s));
  EXPECT_TRUE(leases("03000000" + earlier_c + a + b + longest_is_30s));
  EXPECT_TRUE(leases("01000000" + at_30s + "ffffffff0f 00" + longest_is_30s)) << "of nobody";
  EXPECT_FALSE(leases("01000000" + at_30s + "8080808010 00" + longest_is_30s)) << "of 2^32 units";
  EXPECT_FALSE(leases("02000000" + b + a + longest_is_30s)) << "not in the order of ids";
  EXPECT_FALSE(leases("02000000" + a + earlier_c + longest_is_30s)) << "nor of ends";
  EXPECT_FALSE(leases("02000000" + a + a + longest_is_30s)) << "twice";
  EXPECT_FALSE(leases("02000000 0000 9a7e542cb817 01 01 61" + a + longest_is_30s)) << "one id, two ends";
  EXPECT_FALSE(leases("02000000" + a + longest_is_30s)) << "less than there should be";
  EXPECT_FALSE(leases("01000000" + a + b + longest_is_30s)) << "more";
  EXPECT_FALSE(leases("01000000" + at_30s + "00 01 61" + longest_is_30s)) << "of no units";
  EXPECT_FALSE(leases("01000000 00acbd7a5b2cb897 01 01 61" + longest_is_30s)) << "before 1970";
  EXPECT_TRUE(leases("01000000 000018927a661a69 01 01 61" + longest_is_30s)) << "2200-01-01 and 3650 d";
  EXPECT_FALSE(leases("01000000 010018927a661a69 01 01 61" + longest_is_30s)) << "and a nanosecond";
  EXPECT_FALSE(leases("01000000" + a)) << "for how long were they given?";
  EXPECT_FALSE(leases("01000000" + a + "0000000000000000")) << "for no time";
  EXPECT_FALSE(leases("01000000" + a + "ffffffffffffffff")) << "for less than that";
  EXPECT_TRUE(leases("01000000" + a + "00005ec83f626004")) << "3650 d";
  EXPECT_FALSE(leases("01000000" + a + "01005ec83f626004")) << "and a nanosecond";
  std::string longest = "40";
  for (int i = 0; i < 64; ++i) longest += "61";
  EXPECT_TRUE(leases("01000000" + at_30s + "01" + longest + longest_is_30s));
  EXPECT_FALSE(leases("01000000" + at_30s + "01 41" + longest.substr(2) + "61" + longest_is_30s))
      << "an id of 65 bytes";
}

TEST(Format, RefusesReservationsThatNobodyWrites) {
  const std::string head = "0181 0200 05 00 005847f80d000000 0058e176622cb817 03";
  const auto reserved = [&head](const std::string& hex) { return is_readable(head + hex); };
  const std::string no_instant = "0000000000000000";
  const std::string no_block = no_instant + no_instant;
  const std::string no_turn = no_instant + no_instant + no_block;
  const std::string now = "00009a7e542cb817";
  const std::string second = "00ca9a3b00000000";
  const std::string hold = "00 01000000 00e4a5d2562cb817 64 03 01 00 01 61";
  const std::string none = "00 00000000";
  EXPECT_TRUE(reserved(no_turn + now + hold));
  EXPECT_TRUE(reserved(no_turn + no_instant + hold)) << "something was done at the beginning of time";
  EXPECT_TRUE(reserved(now + second + no_block + no_instant + none));
  EXPECT_TRUE(reserved(now + second + no_block + now + hold));
  EXPECT_FALSE(reserved(no_turn + no_instant + none)) << "nothing is reserved";
  EXPECT_FALSE(reserved("")) << "reservations are announced";
  EXPECT_FALSE(is_readable("0101" + head.substr(4) + now + second + no_block + no_instant + none))
      << "and here they are not";
  EXPECT_FALSE(reserved(now + no_instant + no_block + no_instant + none)) << "a turn without a wait";
  EXPECT_FALSE(reserved(no_instant + "00000000000000ff" + no_block + no_instant + none)) << "a negative wait";
  EXPECT_FALSE(reserved(now + "00000000000000ff" + no_block + no_instant + none)) << "before the turn";
  EXPECT_TRUE(reserved(now + "00005ec83f626004" + no_block + no_instant + none)) << "3650 d";
  EXPECT_FALSE(reserved(now + "01005ec83f626004" + no_block + no_instant + none)) << "and a nanosecond";
  EXPECT_TRUE(reserved("0000bac93a04ba64" + second + no_block + no_instant + none)) << "2200-01-01";
  EXPECT_FALSE(reserved("0100bac93a04ba64" + second + no_block + no_instant + none)) << "and a nanosecond";
  EXPECT_FALSE(reserved("00acbd7a5b2cb897" + second + no_block + no_instant + none)) << "a turn before 1970";
  EXPECT_FALSE(reserved(now + second + no_block + now + none)) << "of holds that are not there";
  EXPECT_FALSE(reserved(no_turn + "00acbd7a5b2cb897" + hold)) << "done before 1970";
  EXPECT_TRUE(reserved(no_turn + now + "00 01000000 00e4a5d2562cb817 00 03 01 00 01 61")) << "a hold of nothing";
  EXPECT_FALSE(reserved(no_turn + now + "00 01000000 00e4a5d2562cb817 64 8300 01 00 01 61")) << "three in two bytes";
  EXPECT_TRUE(reserved(no_turn + now + "00 01000000 00e4a5d2562cb817 64 ffffffffffffffffff01 01 00 01 61")) << "2^64-1";
  const std::string settled = "00 01000000 00e4a5d2562cb817 00 03 01 01 01 61";
  EXPECT_TRUE(reserved(no_turn + now + settled)) << "a call that cost nothing";
  EXPECT_TRUE(reserved(no_turn + now + "00 01000000 00e4a5d2562cb817 64 03 ff 00 01 61")) << "all limits";
  EXPECT_FALSE(reserved(no_turn + now + "00 01000000 00e4a5d2562cb817 64 03 01 02 01 61")) << "an unknown flag";
  EXPECT_FALSE(reserved(no_turn + now + "02 01000000 00e4a5d2562cb817 64 03 01 00 01 61")) << "neither even nor uneven";
  const std::string uneven = "01 01000000 00e4a5d2562cb817 64 03 01 00 ";
  const std::string eight_of_nothing = "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00";
  EXPECT_TRUE(reserved(no_turn + now + uneven + "64 03" + eight_of_nothing + "01 61"));
  EXPECT_TRUE(reserved(no_turn + now + uneven + "64 ffffffffffffffffff01" + eight_of_nothing + "01 61")) << "2^64-1";
  EXPECT_FALSE(reserved(no_turn + now + uneven + "65 03" + eight_of_nothing + "01 61")) << "more than the hold has";
  EXPECT_FALSE(reserved(no_turn + now + uneven + "01 61")) << "charged how unevenly?";
  EXPECT_FALSE(reserved(no_turn + now + "00 01000000 00e4a5d2562cb817 64 03 01 00 64 03" + eight_of_nothing + "01 61"))
      << "unevenly, where all are even";
  EXPECT_TRUE(reserved(no_turn + now + "01 01000000 00e4a5d2562cb817 00 03 01 01 01 61")) << "settled";
  EXPECT_FALSE(reserved(now + second + no_block + no_instant + "01 00000000")) << "uneven, without holds";
  const auto blocked = [&](const std::string& block) { return reserved(no_block + block + no_instant + none); };
  EXPECT_TRUE(blocked(now + second));
  EXPECT_TRUE(blocked(now + "0100000000000000")) << "a nanosecond";
  EXPECT_FALSE(blocked(now + no_instant)) << "a block of no length";
  EXPECT_FALSE(blocked(no_instant + "ffffffffffffffff")) << "of less";
  EXPECT_TRUE(blocked(now + "00005ec83f626004")) << "3650 d";
  EXPECT_FALSE(blocked(now + "01005ec83f626004")) << "and a nanosecond";
  EXPECT_TRUE(blocked("0000bac93a04ba64" + second)) << "until 2200-01-01";
  EXPECT_FALSE(blocked("0100bac93a04ba64" + second)) << "and a nanosecond";
  EXPECT_FALSE(blocked("00acbd7a5b2cb897" + second)) << "until before 1970";
}

TEST(Format, RefusesLimitsThatNobodyWrites) {
  const auto limits = [](const std::string& hex) {
    const std::string bytes = from_hex(hex);
    Reader in(bytes);
    SubjectHead head;
    return decode_head(in, find_zone, head) && Limits::make(head.specs.span());
  };
  EXPECT_TRUE(limits("0101 0200 05 00 005847f80d000000"));
  EXPECT_TRUE(limits("0181 0200 05 00 005847f80d000000"));
  EXPECT_FALSE(limits("0100")) << "none";
  EXPECT_FALSE(limits("0180")) << "none, but reservations";
  EXPECT_FALSE(limits("0101 0000 05 00 005847f80d000000")) << "algorithm 0";
  EXPECT_FALSE(limits("0101 0800 05 00 005847f80d000000")) << "algorithm 8";
  EXPECT_FALSE(limits("0101 0210 05 00 005847f80d000000")) << "an unknown flag";
  EXPECT_TRUE(limits("0101 0200 00 00 005847f80d000000")) << "a closed limit";
  EXPECT_TRUE(limits("0101 0200 ffffffffffffff0f 00 005847f80d000000")) << "2^53-1";
  EXPECT_FALSE(limits("0101 0200 8080808080808010 00 005847f80d000000")) << "2^53";
  for (const char* other : {"0100", "0400"}) {
    EXPECT_TRUE(limits(std::string("0101") + other + "ffffffff0f ffffffff0f 005847f80d000000")) << "2^32-1";
    EXPECT_FALSE(limits(std::string("0101") + other + "8080808010 ffffffff0f 005847f80d000000")) << "2^32";
    EXPECT_FALSE(limits(std::string("0101") + other + "05 8080808010 005847f80d000000")) << "2^32 a minute";
    EXPECT_FALSE(limits(std::string("0101") + other + "00 00 005847f80d000000")) << "closed, and without a refill";
  }
  for (const char* other : {"0300", "0500", "0700"}) {
    EXPECT_TRUE(limits(std::string("0101") + other + "ffffffff0f 00 005847f80d000000")) << "2^32-1";
    EXPECT_FALSE(limits(std::string("0101") + other + "8080808010 00 005847f80d000000")) << "2^32";
  }
  EXPECT_FALSE(limits("0101 0200 05 01 005847f80d000000")) << "a window with a refill";
  EXPECT_FALSE(limits("0101 0400 05 00 005847f80d000000")) << "a queue without a leak";
  EXPECT_FALSE(limits("0101 0500 05 01 005847f80d000000")) << "counters with a refill";
  EXPECT_FALSE(limits("0101 0700 05 01 005847f80d000000")) << "leases with a refill";
  EXPECT_FALSE(limits("0101 0301 05 00 005847f80d000000")) << "an aligned log";
  EXPECT_FALSE(limits("0101 0501 05 00 005847f80d000000")) << "aligned counters";
  EXPECT_FALSE(limits("0101 0200 05 00 005847f80d000080")) << "a negative window";
  EXPECT_FALSE(limits("0101 0700 05 00 3f420f0000000000")) << "a lease of less than a millisecond";
  EXPECT_FALSE(limits("0101 0700 05 00 01005ec83f626004")) << "and of more than 3650 d";
  EXPECT_FALSE(limits("0101 0204 05 00 005847f80d000000 00")) << "an empty label";
  EXPECT_FALSE(limits("0101 0204 05 00 005847f80d000000 0120")) << "a blank as label";
  std::string nine = "0109";
  for (int i = 0; i < 9; ++i) nine += "0200 05 00 005847f80d000000";
  EXPECT_FALSE(limits(nine)) << "nine";
}

TEST(Format, RefusesQuotasThatNobodyWrites) {
  const auto quota = [](const std::string& flags, const std::string& rest) {
    return is_readable("0101 06" + flags + "05 00" + rest + "0000000000000000 00");
  };
  for (const char* unit : {"01", "02", "03", "04", "05", "06"})
    EXPECT_TRUE(quota("00", std::string(unit) + "00000000000000"));
  for (const char* unit : {"0000000000000000", "0700000000000000", "0101000000000000", "0100000000000080"}) {
    EXPECT_FALSE(quota("00", unit)) << unit;
  }
  EXPECT_FALSE(quota("01", "0100000000000000")) << "aligned";
  EXPECT_FALSE(is_readable("0101 0600 05 01 0100000000000000 0000000000000000 00")) << "a refill";
  EXPECT_TRUE(quota("08", "0100000000000000 09 4b6174686d616e6475"));
  EXPECT_TRUE(quota("08", "0100000000000000 05 5061726973")) << "a zone that this machine does not have";
  EXPECT_FALSE(quota("08", "0100000000000000 03 555443")) << "UTC";
  EXPECT_FALSE(quota("08", "0100000000000000 05 7061726973")) << "no name of a zone";
  EXPECT_FALSE(quota("08", "0100000000000000 00")) << "one without a name";
  EXPECT_FALSE(quota("08", "0100000000000000 09 4b617468")) << "one that is cut off";
  EXPECT_TRUE(quota("10", "0100000000000000 00000000")) << "from 1970-01-01 on";
  EXPECT_TRUE(quota("10", "0100000000000000 bfd53507")) << "2199-12-31T23:59";
  EXPECT_FALSE(quota("10", "0100000000000000 c0d53507")) << "a minute later";
  EXPECT_FALSE(quota("10", "0100000000000000 ffffffff"));
  EXPECT_FALSE(quota("10", "0100000000000000 feffffff"));
  EXPECT_FALSE(is_readable("0101 0210 05 00 005847f80d000000 00000000 0058e176622cb817 03"))
      << "an anchor of another algorithm";
  EXPECT_FALSE(
      is_readable("0101 0208 05 00 005847f80d000000 09 4b6174686d616e6475"
                  "0058e176622cb817 03"))
      << "a zone of another algorithm";
}

TEST(Format, ReadsAllLimitsThatCanBeMade) {
  // What could be written but not read would be lost at the next restart.
  for (LimitSpec spec : {bucket(5, 5, 1s), leaky(5, 5, 1s), fixed(5, 1s), aligned(5, 1s), sliding(5, 1s), approx(5, 1s),
                         quota(5, CalendarUnit::week), concurrent(5, 1s), monthly_in_berlin(),
                         anchored(monthly_in_berlin(), "2026-01-31")}) {
    for (const std::int64_t refill : {0, 5}) {
      for (const bool is_aligned : {false, true}) {
        for (const CalendarUnit unit : {CalendarUnit{}, CalendarUnit::year}) {
          spec.refill = Units(refill);
          spec.aligned = is_aligned;
          spec.unit = unit;
          if (!Limits::make(std::vector{spec})) continue;
          EXPECT_NE(decode(encode(Stored(spec))), nullptr) << ::testing::PrintToString(spec) << " refill " << refill;
        }
      }
    }
  }
}

std::string encode(const Stored& stored, LimitsForm form, const SubjectTableHead* subject_table) {
  std::string bytes;
  Writer out(bytes);
  encode_subject(out, stored.limits(), stored.cells(), &stored.reservations(), form, subject_table);
  return bytes;
}

/// What was read of a subject, and what its key is besides.
struct ReadBack {
  std::unique_ptr<Stored> stored;
  std::optional<SubjectTableHead> subject_table{};
};

/// Reads a subject, whose limits are `known` if it names none, and what its key is besides. Null if the bytes do not go
/// on so.
ReadBack read_subject(Reader& in, const std::vector<LimitSpec>& known = {}) {
  SubjectHead head;
  if (!decode_head(in, find_zone, head) || head.has_last_grants || head.has_no_limits) return {};
  std::optional<Limits> limits = Limits::make(head.specs.empty() ? known : head.specs.span());
  if (!limits) return {};
  ReadBack read{std::make_unique<Stored>(std::move(*limits))};
  Reservations* reservations = head.has_reservations ? &read.stored->reservations() : nullptr;
  if (!decode_states(in, read.stored->limits(), read.stored->cells(), {}, reservations)) return {};
  if (head.has_subject_table && !decode_subject_table_head(in, read.subject_table.emplace())) return {};
  return read;
}
ReadBack read_all(std::string_view bytes, const std::vector<LimitSpec>& known = {}) {
  // A copy of just that size lets the sanitizer see who reads beyond it.
  const std::vector<char> copy(bytes.begin(), bytes.end());
  Reader in({copy.data(), copy.size()});
  ReadBack read = read_subject(in, known);
  return read.stored != nullptr && in.done() ? std::move(read) : ReadBack{};
}

/// A subject, what its key is besides, and the bytes that version 1 writes for both, for ever.
struct GoldenKey {
  std::string name;
  LimitSpec limit;
  std::vector<Call> calls;
  LimitsForm form;
  std::optional<SubjectTableHead> subject_table;
  std::string hex;
};
void PrintTo(const GoldenKey& golden, std::ostream* out) { *out << golden.name; }

const std::vector<GoldenKey> kGoldenKeys = {
    {"Limiter",
     fixed(5, 60s),
     {{0s, 1}, {20s, 2}},
     LimitsForm::written,
     head_of(true, false),
     "0141 0200 05 00 005847f80d000000 0058e176622cb817 03 01" + kSecret},
    {"LimiterOnTrial",
     fixed(5, 60s),
     {},
     LimitsForm::written,
     head_of(true, true),
     "0141 0200 05 00 005847f80d000000 0000000000000000 00 03" + kSecret},
    {"TableWithoutStoredLimits",
     bucket(20, 7, 60s),
     {{0s, 1}},
     LimitsForm::written,
     head_of(false, false),
     "0141 0100 14 07 005847f80d000000 db9e7f7d562cb817 03000000 00" + kSecret},
    {"LimiterWithAHold",
     fixed(1000, 60s),
     {{0s, {.cost = Units(100), .id = "req-7"}, 10s}, {1s, 3}},
     LimitsForm::written,
     head_of(true, false),
     "01c1 0200 e807 00 005847f80d000000 0058e176622cb817 67 0000000000000000 0000000000000000 0000000000000000 "
     "0000000000000000 "
     "00ca34ba542cb817 00 01000000 00e4a5d2562cb817 64 03 ff 00 05 7265712d37 01" +
         kSecret},
    {"SubjectOfALimiter",
     fixed(5, 60s),
     {{0s, 1}, {20s, 2}},
     LimitsForm::known,
     std::nullopt,
     "0100 0058e176622cb817 03"},
    {"SubjectOfALimiterWithAHold",
     fixed(1000, 60s),
     {{0s, {.cost = Units(100), .id = "req-7"}, 10s}, {1s, 3}},
     LimitsForm::known,
     std::nullopt,
     "0180 0058e176622cb817 67 0000000000000000 0000000000000000 0000000000000000 0000000000000000 00ca34ba542cb817 "
     "00 01000000 00e4a5d2562cb817 "
     "64 03 ff 00 05 7265712d37"},
};

class GoldenKeyVector : public ::testing::TestWithParam<GoldenKey> {
 protected:
  [[nodiscard]] static std::vector<LimitSpec> known() {
    return GetParam().form == LimitsForm::known ? std::vector{GetParam().limit} : std::vector<LimitSpec>{};
  }
  [[nodiscard]] static std::string encode_again(const ReadBack& read) {
    return encode(*read.stored, GetParam().form, read.subject_table ? &*read.subject_table : nullptr);
  }
};

TEST_P(GoldenKeyVector, IsWhatIsWritten) {
  Stored stored(GetParam().limit);
  for (const Call& call : GetParam().calls) call.make(stored, true);
  const std::optional<SubjectTableHead>& subject_table = GetParam().subject_table;
  EXPECT_EQ(to_hex(encode(stored, GetParam().form, subject_table ? &*subject_table : nullptr)),
            to_hex(from_hex(GetParam().hex)));
}

TEST_P(GoldenKeyVector, IsReadAndContinues) {
  Stored stored(GetParam().limit);
  for (const Call& call : GetParam().calls) call.make(stored, true);
  const ReadBack read = read_all(from_hex(GetParam().hex), known());
  ASSERT_NE(read.stored, nullptr);
  EXPECT_EQ(read.subject_table, GetParam().subject_table);
  EXPECT_EQ(to_hex(encode(*read.stored)), to_hex(encode(stored)));
  EXPECT_EQ(read.stored->check(1, kToday + 30s), stored.check(1, kToday + 30s));
}

TEST_P(GoldenKeyVector, IsRefusedWhereverItIsCutOffAndWithAByteTooMany) {
  const std::string bytes = from_hex(GetParam().hex);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(read_all(std::string_view(bytes).substr(0, size), known()).stored, nullptr) << size;
  }
  EXPECT_EQ(read_all(bytes + '\0', known()).stored, nullptr);
}

TEST_P(GoldenKeyVector, IsSafeWithAnyOneByteChanged) {
  const std::string original = from_hex(GetParam().hex);
  for (std::size_t i = 0; i < original.size(); ++i) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string bytes = original;
      bytes[i] = static_cast<char>(byte);
      const ReadBack read = read_all(bytes, known());
      if (read.stored == nullptr) continue;
      ASSERT_EQ(to_hex(encode_again(read)), to_hex(bytes)) << "accepted, but nobody writes it so";
      ASSERT_NO_FATAL_FAILURE(expect_safe(*read.stored)) << "byte " << i << " is " << byte;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Version1, GoldenKeyVector, ::testing::ValuesIn(kGoldenKeys),
                         [](const auto& golden) { return golden.param.name; });

/// Accounts of two lists, and the bytes that version 1 writes for them, for ever.
const std::string kTwoLists =
    "0122 0200 05 00 005847f80d000000 0300 03 00 005847f80d000000 "
    "0058e176622cb817 02 01000000 8080a28cbe9e8906 02 00009a7e542cb817 00009a7e542cb817";

TEST(Format, WritesTheLastGrantsOfAccountsBehindTheirStates) {
  Subject subject(fixed(5, 60s));
  subject.check({fixed(5, 60s)}, 1, kToday);
  subject.check({sliding(3, 60s)}, 1, kToday);
  EXPECT_EQ(subject.check({sliding(3, 60s)}, 3, kToday + 1s).outcome, Outcome::denied);
  std::string bytes;
  Writer out(bytes);
  encode_subject(out, subject.limits(), subject.cells(), &subject.reservations(), LimitsForm::written, nullptr,
                 subject.last_grants());
  EXPECT_EQ(to_hex(bytes), to_hex(from_hex(kTwoLists)));
}

TEST(Format, ReadsTheLastGrantsOfAccounts) {
  const std::string bytes = from_hex(kTwoLists);
  Reader in(bytes);
  SubjectHead head;
  ASSERT_TRUE(decode_head(in, find_zone, head));
  ASSERT_TRUE(head.has_last_grants);
  Subject read(Limits::make(head.specs.span(), Limits::Of::accounts).value());
  std::array<Instant, 2> last_grants{};
  ASSERT_TRUE(decode_states(in, read.limits(), read.cells(), last_grants, nullptr));
  EXPECT_TRUE(in.done());
  EXPECT_EQ(last_grants, (std::array{kToday, kToday}));
  for (const char* wrong : {"00009a7e542cb897", "0100bac93a04ba64"}) {
    std::string late = bytes.substr(0, bytes.size() - 8) + from_hex(wrong);
    Reader again(late);
    SubjectHead ignored;
    ASSERT_TRUE(decode_head(again, find_zone, ignored));
    Subject other(Limits::make(ignored.specs.span(), Limits::Of::accounts).value());
    EXPECT_FALSE(decode_states(again, other.limits(), other.cells(), last_grants, nullptr)) << wrong;
  }
}

/// A subject that is blocked, and was never asked under any limit.
const std::string kNoLimitsAtAll =
    "018f 0000000000000000 0000000000000000 00845e039d2fb817 00a0b83046030000 0000000000000000 00 00000000";

TEST(Format, KeepsABlockWithoutLimits) {
  Reservations reservations;
  reservations.block = Block::from(kToday + 10s, 1h);
  const Limits none = Limits::none();
  std::string bytes;
  Writer out(bytes);
  encode_subject(out, none, std::span<const Cell>{}, &reservations);
  EXPECT_EQ(to_hex(bytes), to_hex(from_hex(kNoLimitsAtAll)));
  Reader in(bytes);
  SubjectHead head;
  Reservations read;
  ASSERT_TRUE(decode_head(in, find_zone, head));
  EXPECT_TRUE(head.has_no_limits && head.has_reservations && head.specs.empty());
  ASSERT_TRUE(decode_states(in, none, {}, {}, &read));
  EXPECT_TRUE(in.done());
  EXPECT_EQ(read.block, reservations.block);
}

TEST(Format, WritesWhatABucketWasCutOff) {
  Subject caller(bucket(100, 10, 1s));
  caller.check(25, kToday);
  caller.change({bucket(20, 10, 1s)}, kToday);
  std::string bytes;
  Writer out(bytes);
  encode_subject(out, caller.limits(), caller.cells(), nullptr);
  EXPECT_EQ(to_hex(bytes), to_hex(from_hex("0101 0100 14 0a 00ca9a3b00000000 0094cff5542cb897 00000000 01 05000000")));
}

TEST(Format, RefusesWhatNoKeyIsBesides) {
  const std::string limiter = "0200 05 00 005847f80d000000 0058e176622cb817 03";
  const auto key = [](const std::string& hex) { return read_all(from_hex(hex)).stored != nullptr; };
  EXPECT_TRUE(key("0141" + limiter + "01" + kSecret));
  EXPECT_TRUE(key("0141" + limiter + "00" + kSecret)) << "a table without stored limits";
  EXPECT_FALSE(key("0141" + limiter + "02" + kSecret)) << "no limits stored that could be on trial";
  for (const char* flags : {"04", "05", "08", "10", "20", "40", "80", "81", "ff"}) {
    EXPECT_FALSE(key("0141" + limiter + flags + kSecret)) << "unknown flags " << flags;
  }
  EXPECT_FALSE(key("0141" + limiter)) << "announced, and not there";
  EXPECT_FALSE(key("0101" + limiter + "01" + kSecret)) << "there, and not announced";
  EXPECT_FALSE(key("0141" + limiter + "01" + kSecret.substr(2))) << "a secret of 15 bytes";
  EXPECT_FALSE(key("0140" + limiter.substr(std::string_view("0200 05 00 005847f80d000000").size()) + "01" + kSecret))
      << "limits that nobody knows";
}

TEST(Format, ReadsTheNumberOfLimitsBetweenTheBitsBesideIt) {
  const auto size_of = [](unsigned count) {
    std::string bytes{'\1', static_cast<char>(count)};
    const std::string limit = from_hex("0200 05 00 005847f80d000000");
    for (int i = 0; i < 64; ++i) bytes += limit;
    Reader in(bytes);
    SubjectHead head;
    if (!decode_head(in, find_zone, head)) return -1;
    EXPECT_EQ(head.has_last_grants, (count & 0x20U) != 0);
    EXPECT_EQ(head.has_reservations, (count & 0x80U) != 0);
    EXPECT_EQ(head.has_subject_table, (count & 0x40U) != 0);
    return static_cast<int>(head.specs.size());
  };
  for (unsigned count = 0; count < 256; ++count) {
    const unsigned limits = count & 0x1FU;
    const bool has_none = limits == format::kNoLimits;
    // Who was never asked under any limit has no accounts, and so no last grants.
    const bool is_readable = has_none ? (count & 0x20U) == 0 : limits <= kMaxLimits;
    EXPECT_EQ(size_of(count), is_readable ? static_cast<int>(has_none ? 0 : limits) : -1) << count;
  }
}

TEST(Format, ReadsNothingButWhatWasWritten) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  for (std::uint64_t i = 0; i < test_steps() / 200; ++i) {
    SCOPED_TRACE(::testing::Message() << "RATELIMIT_TEST_SEED=" << seed << ", subject " << i);
    const auto stored = random_stored(random);
    std::vector<LimitSpec> specs;
    for (std::size_t limit = 0; limit < stored->limits().size(); ++limit) {
      specs.push_back(stored->limits()[limit].spec());
    }
    const LimitsForm form = random.one_in(2) ? LimitsForm::known : LimitsForm::written;
    const SubjectTableHead head = head_of(random.one_in(2), false);
    const SubjectTableHead* const subject_table = random.one_in(2) ? &head : nullptr;
    const std::string bytes = encode(*stored, form, subject_table);
    const std::string more = bytes + "whatever follows";

    Reader in(more);
    const ReadBack read = read_subject(in, specs);
    ASSERT_NE(read.stored, nullptr) << to_hex(bytes);
    ASSERT_FALSE(in.done());
    for (const char c : std::string_view("whatever follows")) ASSERT_EQ(in.fixed<char>(), c);
    ASSERT_TRUE(in.done());
    ASSERT_EQ(to_hex(encode(*read.stored, form, read.subject_table ? &*read.subject_table : nullptr)), to_hex(bytes));
    if (form == LimitsForm::known) {
      ASSERT_EQ(read_all(bytes).stored, nullptr) << "of what limits?";
    }
  }
}

TEST(Format, WritesABodyLikeASubjectWithoutItsVersion) {
  Stored stored(std::vector{bucket(20, 7, 60s), sliding(1000, 60s)});
  stored.check(3, kToday);
  const SubjectTableHead head = head_of(true, true);
  for (const LimitsForm form : {LimitsForm::known, LimitsForm::written}) {
    for (const SubjectTableHead* subject_table : {static_cast<const SubjectTableHead*>(nullptr), &head}) {
      std::string body;
      Writer out(body);
      encode_body(out, stored.limits(), stored.cells(), &stored.reservations(), form, subject_table);
      EXPECT_EQ(to_hex("\1" + body), to_hex(encode(stored, form, subject_table)));
      Reader in(body);
      SubjectHead read;
      EXPECT_TRUE(decode_body_head(in, find_zone, read));
      EXPECT_EQ(read.specs.size(), form == LimitsForm::known ? 0U : 2U);
    }
  }
}

long peak_memory_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

TEST(Format, DoesNotAllocateWhatAHostileCountAsksFor) {
  const long before = peak_memory_kib();
  for (const char* count : {"ffffffff", "ffffff7f", "01001000", "00001000", "ffff0f00"}) {
    EXPECT_EQ(decode_log(std::string(count) + "0101 0101"), nullptr) << count;
    EXPECT_FALSE(is_readable(one_limit("0700", count + std::string("00009a7e542cb817 01 01 61")))) << count;
  }
  EXPECT_LT(peak_memory_kib() - before, 8 * 1024);
}

}  // namespace
}  // namespace ratelimit::tests
