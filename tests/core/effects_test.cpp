// SPDX-License-Identifier: MIT
#include "ratelimit/codec/effects.h"

#include <gtest/gtest.h>

#include <array>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hex.h"
#include "random.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/codec/bytes.h"
#include "ratelimit/limits.h"
#include "ratelimit/operation.h"
#include "ratelimit/request.h"
#include "ratelimit/verdict.h"
#include "stored.h"
#include "subject.h"

namespace ratelimit::tests {
namespace {

std::string encode_changes_of(const Stored& stored, const Verdict& verdict) {
  std::string bytes;
  Writer out(bytes);
  encode_changes(out, stored.limits(), verdict.changes, verdict.id);
  return bytes;
}

/// Carries out changes that were sent. False, and nothing is changed, if that is not what the bytes hold.
bool apply_changes(Stored& stored, std::string_view bytes) {
  Verdict verdict;
  Reader in(bytes);
  if (!decode_changes(in, stored.limits(), verdict.changes, verdict.id)) return false;
  if (!accepts(stored.limits(), stored.cells(), verdict)) return false;
  apply(stored.limits(), stored.cells(), verdict);
  return true;
}

std::string encoded(const Operation& operation) {
  std::string bytes;
  Writer out(bytes);
  encode_operation(out, operation);
  return bytes;
}

/// Does an operation that was sent. False, and nothing is changed, if that is not what the bytes hold.
bool perform_encoded(Stored& stored, std::string_view bytes) {
  Reader in(bytes);
  Operation operation;
  if (!decode_operation(in, operation)) return false;
  stored.perform(operation);
  return true;
}

TEST(Effects, KeepsAReplicaEqualToThePrimaryToTheByte) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  for (std::uint64_t i = 0; i < test_steps() / 500; ++i) {
    SCOPED_TRACE(::testing::Message() << "RATELIMIT_TEST_SEED=" << seed << ", subject " << i);
    const auto primary = random_stored(random);
    const auto replica = decode(encode(*primary));
    ASSERT_NE(replica, nullptr);
    const LimitSpec spec = primary->limits()[0].spec();
    Decision last;
    Instant now = random_instant(random);
    for (int call = 0; call < 100; ++call) {
      const auto [gap, cost] = random_call(random, spec, last, {100});
      now = random_next(random, now, gap, scale_of(spec));
      if (random.one_in(4)) {
        const Operation operation = random_done(random, spec, cost, now);
        primary->perform(operation);
        ASSERT_TRUE(perform_encoded(*replica, encoded(operation)));
      } else {
        const Verdict verdict = primary->verdict(random_asked(random, spec, cost, last), now);
        last = verdict.decision;
        if (last.outcome != Outcome::granted) continue;
        const bool is_operation = verdict.turn > Span{} || !primary->reservations().empty() || random.one_in(2);
        if (is_operation) {
          primary->perform(Stored::charge_of(verdict, now));
          ASSERT_TRUE(perform_encoded(*replica, encoded(Stored::charge_of(verdict, now))));
        } else {
          primary->commit(verdict, now);
          ASSERT_TRUE(apply_changes(*replica, encode_changes_of(*primary, verdict)));
        }
      }
      ASSERT_EQ(to_hex(encode(*replica)), to_hex(encode(*primary)));
    }
  }
}

TEST(Effects, ChargesTheSameWhicheverWayAGrantTravels) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  for (std::uint64_t i = 0; i < test_steps() / 100; ++i) {
    SCOPED_TRACE(::testing::Message() << "RATELIMIT_TEST_SEED=" << seed << ", subject " << i);
    const auto changed = random_stored(random);
    if (!changed->reservations().empty()) continue;
    const auto charged = decode(encode(*changed));
    ASSERT_NE(charged, nullptr);
    const LimitSpec spec = changed->limits()[0].spec();
    const Instant now = random_instant(random);
    const auto [gap, cost] = random_call(random, spec, {}, {100});
    const Verdict verdict = changed->verdict(random_asked(random, spec, cost, {}), now);
    if (verdict.decision.outcome != Outcome::granted || verdict.turn > Span{}) continue;
    ASSERT_TRUE(apply_changes(*changed, encode_changes_of(*changed, verdict)));
    ASSERT_TRUE(perform_encoded(*charged, encoded(Stored::charge_of(verdict, now))));
    ASSERT_EQ(to_hex(encode(*changed)), to_hex(encode(*charged)));
  }
}

TEST(Effects, WritesChangesAsThePageSays) {
  const auto change_of = [](const LimitSpec& spec, const Request& request, Span at) {
    Stored stored(spec);
    return to_hex(encode_changes_of(stored, stored.verdict(request, kToday + at)));
  };
  const Request one{.id = "job:1"};
  const Request forced{.cost = Units(25), .mode = Mode::force};
  EXPECT_EQ(change_of(bucket(20, 7, 60s), one, 0s), to_hex(from_hex("01 db9e7f7d562cb817 03000000")));
  EXPECT_EQ(change_of(bucket(20, 10, 1s), forced, 0s), to_hex(from_hex("01 00f99c13552cb897 00000000 00 05000000")));
  EXPECT_EQ(change_of(leaky(20, 7, 60s), one, 0s), to_hex(from_hex("01 db9e7f7d562cb817 03000000")));
  EXPECT_EQ(change_of(fixed(5, 60s), one, 0s), to_hex(from_hex("01 0058e176622cb817 01")));
  EXPECT_EQ(change_of(quota(5, CalendarUnit::day), one, 0s), to_hex(from_hex("01 0000e90fe97ab817 01")));
  EXPECT_EQ(change_of(approx(5, 60s), one, 10s), to_hex(from_hex("01 00009a7e542cb817 00000000 01000000")));
  EXPECT_EQ(change_of(sliding(5, 60s), one, 3s), to_hex(from_hex("01 005e6a31552cb817 01")));
  EXPECT_EQ(change_of(concurrent(5, 30s), one, 0s), to_hex(from_hex("01 00009a7e542cb817 01 05 6a6f623a31")));
}

TEST(Effects, WritesOneIdHoweverManyLimitsHaveLeases) {
  Stored stored(std::vector{concurrent(5, 30s), sliding(1000, 60s), concurrent(5, 30s)});
  const Verdict verdict = stored.verdict({.id = "job:1"}, kToday + 3s);
  const std::string change = "005e6a31552cb817 01";
  EXPECT_EQ(to_hex(encode_changes_of(stored, verdict)),
            to_hex(from_hex("01" + change + change + change + "05 6a6f623a31")));
}

TEST(Effects, RefusesChangesThatNobodyWrites) {
  Stored stored(concurrent(5, 30s));
  const auto change = [&stored](const std::string& hex) {
    const std::string bytes = from_hex(hex);
    Reader in(bytes);
    Verdict verdict;
    return decode_changes(in, stored.limits(), verdict.changes, verdict.id);
  };
  const std::string at = "00009a7e542cb817";
  EXPECT_TRUE(change("01" + at + "01 01 61"));
  EXPECT_TRUE(change("01" + at + "01 00"));
  EXPECT_FALSE(change("02" + at + "01 01 61")) << "version 2";
  EXPECT_FALSE(change("01" + at + "01")) << "without an id";
  EXPECT_FALSE(change("01" + at + "00 01 61")) << "no units";
  EXPECT_TRUE(change("01" + at + "ffffffff0f 01 61")) << "2^32-1 units";
  EXPECT_FALSE(change("01" + at + "8080808010 01 61")) << "2^32 units";
  EXPECT_FALSE(change("01 00009a7e542cb897 01 01 61")) << "before 1970";
  EXPECT_TRUE(change("01 0000bac93a04ba64 01 01 61")) << "2200-01-01";
  EXPECT_FALSE(change("01 0100bac93a04ba64 01 01 61")) << "and a nanosecond";
  std::string longest;
  for (int i = 0; i < 64; ++i) longest += "61";
  EXPECT_TRUE(change("01" + at + "01 40" + longest));
  EXPECT_FALSE(change("01" + at + "01 41" + longest + "61")) << "an id of 65 bytes";
}

TEST(Effects, RefusesChangesForWhichThereIsNoRoom) {
  const auto is_applied = [](Stored& stored, const Request& request, Span after) {
    Stored sender{std::vector{stored.limits()[0].spec()}};
    return apply_changes(stored, encode_changes_of(sender, sender.verdict(request, kToday + after)));
  };
  for (const LimitSpec& spec : {concurrent(kMax32BitUnits.count(), 30s), sliding(kMax32BitUnits.count(), 30s)}) {
    Stored stored(spec);
    ASSERT_TRUE(is_applied(stored, {.cost = kMax32BitUnits - Units(1), .id = "a"}, 0s));
    EXPECT_FALSE(is_applied(stored, {.cost = Units(2), .id = "b"}, 1s));
    EXPECT_TRUE(is_applied(stored, {.cost = Units(1), .id = "b"}, 1s));
    EXPECT_TRUE(is_applied(stored, {.cost = kMax32BitUnits, .id = "c"}, 31s)) << "when they have left";
  }
}

TEST(Effects, AcceptsTheRenewalOfALeaseForWhichANewOneWouldHaveNoRoom) {
  Stored full(concurrent(kMax32BitUnits.count(), 30s));
  full.check({.cost = kMax32BitUnits, .id = "a"}, kToday);
  EXPECT_TRUE(
      apply_changes(full, encode_changes_of(full, full.verdict({.cost = kMax32BitUnits, .id = "a"}, kToday + 1s))));

  Stored crowded(concurrent(kMax32BitUnits.count(), 30s));
  for (std::size_t i = 0; i < kMaxHolders; ++i) crowded.check({.id = std::to_string(i)}, kToday + i * 1ns);
  const std::string renewal = encode_changes_of(crowded, crowded.verdict({.id = "7"}, kToday + 1s));
  std::string other = renewal;
  other.back() = 'x';
  EXPECT_TRUE(apply_changes(crowded, renewal));
  EXPECT_FALSE(apply_changes(crowded, other));
}

TEST(Effects, IsSafeWithAnyByteOfAChangeChangedOrCutOff) {
  const std::vector specs = {bucket(20, 7, 60s), fixed(50, 60s),     sliding(30, 60s),
                             approx(30, 60s),    concurrent(9, 60s), quota(50, CalendarUnit::day),
                             leaky(20, 7, 60s)};
  Stored sender(specs);
  const Request forced{.cost = Units(2), .mode = Mode::force, .longest_wait = {}, .id = "id"};
  const std::string original = encode_changes_of(sender, sender.verdict(forced, kToday));
  for (std::size_t size = 0; size < original.size(); ++size) {
    Stored receiver(specs);
    EXPECT_FALSE(apply_changes(receiver, std::string_view(original).substr(0, size))) << size;
  }
  Stored receiver(specs);
  EXPECT_FALSE(apply_changes(receiver, original + '\0'));
  for (std::size_t i = 0; i < original.size(); ++i) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string bytes = original;
      bytes[i] = static_cast<char>(byte);
      Stored changed(specs);
      changed.check({.cost = Units(3), .id = "id"}, kToday - 1s);
      if (!apply_changes(changed, bytes)) continue;
      ASSERT_NO_FATAL_FAILURE(expect_safe(changed)) << "byte " << i << " is " << byte;
    }
  }
}

/// Operations, and the bytes that version 1 writes for them, for ever.
const std::vector<std::pair<Operation, std::string>> kGoldenOperations = {
    {{.kind = Operation::Kind::collect, .at = kToday + 10s}, "01 01 00e4a5d2562cb817 00 0000000000000000 00 ff"},
    {{.kind = Operation::Kind::charge, .at = kToday, .units = Units(5), .span = 500ms},
     "01 02 00009a7e542cb817 05 0065cd1d00000000 00 ff"},
    {{.kind = Operation::Kind::charge, .at = kToday, .units = Units(1), .id = "job:1"},
     "01 02 00009a7e542cb817 01 0000000000000000 05 6a6f623a31 ff"},
    {{.kind = Operation::Kind::refund, .at = kToday + 2s, .units = Units(3)},
     "01 03 0094cff5542cb817 03 0000000000000000 00 ff"},
    {{.kind = Operation::Kind::reserve, .at = kToday, .units = Units(100), .span = 10s, .id = "req-7", .named = 1},
     "01 04 00009a7e542cb817 64 00e40b5402000000 05 7265712d37 01"},
    {{.kind = Operation::Kind::settle, .at = kToday + 2s, .units = Units(42), .id = "req-7"},
     "01 05 0094cff5542cb817 2a 0000000000000000 05 7265712d37 ff"},
    {{.kind = Operation::Kind::settle,
      .at = kToday + 2s,
      .units = Units(300),
      .each = Charges{Units(300), Units(7), kNoUnits, Units(300), Units(300), Units(300), Units(300), Units(300),
                      Units(300)},
      .id = "req-7"},
     "01 85 0094cff5542cb817 ac02 0000000000000000 05 7265712d37 ff ac02 07 00 ac02 ac02 ac02 ac02 ac02 ac02"},
    {{.kind = Operation::Kind::settle, .at = kToday + 2s, .units = kMaxUnits, .id = "req-7"},
     "01 05 0094cff5542cb817 ffffffffffffff0f 0000000000000000 05 7265712d37 ff"},
    {{.kind = Operation::Kind::release, .at = kToday + 2s, .id = "job:1"},
     "01 06 0094cff5542cb817 00 0000000000000000 05 6a6f623a31 ff"},
    {{.kind = Operation::Kind::block, .at = kToday + 2s, .span = 10s},
     "01 07 0094cff5542cb817 00 00e40b5402000000 00 ff"},
};

TEST(Effects, WritesOperationsAsThePageSays) {
  for (const auto& [operation, hex] : kGoldenOperations) EXPECT_EQ(to_hex(encoded(operation)), to_hex(from_hex(hex)));
}

TEST(Effects, ReadsOperationsAndNothingLessOrMore) {
  for (const auto& [operation, hex] : kGoldenOperations) {
    const std::string bytes = from_hex(hex);
    const auto is_read = [](std::string_view text) {
      Reader in(text);
      Operation read;
      return decode_operation(in, read);
    };
    Reader in(bytes);
    Operation read;
    ASSERT_TRUE(decode_operation(in, read)) << hex;
    EXPECT_EQ(to_hex(encoded(read)), to_hex(bytes));
    EXPECT_EQ(read.id, operation.id);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      const std::vector<char> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
      EXPECT_FALSE(is_read({cut.data(), cut.size()})) << hex << " up to " << size;
    }
    EXPECT_FALSE(is_read(bytes + '\0')) << hex;
  }
}

TEST(Effects, RefusesOperationsThatNobodyWrites) {
  const auto operation = [](const std::string& hex) {
    const std::string bytes = from_hex(hex);
    Reader in(bytes);
    Operation read;
    return decode_operation(in, read);
  };
  const std::string at = "00009a7e542cb817";
  const std::string one = "01";
  const std::string none = "00";
  const std::string second = "00ca9a3b00000000";
  const std::string no_span = "0000000000000000";
  const std::string longest = "00005ec83f626004";
  const std::string too_long = "01005ec83f626004";
  EXPECT_TRUE(operation("01 02" + at + one + no_span + "00 ff"));
  EXPECT_TRUE(operation("01 04" + at + one + longest + "01 61 ff"));
  EXPECT_TRUE(operation("01 02" + at + "ffffffffffffff0f" + no_span + "00 ff")) << "2^53-1 units";
  EXPECT_FALSE(operation("01 02" + at + "8080808080808010" + no_span + "00 ff")) << "2^53 units";
  EXPECT_FALSE(operation("02 02" + at + one + no_span + "00 ff")) << "version 2";
  EXPECT_FALSE(operation("01 00" + at + one + no_span + "00 ff")) << "kind 0";
  EXPECT_TRUE(operation("01 07" + at + none + no_span + "00 ff")) << "the end of a block";
  EXPECT_TRUE(operation("01 07 0000bac93a04ba64" + none + longest + "00 ff")) << "3650 d from 2200 on";
  EXPECT_FALSE(operation("01 07" + at + none + too_long + "00 ff")) << "a block of more than 3650 d";
  EXPECT_FALSE(operation("01 08" + at + one + no_span + "00 ff")) << "kind 8";
  EXPECT_FALSE(operation("01 02 00009a7e542cb897" + one + no_span + "00 ff")) << "before 1970";
  EXPECT_TRUE(operation("01 02 0000bac93a04ba64" + one + no_span + "00 ff")) << "2200-01-01";
  EXPECT_FALSE(operation("01 02 0100bac93a04ba64" + one + no_span + "00 ff")) << "and a nanosecond";
  EXPECT_FALSE(operation("01 02 0000bac93a04ba64" + one + second + "00 ff")) << "a turn behind 2200";
  EXPECT_FALSE(operation("01 02" + at + none + no_span + "00 ff")) << "a charge of nothing";
  EXPECT_TRUE(operation("01 04" + at + none + second + "01 61 ff")) << "a hold of nothing";
  const std::string each = "01 00 01 00 01 00 01 00";
  EXPECT_TRUE(operation("01 82" + at + one + no_span + "00 ff" + each + "01")) << "each account another cost";
  EXPECT_TRUE(operation("01 85" + at + none + no_span + "01 61 ff 00 00 00 00 00 00 00 00 00"));
  EXPECT_FALSE(operation("01 82" + at + one + no_span + "00 ff" + each)) << "one cost is missing";
  EXPECT_FALSE(operation("01 82" + at + one + no_span + "00 ff" + each + "02")) << "more than its units";
  EXPECT_FALSE(operation("01 02" + at + one + no_span + "00 ff" + each + "01")) << "costs that are not announced";
  EXPECT_FALSE(operation("01 88" + at + one + no_span + "00 ff" + each + "01")) << "kind 8";
  EXPECT_FALSE(operation("01 04" + at + one + no_span + "01 61 ff")) << "a hold for no time";
  EXPECT_FALSE(operation("01 04" + at + one + "3f420f0000000000 01 61 ff")) << "a hold of less than a millisecond";
  EXPECT_FALSE(operation("01 04" + at + one + too_long + "01 61 ff")) << "a hold of more than 3650 d";
  EXPECT_FALSE(operation("01 02" + at + one + "ffffffffffffffff 00 ff")) << "a negative span";
  EXPECT_TRUE(operation("01 05" + at + none + no_span + "01 61 ff")) << "a call that cost nothing";
  std::string id;
  for (int i = 0; i < 64; ++i) id += "61";
  EXPECT_TRUE(operation("01 06" + at + none + no_span + "40" + id + "ff"));
  EXPECT_FALSE(operation("01 06" + at + none + no_span + "41" + id + "61 ff")) << "an id of 65 bytes";
}

TEST(Effects, IsSafeWithAnyByteOfAnOperationChanged) {
  const std::vector specs = {bucket(20, 7, 60s), fixed(50, 60s), sliding(30, 60s), approx(30, 60s), concurrent(9, 60s)};
  for (const auto& [operation, hex] : kGoldenOperations) {
    const std::string original = from_hex(hex);
    for (std::size_t i = 0; i < original.size(); ++i) {
      for (int byte = 0; byte < 256; byte += 3) {
        std::string bytes = original;
        bytes[i] = static_cast<char>(byte);
        Stored stored(specs);
        stored.perform({.kind = Operation::Kind::reserve, .at = kToday, .units = Units(4), .span = 10s, .id = "req-7"});
        stored.check({.cost = Units(9), .mode = Mode::may_wait, .longest_wait = 1h, .id = "job:1"}, kToday + 1s);
        if (!perform_encoded(stored, bytes)) continue;
        ASSERT_NE(decode(encode(stored)), nullptr) << to_hex(bytes);
        ASSERT_NO_FATAL_FAILURE(expect_safe(stored)) << to_hex(bytes);
      }
    }
  }
}

/// A definition that was read, and the limits of which it is one.
struct ReadDefinition {
  std::optional<Limits> limits;
  Definition definition{};
};
std::optional<ReadDefinition> read_definition(std::string_view bytes) {
  const std::vector<char> copy(bytes.begin(), bytes.end());
  Reader in({copy.data(), copy.size()});
  LimitSpecs specs;
  ReadDefinition read;
  if (!decode_definition(in, find_zone, specs, read.definition)) return std::nullopt;
  read.limits = Limits::make(specs.span());
  return read.limits ? std::optional(std::move(read)) : std::nullopt;
}

std::string encode(const Limits& limits, const Definition& definition) {
  std::string bytes;
  Writer out(bytes);
  encode_definition(out, limits, definition);
  return bytes;
}

/// Definitions, and the bytes that version 1 writes for them, for ever.
struct GoldenDefinition {
  std::vector<LimitSpec> limits;
  Definition definition;
  std::string hex;
};
const std::array<GoldenDefinition, 3> kGoldenDefinitions = {{
    {{fixed(10, 60s)},
     {head_of(true, true), kToday + 30s, {}},
     "0141 0200 0a 00 005847f80d000000 03" + kSecret + "00acbd7a5b2cb817"},
    {{bucket(20, 10, 1s), sliding(7, 1h, "hour")},
     {head_of(true, false), kToday, {}},
     "0142 0100 14 0a 00ca9a3b00000000 0304 07 00 00a0b83046030000 04 686f7572 01" + kSecret + "00009a7e542cb817"},
    {{monthly_in_berlin()},
     {head_of(true, false), kLatest, {}},
     "0141 060c e807 00 0400000000000000 0d 4575726f70652f4265726c696e 05 6d6f6e7468 01" + kSecret +
         "0000bac93a04ba64"},
}};

TEST(Effects, TellsWhenTheWindowsOfZonesEnd) {
  LimitSpec day = quota(5, CalendarUnit::day);
  day.zone = "Europe/Berlin";
  day.rules = &kBerlin;
  const Limits limits = Limits::make(std::vector{fixed(10, 60s), day, quota(5, CalendarUnit::hour)}).value();
  const Definition definition{head_of(true, false), kToday, zoned_ends(limits, kToday)};
  EXPECT_EQ(definition.ends, ZonedEnds{kToday + 23h}) << "an hour ahead of UTC";
  const std::string bytes = encode(limits, definition);
  const auto read = read_definition(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->definition.ends, definition.ends);
  EXPECT_FALSE(read_definition(bytes + bytes.substr(bytes.size() - 8))) << "one end too many";
  const auto with_end = [&](Instant end) { return encode(limits, {head_of(true, false), kToday, {end}}); };
  EXPECT_TRUE(read_definition(with_end(kToday + kLongestCalendarWindow)));
  EXPECT_FALSE(read_definition(with_end(kToday + kLongestCalendarWindow + Span{1})));
  EXPECT_FALSE(read_definition(with_end(kToday)));
}

TEST(Effects, WritesDefinitionsAsThePageSays) {
  for (const auto& [limits, definition, hex] : kGoldenDefinitions) {
    EXPECT_EQ(to_hex(encode(Limits::make(limits).value(), definition)), to_hex(from_hex(hex)));
  }
}

TEST(Effects, ReadsDefinitionsAndNothingLessOrMore) {
  for (const auto& [limits, definition, hex] : kGoldenDefinitions) {
    const std::string bytes = from_hex(hex);
    const auto read = read_definition(bytes);
    ASSERT_TRUE(read) << hex;
    EXPECT_TRUE(read->limits->matches(limits));
    EXPECT_EQ(read->definition.head, definition.head);
    EXPECT_EQ(read->definition.at, definition.at);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(read_definition(std::string_view(bytes).substr(0, size))) << hex << " up to " << size;
    }
    EXPECT_FALSE(read_definition(bytes + '\0')) << hex;
  }
}

// ---- Exceptions

struct ReadException {
  std::optional<Limits> limits;  ///< none if the exception ends
  Exception exception{};
  std::string name;
};
std::optional<ReadException> read_exception(std::string_view bytes) {
  const std::vector<char> copy(bytes.begin(), bytes.end());
  Reader in({copy.data(), copy.size()});
  LimitSpecs specs;
  ReadException read;
  if (!decode_exception(in, find_zone, specs, read.exception)) return std::nullopt;
  read.name = read.exception.name;
  if (!specs.empty()) read.limits = Limits::make(specs.span());
  return read;
}

const std::string kExceptionOfBob = "01 01 0200 0a 00 005847f80d000000 03 626f62 00acbd7a5b2cb817";
const std::string kNoExceptionOfBob = "01 00 03 626f62 00acbd7a5b2cb817";

TEST(Effects, WritesExceptionsAsThePageSays) {
  std::string begins;
  std::string ends;
  Writer first(begins);
  Writer second(ends);
  const Limits limits = Limits::make(std::vector{fixed(10, 60s)}).value();
  encode_exception(first, &limits, {"bob", kToday + 30s, {}});
  encode_exception(second, nullptr, {"bob", kToday + 30s, {}});
  EXPECT_EQ(to_hex(begins), to_hex(from_hex(kExceptionOfBob)));
  EXPECT_EQ(to_hex(ends), to_hex(from_hex(kNoExceptionOfBob)));
}

TEST(Effects, ReadsExceptionsAndNothingLessOrMore) {
  for (const std::string& hex : {kExceptionOfBob, kNoExceptionOfBob}) {
    const std::string bytes = from_hex(hex);
    const auto read = read_exception(bytes);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->name, "bob");
    EXPECT_EQ(read->exception.at, kToday + 30s);
    EXPECT_EQ(read->limits.has_value(), hex == kExceptionOfBob);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(read_exception(std::string_view(bytes).substr(0, size))) << hex << " up to " << size;
    }
    EXPECT_FALSE(read_exception(bytes + '\0')) << hex;
  }
  EXPECT_FALSE(read_exception(from_hex("01 41 0200 0a 00 005847f80d000000 03 626f62 00acbd7a5b2cb817"))) << "a head";
  EXPECT_FALSE(read_exception(from_hex("01 0f 03 626f62 00acbd7a5b2cb817"))) << "no limits as of a subject";
  EXPECT_FALSE(read_exception(from_hex("01 00 03 626f62 ffffffffffffff7f"))) << "an instant that no clock shows";
  EXPECT_FALSE(read_exception(from_hex(kExceptionOfBob + "00acbd7a5b2cb817"))) << "a window that ends at once";
}

TEST(Effects, ReadsNamesOfAnyLength) {
  const std::string name(1024, 'x');
  std::string bytes;
  Writer out(bytes);
  encode_exception(out, nullptr, {name, kToday, {}});
  EXPECT_EQ(read_exception(bytes)->name, name);
}

TEST(Effects, RefusesDefinitionsThatNobodyWrites) {
  const std::string limit = "0200 0a 00 005847f80d000000";
  const std::string now = "00009a7e542cb817";
  const auto definition = [](const std::string& hex) { return read_definition(from_hex(hex)).has_value(); };
  EXPECT_TRUE(definition("0141" + limit + "01" + kSecret + now));
  EXPECT_FALSE(definition("0241" + limit + "01" + kSecret + now)) << "version 2";
  EXPECT_FALSE(definition("0101" + limit + "01" + kSecret + now)) << "of a key that is one subject";
  EXPECT_FALSE(definition("01c1" + limit + "01" + kSecret + now)) << "with reservations";
  EXPECT_FALSE(definition("0140 01" + kSecret + now)) << "of no limits";
  EXPECT_FALSE(definition("0141" + limit + "00" + kSecret + now)) << "that stores none";
  EXPECT_FALSE(definition("0141" + limit + "02" + kSecret + now)) << "on trial, but not stored";
  EXPECT_FALSE(definition("0141" + limit + "05" + kSecret + now)) << "an unknown flag";
  EXPECT_FALSE(definition("0141" + limit + "01" + kSecret + "00009a7e542cb897")) << "before 1970";
  EXPECT_TRUE(definition("0141" + limit + "01" + kSecret + "0000bac93a04ba64")) << "2200-01-01";
  EXPECT_FALSE(definition("0141" + limit + "01" + kSecret + "0100bac93a04ba64")) << "and a nanosecond";
  std::string nine = "0149";
  for (int i = 0; i < 9; ++i) nine += limit;
  EXPECT_FALSE(definition(nine + "01" + kSecret + now)) << "nine limits";
}

TEST(Effects, AcceptsADefinitionWithAByteChangedOnlyIfSomebodyWritesItSo) {
  for (const auto& golden : kGoldenDefinitions) {
    const std::string original = from_hex(golden.hex);
    for (std::size_t i = 0; i < original.size(); ++i) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string bytes = original;
        bytes[i] = static_cast<char>(byte);
        const auto read = read_definition(bytes);
        if (!read) continue;
        ASSERT_EQ(to_hex(encode(*read->limits, read->definition)), to_hex(bytes));
        ASSERT_TRUE(in_range(read->definition.at));
      }
    }
  }
}

std::string encode(const Sweep& sweep) {
  std::string bytes;
  Writer out(bytes);
  encode_sweep(out, sweep);
  return bytes;
}
std::optional<Sweep> read_sweep(std::string_view bytes) {
  const std::vector<char> copy(bytes.begin(), bytes.end());
  Reader in({copy.data(), copy.size()});
  Sweep sweep;
  return decode_sweep(in, sweep) ? std::optional(sweep) : std::nullopt;
}

/// Sweeps, and the bytes that version 1 writes for them, for ever.
const std::vector<std::pair<Sweep, std::string>> kGoldenSweeps = {
    {{.first = 2, .last = 0xFFFF'FFFF'FFFF'FFFE, .at = kToday + 10min},
     "01 0200000000000000 feffffffffffffff 00706331e02cb817"},
    {{.first = 0x1BED'F54F'03AC'48BC, .last = 0x1BED'F54F'03AC'48BC, .at = kLatest},
     "01 bc48ac034ff5ed1b bc48ac034ff5ed1b 0000bac93a04ba64"},
};

TEST(Effects, WritesSweepsAsThePageSays) {
  for (const auto& [sweep, hex] : kGoldenSweeps) EXPECT_EQ(to_hex(encode(sweep)), to_hex(from_hex(hex)));
}

TEST(Effects, ReadsSweepsAndNothingLessOrMore) {
  for (const auto& [sweep, hex] : kGoldenSweeps) {
    const std::string bytes = from_hex(hex);
    const auto read = read_sweep(bytes);
    ASSERT_TRUE(read) << hex;
    EXPECT_EQ(read->first, sweep.first);
    EXPECT_EQ(read->last, sweep.last);
    EXPECT_EQ(read->at, sweep.at);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(read_sweep(std::string_view(bytes).substr(0, size))) << hex << " up to " << size;
    }
    EXPECT_FALSE(read_sweep(bytes + '\0')) << hex;
  }
}

TEST(Effects, RefusesSweepsThatNobodyWrites) {
  const auto sweep = [](const std::string& hex) { return read_sweep(from_hex(hex)).has_value(); };
  const std::string two = "0200000000000000";
  const std::string four = "0400000000000000";
  const std::string now = "00009a7e542cb817";
  EXPECT_TRUE(sweep("01" + two + four + now));
  EXPECT_TRUE(sweep("01" + four + four + now));
  EXPECT_FALSE(sweep("01" + four + two + now)) << "backwards";
  EXPECT_FALSE(sweep("02" + two + four + now)) << "version 2";
  EXPECT_FALSE(sweep("01" + two + four + "00009a7e542cb897")) << "before 1970";
  EXPECT_TRUE(sweep("01" + two + four + "0000bac93a04ba64")) << "2200-01-01";
  EXPECT_FALSE(sweep("01" + two + four + "0100bac93a04ba64")) << "and a nanosecond";
}

TEST(Effects, OfSeveralSubjectsFollowEachOther) {
  std::string bytes;
  Writer out(bytes);
  encode_effect_of_subject(out, {1, 0x0102030405060708U, "payload"});
  encode_effect_of_subject(out, {6, 2, ""});
  Reader in(bytes);
  EffectOfSubject effect;
  ASSERT_TRUE(decode_effect_of_subject(in, effect));
  EXPECT_EQ(effect.kind, 1);
  EXPECT_EQ(effect.subject, 0x0102030405060708U);
  EXPECT_EQ(effect.payload, "payload");
  ASSERT_TRUE(decode_effect_of_subject(in, effect));
  EXPECT_EQ(effect.kind, 6);
  EXPECT_EQ(effect.subject, 2U);
  EXPECT_EQ(effect.payload, "");
  EXPECT_TRUE(in.done());
  EXPECT_FALSE(decode_effect_of_subject(in, effect));
}

TEST(Effects, OfASubjectAreReadWholeOrNotAtAll) {
  std::string bytes;
  Writer out(bytes);
  encode_effect_of_subject(out, {1, 2, "payload"});
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    Reader in(std::string_view(bytes).substr(0, size));
    EffectOfSubject effect;
    EXPECT_FALSE(decode_effect_of_subject(in, effect)) << size;
  }
}

}  // namespace
}  // namespace ratelimit::tests
