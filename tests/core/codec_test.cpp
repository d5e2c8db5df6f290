#include "ratelimit/codec.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "oracle.h"
#include "random.h"
#include "subject.h"

namespace ratelimit::tests {
namespace {

/// Two digits a byte; blanks may stand between bytes.
std::string from_hex(std::string_view hex) {
  std::string bytes;
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    if (hex[i] == ' ') ++i;
    bytes.push_back(static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1])));
  }
  return bytes;
}
std::string to_hex(std::string_view bytes) {
  std::string hex;
  for (const char c : bytes) {
    const auto byte = static_cast<std::uint8_t>(c);
    hex += {"0123456789abcdef"[byte >> 4U], "0123456789abcdef"[byte & 15U]};
  }
  return hex;
}

std::string encode(const Subject& subject) {
  std::string bytes;
  Writer out(bytes);
  encode_limits(out, subject.limits());
  encode_states(out, subject.limits(), subject.cells());
  return bytes;
}

/// The limits and states in `bytes`; nothing if they hold anything else, or more.
std::unique_ptr<Subject> decode(std::string_view bytes) {
  Reader in(bytes);
  LimitSpecs specs;
  if (!decode_specs(in, specs)) return nullptr;
  std::optional<Limits> limits = Limits::make(specs.span());
  if (!limits) return nullptr;
  auto subject = std::make_unique<Subject>(std::move(*limits));
  if (!decode_states(in, subject->limits(), subject->cells())) return nullptr;
  return subject;
}

/// The longest that any answer under `spec` may say: a whole span of use, and for a log one step of its grid.
Span longest(const LimitSpec& spec) {
  if (spec.algorithm == Algorithm::fixed_window) return spec.span;
  if (spec.algorithm == Algorithm::sliding_log) return spec.span + spec.span / (1 << 24);
  return oracle::to_span(
      oracle::ceil_of(oracle::Exact(spec.size.count()) * spec.span.count(), oracle::Exact(spec.refill.count())));
}

/// Whether whatever state a subject is in answers within bounds, at any time and for any cost.
void expect_safe(Subject& subject) {
  for (const Instant now : {kEarliest, kToday, kToday + 30s, kLatest, kToday - 1h}) {
    for (const Units cost : {kMinUnits, Units(7), subject.limits()[0].size(), kMaxUnits}) {
      const Verdict verdict = subject.verdict(cost, now);
      const LimitSpec spec = subject.limits()[verdict.binding].spec();
      const Decision& decision = verdict.decision;
      ASSERT_TRUE(kNoUnits <= decision.remaining && decision.remaining <= spec.size);
      ASSERT_TRUE(Span{} <= decision.wait && decision.wait <= longest(spec));
      ASSERT_TRUE(Span{} <= decision.reset && decision.reset <= longest(spec));
      for (std::size_t i = 0; i < subject.limits().size(); ++i) {
        ASSERT_TRUE(kNoUnits <= subject.used(i, now) && subject.used(i, now) <= subject.limits()[i].size());
        ASSERT_LE(subject.idle_at(i), kLatest + 2 * kMaxSpan + 1s);
      }
      subject.check(cost, now);
    }
  }
}

/// Limits that remember something, and the bytes that version 1 writes for them, for ever.
struct Golden {
  std::string name;
  std::vector<LimitSpec> limits;
  std::vector<std::pair<Span, std::int64_t>> calls;  ///< when after kToday, and their cost
  std::string hex;
};
void PrintTo(const Golden& golden, std::ostream* out) { *out << golden.name; }

const std::vector<Golden> kGolden = {
    {"TokenBucket",
     {bucket(20, 7, 60s)},
     {{0s, 1}},
     "0101 0100 14000000 07000000 005847f80d000000 db9e7f7d562cb817 03000000"},
    {"FixedWindow",
     {fixed(5, 60s)},
     {{0s, 1}, {20s, 2}},
     "0101 0200 05000000 00000000 005847f80d000000 0058e176622cb817 03000000"},
    {"SlidingLog",
     {sliding(1000, 60s)},
     {{0s, 1}, {1s, 200}, {3s, 1}},
     "0101 0300 e8030000 00000000 005847f80d000000 03000000 8080a28cbe9e8906 01 80897a c801 8092f401 01"},
    {"LabelAndFlags",
     {per_request(aligned(100, 24h, "per-day"))},
     {{5h, 40}},
     "0101 0207 64000000 00000000 00004f91944e0000 07 7065722d646179 0000e90fe97ab817 01000000"},
    {"List",
     {bucket(20, 10, 1s), per_request(fixed(5, 60s)), sliding(7, 1h, "hour")},
     {{0s, 2}},
     "0103 0100 14000000 0a000000 00ca9a3b00000000 0202 05000000 00000000 005847f80d000000 0304 "
     "07000000 00000000 00a0b83046030000 04 686f7572 00c2858a542cb817 00000000 0058e176622cb817 "
     "01000000 01000000 80c0dcd9eee207 02"},
    {"Idle",
     {bucket(1, 1, 1s), fixed(1, 1s), sliding(1, 1s)},
     {},
     "0103 0100 01000000 01000000 00ca9a3b00000000 0200 01000000 00000000 00ca9a3b00000000 0300 "
     "01000000 00000000 00ca9a3b00000000 0000000000000000 00000000 0000000000000000 00000000 00000000"},
};

class GoldenVector : public ::testing::TestWithParam<Golden> {};

TEST_P(GoldenVector, IsWhatIsWritten) {
  Subject subject(GetParam().limits);
  for (const auto& [at, cost] : GetParam().calls) {
    ASSERT_EQ(subject.check(cost, kToday + at).outcome, Outcome::granted);
  }
  EXPECT_EQ(to_hex(encode(subject)), to_hex(from_hex(GetParam().hex)));
}

TEST_P(GoldenVector, IsReadAndContinues) {
  Subject subject(GetParam().limits);
  for (const auto& [at, cost] : GetParam().calls) subject.check(cost, kToday + at);
  const auto read = decode(from_hex(GetParam().hex));
  ASSERT_NE(read, nullptr);
  EXPECT_TRUE(read->limits().are(GetParam().limits));
  for (const Span later : {Span{4s}, Span{30s}, Span{1h}, Span{6h}}) {
    EXPECT_EQ(read->check(1, kToday + later), subject.check(1, kToday + later));
    EXPECT_EQ(encode(*read), encode(subject));
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
      const auto subject = decode(bytes);
      if (subject == nullptr) continue;
      ASSERT_EQ(to_hex(encode(*subject)), to_hex(bytes)) << "accepted, but nobody writes it so";
      ASSERT_NO_FATAL_FAILURE(expect_safe(*subject)) << "byte " << i << " is " << byte;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Version1, GoldenVector, ::testing::ValuesIn(kGolden),
                         [](const auto& golden) { return golden.param.name; });

constexpr Algorithm kAlgorithms[] = {Algorithm::token_bucket, Algorithm::fixed_window, Algorithm::sliding_log};

/// Up to four limits and what is left of some random calls.
std::unique_ptr<Subject> random_subject(Random& random) {
  std::vector<LimitSpec> specs;
  for (std::uint64_t n = 1 + random.below(4); n > 0; --n) {
    specs.push_back(random_spec(random, kAlgorithms[random.below(std::size(kAlgorithms))]));
    // Round numbers, whose fractions of a nanosecond add up to whole ones.
    if (random.one_in(4)) specs.back() = bucket(random.between(1, 20), random.between(1, 20), 1s);
    specs.back().per_request = random.one_in(4);
  }
  if (random.one_in(2)) specs.back().label = "label";
  auto subject = std::make_unique<Subject>(specs);
  Instant now = random_instant(random);
  Decision last;
  for (std::uint64_t calls = random.below(40); calls > 0; --calls) {
    const auto [gap, cost] = random_call(random, specs[0], last, {100});
    now = std::min(now + gap, kLatest);
    last = subject->check(cost, now);
  }
  return subject;
}

TEST(Codec, ReadsWhatItWrote) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  for (std::uint64_t i = 0; i < test_steps() / 50; ++i) {
    SCOPED_TRACE(::testing::Message() << "RATELIMIT_TEST_SEED=" << seed << ", subject " << i);
    const auto subject = random_subject(random);
    const std::string bytes = encode(*subject);
    const auto read = decode(bytes);
    ASSERT_NE(read, nullptr);
    ASSERT_EQ(encode(*read), bytes);
    for (int call = 0; call < 4; ++call) {
      const Instant now = random_instant(random);
      const Units cost(random.magnitude_between(1, kMaxUnits.count()));
      ASSERT_EQ(read->peek(cost, now), subject->peek(cost, now));
    }
  }
}

TEST(Codec, IsSafeWithAnyBytesChanged) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  for (std::uint64_t i = 0; i < test_steps() / 10; ++i) {
    SCOPED_TRACE(::testing::Message() << "RATELIMIT_TEST_SEED=" << seed << ", attempt " << i);
    std::string bytes = encode(*random_subject(random));
    for (std::uint64_t changes = random.below(4); changes > 0; --changes) {
      bytes[random.below(bytes.size())] = static_cast<char>(random.one_of({random.below(256), std::uint64_t{0xFF}}));
    }
    if (random.one_in(8)) bytes.resize(random.below(bytes.size()));
    const auto subject = decode(bytes);
    if (subject == nullptr) continue;
    ASSERT_EQ(encode(*subject), bytes) << "accepted, but nobody writes it so";
    ASSERT_NO_FATAL_FAILURE(expect_safe(*subject));
  }
}

TEST(Codec, KeepsALogOfTheLargestSize) {
  const LimitSpec spec = sliding(kMaxUnits.count(), 1h);
  Subject subject(spec);
  for (std::uint32_t i = 0; i < kMaxLogEntries; ++i) subject.check(1 + i % 3, kToday + i * 1ms);
  const std::string bytes = encode(subject);
  const auto read = decode(bytes);
  ASSERT_NE(read, nullptr);
  EXPECT_EQ(encode(*read), bytes);
  EXPECT_EQ(read->used(0, kToday + 1s), subject.used(0, kToday + 1s));
}

TEST(Codec, ReadsStatesAtTheBoundsOfTheClock) {
  for (const LimitSpec& spec : {bucket(3650, 1, 24h), bucket(4'294'967'291, 4'294'967'291, kMaxSpan),
                                fixed(1, kMaxSpan), aligned(1, kMaxSpan), sliding(1, kMaxSpan), sliding(1, 1ms)}) {
    for (const Instant now : {kEarliest, kLatest}) {
      Subject subject(spec);
      ASSERT_EQ(subject.check(spec.size, now).outcome, Outcome::granted);
      const auto read = decode(encode(subject));
      ASSERT_NE(read, nullptr) << ::testing::PrintToString(spec);
      EXPECT_EQ(encode(*read), encode(subject));
    }
  }
}

/// A sliding log of five a minute whose states are those bytes.
std::unique_ptr<Subject> decode_log(const std::string& hex) {
  return decode(from_hex("0101 0300 05000000 00000000 005847f80d000000" + hex));
}

TEST(Codec, RefusesLogsThatNobodyWrites) {
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

TEST(Codec, RefusesLimitsThatNobodyWrites) {
  const auto limits = [](const std::string& hex) {
    const std::string bytes = from_hex(hex);
    Reader in(bytes);
    LimitSpecs specs;
    return decode_specs(in, specs) && Limits::make(specs.span());
  };
  EXPECT_TRUE(limits("0101 0200 05000000 00000000 005847f80d000000"));
  EXPECT_FALSE(limits("0100")) << "none";
  EXPECT_FALSE(limits("0101 0000 05000000 00000000 005847f80d000000")) << "algorithm 0";
  EXPECT_FALSE(limits("0101 0400 05000000 00000000 005847f80d000000")) << "algorithm 4";
  EXPECT_FALSE(limits("0101 0208 05000000 00000000 005847f80d000000")) << "an unknown flag";
  EXPECT_FALSE(limits("0101 0200 00000000 00000000 005847f80d000000")) << "no size";
  EXPECT_FALSE(limits("0101 0200 05000000 01000000 005847f80d000000")) << "a window with a refill";
  EXPECT_FALSE(limits("0101 0301 05000000 00000000 005847f80d000000")) << "an aligned log";
  EXPECT_FALSE(limits("0101 0200 05000000 00000000 005847f80d000080")) << "a negative window";
  EXPECT_FALSE(limits("0101 0204 05000000 00000000 005847f80d000000 00")) << "an empty label";
  EXPECT_FALSE(limits("0101 0204 05000000 00000000 005847f80d000000 0120")) << "a blank as label";
  std::string nine = "0109";
  for (int i = 0; i < 9; ++i) nine += "0200 05000000 00000000 005847f80d000000";
  EXPECT_FALSE(limits(nine)) << "nine";
}

TEST(Codec, ReadsAllLimitsThatCanBeMade) {
  // What could be written but not read would be lost at the next restart.
  for (LimitSpec spec : {bucket(5, 5, 1s), fixed(5, 1s), aligned(5, 1s), sliding(5, 1s)}) {
    for (const std::int64_t refill : {0, 5}) {
      for (const bool is_aligned : {false, true}) {
        spec.refill = Units(refill);
        spec.aligned = is_aligned;
        if (!Limits::make(std::vector{spec})) continue;
        EXPECT_NE(decode(encode(Subject(spec))), nullptr) << ::testing::PrintToString(spec) << " refill " << refill;
      }
    }
  }
}

std::string encode_changes_of(const Subject& subject, const Verdict& verdict) {
  std::string bytes;
  Writer out(bytes);
  encode_changes(out, subject.limits(), verdict.changes);
  return bytes;
}

/// Carries out changes that were sent. False, and nothing is changed, if that is not what the bytes hold.
bool apply_changes(Subject& subject, std::string_view bytes) {
  Verdict verdict;
  Reader in(bytes);
  if (!decode_changes(in, subject.limits(), verdict.changes)) return false;
  apply(subject.limits(), subject.cells(), verdict);
  return true;
}

TEST(Codec, KeepsAReplicaEqualToThePrimaryToTheByte) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  for (std::uint64_t i = 0; i < test_steps() / 500; ++i) {
    SCOPED_TRACE(::testing::Message() << "RATELIMIT_TEST_SEED=" << seed << ", subject " << i);
    const auto primary = random_subject(random);
    const auto replica = decode(encode(*primary));
    const LimitSpec spec = primary->limits()[0].spec();
    Decision last;
    Instant now = random_instant(random);
    for (int call = 0; call < 100; ++call) {
      const auto [gap, cost] = random_call(random, spec, last, {100});
      now = random_next(random, now, gap, spec.span);
      const Verdict verdict = primary->verdict(cost, now);
      last = verdict.decision;
      if (last.outcome != Outcome::granted) continue;
      apply(primary->limits(), primary->cells(), verdict);
      ASSERT_TRUE(apply_changes(*replica, encode_changes_of(*primary, verdict)));
      ASSERT_EQ(encode(*replica), encode(*primary));
    }
  }
}

TEST(Codec, IsSafeWithAnyByteOfAChangeChangedOrCutOff) {
  const std::vector specs = {bucket(20, 7, 60s), fixed(50, 60s), sliding(30, 60s)};
  Subject sender(specs);
  const std::string original = encode_changes_of(sender, sender.verdict(Units(2), kToday));
  for (std::size_t size = 0; size < original.size(); ++size) {
    Subject receiver(specs);
    EXPECT_FALSE(apply_changes(receiver, std::string_view(original).substr(0, size))) << size;
  }
  Subject receiver(specs);
  EXPECT_FALSE(apply_changes(receiver, original + '\0'));
  for (std::size_t i = 0; i < original.size(); ++i) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string bytes = original;
      bytes[i] = static_cast<char>(byte);
      Subject changed(specs);
      changed.check(3, kToday - 1s);
      if (!apply_changes(changed, bytes)) continue;
      ASSERT_NO_FATAL_FAILURE(expect_safe(changed)) << "byte " << i << " is " << byte;
    }
  }
}

long peak_memory_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

TEST(Codec, DoesNotAllocateWhatAHostileCountAsksFor) {
  const long before = peak_memory_kib();
  for (const char* count : {"ffffffff", "ffffff7f", "01001000", "00001000", "ffff0f00"}) {
    EXPECT_EQ(decode_log(std::string(count) + "0101 0101"), nullptr) << count;
  }
  EXPECT_LT(peak_memory_kib() - before, 8 * 1024);
}

}  // namespace
}  // namespace ratelimit::tests
