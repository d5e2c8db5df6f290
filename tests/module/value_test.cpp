// SPDX-License-Identifier: MIT
// What a key holds, outside of a server.
#include "storage/value.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "ratelimit/account.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/codec/bytes.h"
#include "ratelimit/codec/format.h"
#include "ratelimit/operation.h"
#include "ratelimit/states.h"
#include "ratelimit/turn.h"
#include "ratelimit/verdict.h"
#include "server/zones.h"

namespace ratelimit {
namespace {

using std::chrono::seconds;

constexpr Instant kNow{seconds(1'800'000'000)};

constexpr LimitSpec kBucket{
    .algorithm = Algorithm::token_bucket, .size = Units(10), .refill = Units(7), .span = seconds(60)};
constexpr LimitSpec kSliding{.algorithm = Algorithm::sliding_window_log, .size = Units(10), .span = seconds(60)};
constexpr LimitSpec kConcurrent{.algorithm = Algorithm::concurrent, .size = Units(10), .span = seconds(60)};

constexpr Operation kReserve{
    .kind = Operation::Kind::reserve, .at = kNow, .units = Units(4), .span = seconds(100), .id = "hold"};
constexpr Operation kCharge{
    .kind = Operation::Kind::charge, .at = kNow, .units = Units(2), .span = seconds(5), .id = "lease"};

Value::Pointer charged(LimitsPool& pool, std::span<const LimitSpec> specs, Units cost) {
  Value::Pointer value = Value::create(pool.get(specs));
  apply(value->limits(), value->cells(), decide(value->limits(), value->cells(), Ask{cost, "id"}, kNow));
  return value;
}

TEST(Value, OfSmallLimitsIsOneAllocation) {
  LimitsPool pool;
  const Value::Pointer value = Value::create(pool.get(std::array{kBucket, kSliding}));
  EXPECT_EQ(value->bytes_behind(), 0U);
  EXPECT_EQ(value->memory_pieces(), 1U);
}

TEST(Value, ComesBackFromItsEncodedForm) {
  LimitsPool pool;
  const Value::Pointer value = charged(pool, std::array{kBucket, kSliding}, Units(3));
  const Value::Pointer decoded = Value::decode(value->encoded(), pool);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->encoded(), value->encoded());
  EXPECT_EQ(&decoded->limits(), &value->limits());
}

TEST(Value, IsNotMadeOfBytesThatNobodyWrote) {
  LimitsPool pool;
  const std::string bytes = charged(pool, std::array{kBucket, kSliding}, Units(3))->encoded();
  for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(Value::decode(bytes.substr(0, size), pool));
  EXPECT_FALSE(Value::decode(bytes + '\0', pool));
}

TEST(Value, IsIdleWhenTheLastOfItsStatesIs) {
  LimitsPool pool;
  const LimitSpec long_window{.algorithm = Algorithm::fixed_window, .size = Units(10), .span = seconds(500)};
  EXPECT_EQ(charged(pool, std::array{kSliding, long_window}, Units(1))->idle_at(), kNow + seconds(500));
}

TEST(Value, CountsCallsOnBothSides) {
  LimitsPool pool;
  const Value::Pointer value = Value::create(pool.get(std::array{kBucket}));
  value->count_call(Outcome::granted);
  value->count_call(Outcome::denied);
  value->count_call(Outcome::never);
  EXPECT_EQ(value->granted_calls(), 1U);
  EXPECT_EQ(value->denied_calls(), 2U);
}

TEST(Value, CountsUpToALargestNumber) {
  LimitsPool pool;
  const Value::Pointer value = Value::create(pool.get(std::array{kBucket}), Value::Room::for_reservations);
  for (int i = 0; i < 100'000; ++i) value->count_call(Outcome::denied);
  EXPECT_EQ(value->denied_calls(), 100'000U);
  EXPECT_EQ(value->granted_calls(), 0U);
  ASSERT_NE(value->reservations(), nullptr) << "the flag beside the counter is still set";
}

TEST(Value, HasRoomForReservationsOnlyIfItWasMadeSo) {
  LimitsPool pool;
  const SharedLimits limits = pool.get(std::array{kBucket, kSliding});
  const Value::Pointer plain = Value::create(limits);
  EXPECT_EQ(plain->reservations(), nullptr);
  EXPECT_EQ(plain->subject().turn(), Turn{});
  const Value::Pointer roomy = Value::create(limits, Value::Room::for_reservations);
  ASSERT_NE(roomy->reservations(), nullptr);
  EXPECT_TRUE(roomy->reservations()->empty());
  EXPECT_EQ(roomy->subject().turn(), Turn{});
  EXPECT_EQ(roomy->encoded(), plain->encoded()) << "what is not used is not written";
}

TEST(Value, TakesMoreRoomWithAllThatItHas) {
  LimitsPool pool;
  const Value::Pointer value = charged(pool, std::array{kBucket, kSliding, kConcurrent}, Units(3));
  value->count_call(Outcome::granted);
  value->count_call(Outcome::denied);
  const std::string before = value->encoded();
  const Value::Pointer roomy = value->with_reservations();
  EXPECT_EQ(roomy->encoded(), before);
  EXPECT_EQ(roomy->granted_calls(), 1U);
  EXPECT_EQ(roomy->denied_calls(), 1U);
  ASSERT_NE(roomy->reservations(), nullptr);
  EXPECT_EQ(value->idle_at(), charged(pool, std::array{kBucket}, Units(3))->idle_at()) << "logs and leases are gone";

  roomy->subject().perform(kReserve);
  const std::string reserved = roomy->encoded();
  EXPECT_EQ(roomy->with_reservations()->encoded(), reserved);
}

TEST(Value, WithReservationsComesBackFromItsEncodedForm) {
  LimitsPool pool;
  const Value::Pointer value = charged(pool, std::array{kBucket, kSliding, kConcurrent}, Units(3))->with_reservations();
  value->subject().perform(kReserve);
  value->subject().perform(kCharge);
  EXPECT_EQ(value->subject().turn(), (Turn{kNow + seconds(5), seconds(5)}));
  const std::string bytes = value->encoded();
  const Value::Pointer decoded = Value::decode(bytes, pool);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->encoded(), bytes);
  EXPECT_EQ(decoded->subject().turn(), value->subject().turn());
  EXPECT_EQ(decoded->memory_pieces(), value->memory_pieces());
  EXPECT_EQ(decoded->idle_at(), kNow + seconds(100));
  for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(Value::decode(bytes.substr(0, size), pool));
  EXPECT_FALSE(Value::decode(bytes + '\0', pool));
}

TEST(Value, IsCopiedWithItsReservations) {
  LimitsPool pool;
  const Value::Pointer value = charged(pool, std::array{kBucket, kSliding, kConcurrent}, Units(3))->with_reservations();
  value->subject().perform(kReserve);
  value->count_call(Outcome::denied);
  const std::string before = value->encoded();
  const Value::Pointer copy = Value::copy(value->subject());
  EXPECT_EQ(copy->encoded(), before);
  EXPECT_EQ(&copy->limits(), &value->limits());
  EXPECT_EQ(copy->denied_calls(), 0U);
  copy->subject().perform({.kind = Operation::Kind::settle, .at = kNow + seconds(1), .units = Units(1), .id = "hold"});
  EXPECT_NE(copy->encoded(), before);
  EXPECT_EQ(value->encoded(), before) << "a copy shares nothing that changes";

  const Value::Pointer plain = charged(pool, std::array{kSliding}, Units(3));
  EXPECT_EQ(Value::copy(plain->subject())->encoded(), plain->encoded());
  EXPECT_EQ(Value::copy(plain->subject())->reservations(), nullptr);
}

TEST(Value, TakesOverAllOfASubject) {
  LimitsPool pool;
  const Value::Pointer value = charged(pool, std::array{kBucket, kSliding, kConcurrent}, Units(3))->with_reservations();
  value->subject().perform(kReserve);
  value->subject().perform(kCharge);
  const std::string before = value->encoded();
  const Value::Pointer taken = Value::take(value->subject());
  EXPECT_EQ(taken->encoded(), before);
  EXPECT_EQ(&taken->limits(), &value->limits());
  ASSERT_NE(taken->reservations(), nullptr);
  EXPECT_EQ(taken->granted_calls(), 0U) << "counters are those of a key";
  EXPECT_TRUE(value->reservations()->holds.empty());
  EXPECT_EQ(value->subject().limits()[1].visit(
                [&](const auto& algorithm) { return algorithm.used(state_in(value->cells()[1], algorithm), kNow); }),
            kNoUnits)
      << "its log is gone";

  const Value::Pointer plain = charged(pool, std::array{kSliding}, Units(3));
  const std::string plain_before = plain->encoded();
  const Value::Pointer roomy = Value::take(plain->subject());
  EXPECT_EQ(roomy->encoded(), plain_before);
  EXPECT_NE(roomy->reservations(), nullptr) << "whatever room there was";
}

/// What is used under limit `i`.
Units used(const Value& value, std::size_t i, Instant at) {
  return value.limits()[i].visit(
      [&](const auto& algorithm) { return algorithm.used(state_in(value.cells()[i], algorithm), at); });
}

TEST(Value, IsCarriedOverToOtherLimitsWithWhatIsUsed) {
  LimitsPool pool;
  constexpr LimitSpec kWindow{.algorithm = Algorithm::fixed_window, .size = Units(100), .span = seconds(60)};
  const Value::Pointer value = charged(pool, std::array{kSliding}, Units(3));
  const SharedLimits others = pool.get(std::array{kWindow});
  const Value::Pointer carried = carry_over(value->subject(), others, kNow);
  EXPECT_EQ(&carried->limits(), &*others);
  EXPECT_EQ(used(*carried, 0, kNow), Units(3));
  EXPECT_EQ(carried->reservations(), nullptr) << "nothing is reserved, so that no room is needed";
}

TEST(Value, IsCarriedOverWithWhatIsReserved) {
  LimitsPool pool;
  constexpr LimitSpec kLarger{.algorithm = Algorithm::sliding_window_log, .size = Units(20), .span = seconds(60)};
  const Value::Pointer value = charged(pool, std::array{kSliding}, Units(3))->with_reservations();
  value->subject().perform(kReserve);
  value->subject().perform(kCharge);
  const Value::Pointer carried = carry_over(value->subject(), pool.get(std::array{kLarger}), kNow);
  ASSERT_NE(carried->reservations(), nullptr);
  EXPECT_EQ(carried->subject().turn(), (Turn{kNow + seconds(5), seconds(5)}));
  EXPECT_EQ(carried->reservations()->holds.size(), 1U);
  EXPECT_EQ(used(*carried, 0, kNow + seconds(5)), Units(3 + 4 + 2));
  carried->subject().perform({.kind = Operation::Kind::settle, .at = kNow + seconds(6), .id = "hold"});
  EXPECT_EQ(used(*carried, 0, kNow + seconds(6)), Units(3 + 2)) << "the hold is still one";
  EXPECT_TRUE(value->reservations()->holds.empty()) << "and nobody else's";

  const Value::Pointer unused = Value::create(pool.get(std::array{kSliding}), Value::Room::for_reservations);
  EXPECT_EQ(carry_over(unused->subject(), pool.get(std::array{kLarger}), kNow)->reservations(), nullptr);
}

/// A value as a call with those limits leaves it.
Value::Pointer opened(Value& value, LimitsPool& pool, std::span<const LimitSpec> list, Instant now) {
  const SharedLimits named = pool.get(list);
  NamedAccounts accounts(value.subject().accounts(), *named, now, value.subject().turn().or_later(now));
  return with_accounts(value.subject(), accounts, pool);
}

TEST(Value, OfSeveralListsHasTheLastGrantsOfItsAccounts) {
  LimitsPool pool;
  const Value::Pointer first = charged(pool, std::array{kBucket}, Units(3));
  EXPECT_TRUE(first->last_grants().empty());
  const Value::Pointer value = opened(*first, pool, std::array{kSliding}, kNow + seconds(1));
  ASSERT_TRUE(value->has_several_lists());
  ASSERT_EQ(value->last_grants().size(), 2U);
  EXPECT_EQ(value->last_grants()[0], kNow + seconds(1)) << "when the second list came";
  EXPECT_EQ(used(*value, 0, kNow), Units(3));
  EXPECT_EQ(used(*value, 1, kNow + seconds(1)), Units(3));
  value->subject().perform(
      {.kind = Operation::Kind::charge, .at = kNow + seconds(9), .units = Units(2), .named = 0b10});
  EXPECT_EQ(value->last_grants()[0], kNow + seconds(1));
  EXPECT_EQ(value->last_grants()[1], kNow + seconds(9));
  EXPECT_EQ(used(*value, 0, kNow + seconds(9)), Units(4)) << "booked there, too";
}

TEST(Value, OfSeveralListsIsOneAllocation) {
  LimitsPool pool;
  const Value::Pointer first = charged(pool, std::array{kBucket}, Units(3));
  constexpr LimitSpec kWindow{.algorithm = Algorithm::fixed_window, .size = Units(100), .span = seconds(60)};
  const Value::Pointer value = opened(*first, pool, std::array{kWindow}, kNow);
  EXPECT_EQ(value->memory_pieces(), 1U);
  EXPECT_EQ(value->bytes_behind(), 0U);
  EXPECT_LE(malloc_usable_size(value.get()), 16U + 2 * (16U + 8U) + 8U);
}

TEST(Value, OfSeveralListsComesBackFromItsEncodedFormAndIsCopiedAndTaken) {
  LimitsPool pool;
  const Value::Pointer first = charged(pool, std::array{kBucket, kSliding}, Units(3))->with_reservations();
  first->subject().perform(kReserve);
  const Value::Pointer value = opened(*first, pool, std::array{kConcurrent, kSliding}, kNow);
  ASSERT_TRUE(value->has_several_lists());
  const std::string bytes = value->encoded();
  const Value::Pointer decoded = Value::decode(bytes, pool);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->encoded(), bytes);
  EXPECT_EQ(Value::copy(value->subject())->encoded(), bytes);
  EXPECT_EQ(&decoded->limits(), &value->limits());
  for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(Value::decode(bytes.substr(0, size), pool));
  EXPECT_FALSE(Value::decode(bytes + '\0', pool));
  const Value::Pointer taken = Value::take(value->subject());
  EXPECT_EQ(taken->encoded(), bytes);
  EXPECT_EQ(taken->with_reservations()->encoded(), bytes);
}

TEST(Value, OfSeveralListsMayHaveALabelTwiceAndAnyOtherMayNot) {
  LimitsPool pool;
  LimitSpec bucket = kBucket;
  bucket.label = "a";
  LimitSpec sliding = kSliding;
  sliding.label = "a";
  const Value::Pointer first = charged(pool, std::array{bucket}, Units(3));
  const Value::Pointer value = opened(*first, pool, std::array{sliding}, kNow);
  EXPECT_EQ(value->limits().label(0), "a");
  EXPECT_EQ(value->limits().label(1), "a-2");
  std::string bytes = value->encoded();
  const Value::Pointer decoded = Value::decode(bytes, pool);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->encoded(), bytes);
  EXPECT_FALSE(pool.get(std::array{bucket, sliding})) << "in no call";
  bytes[1] = 2;
  bytes.resize(bytes.size() - 2 * sizeof(Instant));
  EXPECT_FALSE(Value::decode(bytes, pool)) << "without last grants it is one list";
}

TEST(Value, IsAsIfTheOtherListHadNeverBeenOnceThatIsDropped) {
  LimitsPool pool;
  constexpr LimitSpec kWindow{.algorithm = Algorithm::fixed_window, .size = Units(10), .span = seconds(500)};
  const Value::Pointer alone = charged(pool, std::array{kWindow}, Units(3));
  const Value::Pointer first = charged(pool, std::array{kWindow}, Units(3));
  Value::Pointer value = opened(*first, pool, std::array{kBucket}, kNow);
  EXPECT_NE(value->encoded(), alone->encoded());
  const Operation charge{.kind = Operation::Kind::charge, .at = kNow + seconds(501), .units = Units(2), .named = 0b01};
  value->subject().perform(charge);
  alone->subject().perform(charge);
  value = opened(*value, pool, std::array{kWindow}, kNow + seconds(501));
  EXPECT_FALSE(value->has_several_lists());
  EXPECT_EQ(value->encoded(), alone->encoded());
}

TEST(Value, OfStoredLimitsIsOneList) {
  LimitsPool pool;
  const Value::Pointer first = charged(pool, std::array{kBucket}, Units(3));
  const Value::Pointer value = opened(*first, pool, std::array{kSliding}, kNow);
  for (const bool is_stored : {false, true}) {
    const SubjectTableHead head{.is_stored = is_stored, .secret = {1, 2, 3}};
    std::string bytes;
    Writer out(bytes);
    encode_subject(out, value->limits(), value->cells(), nullptr, LimitsForm::written, &head, value->last_grants());
    std::optional<SubjectTableHead> read;
    EXPECT_EQ(Value::decode(bytes, pool, {}, &read) != nullptr, !is_stored);
  }
}

/// The form of a subject whose limits are known to whoever reads.
std::string without_limits(const Value& value) {
  std::string bytes;
  Writer out(bytes);
  encode_subject(out, value.limits(), value.cells(), value.reservations(), LimitsForm::known);
  return bytes;
}

TEST(Value, IsReadWithoutLimitsIfTheyAreKnown) {
  LimitsPool pool;
  const Value::Pointer value = charged(pool, std::array{kBucket, kSliding, kConcurrent}, Units(3))->with_reservations();
  value->subject().perform(kReserve);
  const std::string bytes = without_limits(*value);
  const Value::Pointer decoded = Value::decode(bytes, pool, value->shared_limits());
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->encoded(), value->encoded());
  EXPECT_EQ(&decoded->limits(), &value->limits());
  EXPECT_FALSE(Value::decode(bytes, pool)) << "of what limits?";
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(Value::decode(bytes.substr(0, size), pool, value->shared_limits())) << size;
  }
  EXPECT_FALSE(Value::decode(bytes + '\0', pool, value->shared_limits()));
}

TEST(Value, HasTheLimitsThatAreWrittenWhateverIsKnown) {
  LimitsPool pool;
  const Value::Pointer value = charged(pool, std::array{kBucket}, Units(3));
  const Value::Pointer decoded = Value::decode(value->encoded(), pool, pool.get(std::array{kSliding}));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->encoded(), value->encoded());
}

TEST(Value, ReadsTheHeadOfATableOrRefusesIt) {
  LimitsPool pool;
  const Value::Pointer value = charged(pool, std::array{kBucket}, Units(3));
  const SubjectTableHead head{.is_stored = true, .is_shadow = true, .secret = {1, 2, 3}};
  std::string bytes;
  Writer out(bytes);
  encode_subject(out, value->limits(), value->cells(), nullptr, LimitsForm::written, &head);
  std::optional<SubjectTableHead> read;
  const Value::Pointer decoded = Value::decode(bytes, pool, {}, &read);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(read, head);
  EXPECT_EQ(decoded->encoded(), value->encoded());
  EXPECT_FALSE(Value::decode(bytes, pool)) << "where only one subject may be";

  std::optional<SubjectTableHead> none;
  ASSERT_TRUE(Value::decode(value->encoded(), pool, {}, &none));
  EXPECT_EQ(none, std::nullopt);
}

TEST(Value, IsReadInTheMiddleOfMore) {
  LimitsPool pool;
  const Value::Pointer value = charged(pool, std::array{kBucket, kSliding}, Units(3));
  const std::string bytes = value->encoded().substr(1) + without_limits(*value).substr(1) + "more";
  Reader in(bytes);
  const Value::Pointer first = Value::decode_body(in, pool, {});
  ASSERT_TRUE(first);
  const Value::Pointer second = Value::decode_body(in, pool, first->shared_limits());
  ASSERT_TRUE(second);
  EXPECT_EQ(first->encoded(), value->encoded());
  EXPECT_EQ(second->encoded(), value->encoded());
  EXPECT_FALSE(in.done());
  EXPECT_EQ(in.fixed<std::uint32_t>(), 0x65726F6DU) << "more, the lowest byte first";
  EXPECT_TRUE(in.done());
}

TEST(Value, DoesWhatReservesNothingWithoutRoom) {
  LimitsPool pool;
  const Value::Pointer value = charged(pool, std::array{kBucket, kConcurrent}, Units(3));
  EXPECT_TRUE(value->subject().perform({.kind = Operation::Kind::release, .at = kNow, .id = "id"}));
  EXPECT_FALSE(value->subject().perform({.kind = Operation::Kind::release, .at = kNow, .id = "id"}));
  EXPECT_FALSE(value->subject().perform({.kind = Operation::Kind::refund, .at = kNow, .units = Units(3)}));
  EXPECT_EQ(value->idle_at(), kNow);
  EXPECT_FALSE(
      value->subject().perform({.kind = Operation::Kind::settle, .at = kNow, .units = Units(1), .id = "hold"}));
  EXPECT_GT(value->idle_at(), kNow);
  EXPECT_EQ(value->reservations(), nullptr);
}

TEST(Value, IsIdleWhenItsHoldsHaveEndedToo) {
  LimitsPool pool;
  const Value::Pointer value = Value::create(pool.get(std::array{kBucket}), Value::Room::for_reservations);
  value->subject().perform(kReserve);
  EXPECT_EQ(value->idle_at(), kNow + seconds(100));
  value->subject().perform({.kind = Operation::Kind::collect, .at = kNow + seconds(101)});
  EXPECT_LE(value->idle_at(), kNow + seconds(101));
}

TEST(Value, IsAheadWhenItsTurnIs) {
  LimitsPool pool;
  const Value::Pointer value = Value::create(pool.get(std::array{kBucket}), Value::Room::for_reservations);
  value->subject().perform(kCharge);
  EXPECT_FALSE(value->subject().is_ahead(kNow));
  const Instant before = kNow - seconds(30);
  EXPECT_TRUE(value->subject().is_ahead(before));
  value->subject().clamp(before);
  EXPECT_FALSE(value->subject().is_ahead(before));
  EXPECT_EQ(value->subject().turn(), (Turn{before + seconds(5), seconds(5)}));
}

TEST(Value, CountsTheBytesAndPiecesBehindIt) {
  LimitsPool pool;
  const Value::Pointer roomy = Value::create(pool.get(std::array{kBucket}), Value::Room::for_reservations);
  EXPECT_EQ(roomy->memory_pieces(), 3U) << "itself, the reservations, and the line of their holds";
  const std::size_t bytes = roomy->bytes_behind();
  roomy->subject().perform(kReserve);
  EXPECT_GT(roomy->bytes_behind(), bytes);
  EXPECT_GT(roomy->memory_pieces(), 3U);

  const Value::Pointer leases = charged(pool, std::array{kConcurrent}, Units(1));
  EXPECT_GT(leases->bytes_behind(), sizeof(LeaseSet));
  EXPECT_GT(leases->memory_pieces(), 1U) << "it is not small: what is done to it does not travel whole";
}

TEST(Value, OfAQuotaNamesItsZone) {
  LimitsPool pool(find_zone);
  const LimitSpec spec{.algorithm = Algorithm::quota,
                       .size = Units(10),
                       .unit = CalendarUnit::day,
                       .zone = "Europe/Berlin",
                       .rules = find_zone("Europe/Berlin")};
  const std::string bytes = charged(pool, std::array{spec}, Units(1))->encoded();
  const Value::Pointer decoded = Value::decode(bytes, pool);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->limits()[0].spec(), spec);
  std::string unknown = bytes;
  unknown.replace(unknown.find("Berlin"), 6, "Nowhen");
  EXPECT_EQ(pool.take_missing_zone(), "");
  const Value::Pointer kept = Value::decode(unknown, pool);
  ASSERT_TRUE(kept) << "a machine without the zone keeps the value";
  EXPECT_EQ(kept->encoded(), unknown);
  EXPECT_EQ(pool.take_missing_zone(), "Europe/Nowhen");
  EXPECT_EQ(pool.take_missing_zone(), "") << "it is told once";
}

TEST(Value, SurvivesThatItsMemoryIsMoved) {
  LimitsPool pool;
  const LimitSpec large{.algorithm = Algorithm::sliding_window_log, .size = Units(5'000), .span = seconds(3600)};
  const Value::Pointer value = Value::create(pool.get(std::array{large, kBucket, large}));
  const SlidingWindowLog log = *SlidingWindowLog::make(Units(5'000), seconds(3600));
  for (int i = 0; i < 2'000; ++i) {
    const SlidingWindowLog::Change change{kNow + std::chrono::milliseconds(7 * i), Units(1 + i % 3)};
    log.apply(value->cells()[0].as<SlidingWindowLog::State>(), change);
    log.apply(value->cells()[2].as<SlidingWindowLog::State>(), change);
  }
  const std::string before = value->encoded();

  std::size_t moved = 0;
  const auto move = [&moved](void* memory) {
    // As the server does it: by a copy of the bytes. Sanitizers want arrays and objects to be told apart.
    const std::size_t bytes = malloc_usable_size(memory);
    const bool is_object = bytes == sizeof(EventLog);
    void* place = is_object ? ::operator new(bytes) : ::operator new[](bytes);
    std::memcpy(place, memory, bytes);
    is_object ? ::operator delete(memory) : ::operator delete[](memory);
    ++moved;
    return place;
  };
  std::size_t pieces = 0;
  for (std::size_t i = 0; value->subject().relocate_piece(i, move); i = pieces) ++pieces;
  EXPECT_EQ(pieces + 1, value->memory_pieces());
  EXPECT_EQ(moved + 2, pieces) << "all but the two lists of blocks";
  EXPECT_EQ(value->encoded(), before);
  std::size_t beyond = pieces + 7;
  EXPECT_FALSE(value->subject().relocate_piece(beyond, move));
  EXPECT_EQ(beyond, 7U) << "where the pieces of whatever comes next are counted from";
}

}  // namespace
}  // namespace ratelimit
