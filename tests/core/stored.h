// SPDX-License-Identifier: MIT
// What a key holds and the codec writes, for the tests of the codec: how it is encoded, decoded, and drawn at random.
#ifndef RATELIMIT_TESTS_STORED_H
#define RATELIMIT_TESTS_STORED_H

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hex.h"
#include "oracle.h"
#include "random.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/blocked.h"
#include "ratelimit/booking.h"
#include "ratelimit/codec/bytes.h"
#include "ratelimit/codec/format.h"
#include "ratelimit/limits.h"
#include "ratelimit/operation.h"
#include "ratelimit/request.h"
#include "ratelimit/reservations.h"
#include "ratelimit/states.h"
#include "ratelimit/verdict.h"
#include "subject.h"

namespace ratelimit::tests {

inline const SteadyZone kBerlin{1h};

/// The zones of this test: none changes its clock.
inline const Zone* find_zone(std::string_view name) {
  if (name == "Europe/Berlin") return &kBerlin;
  if (name == "Kathmandu") return &kKathmandu;
  return name == "Newfoundland" ? &kNewfoundland : nullptr;
}

inline LimitSpec monthly_in_berlin() {
  LimitSpec spec = quota(1000, CalendarUnit::month, "month");
  spec.zone = "Europe/Berlin";
  spec.rules = &kBerlin;
  return spec;
}

/// What a key holds and the codec writes: limits, states and reservations, changed as the module changes them.
class Stored {
 public:
  explicit Stored(Limits limits) : limits_(std::move(limits)) { construct_idle(limits_, cells()); }
  /// `specs` must be valid.
  explicit Stored(const std::vector<LimitSpec>& specs) : Stored(Limits::make(specs).value()) {}
  explicit Stored(const LimitSpec& spec) : Stored(std::vector{spec}) {}
  Stored(const Stored&) = delete;
  Stored& operator=(const Stored&) = delete;
  ~Stored() { destroy(limits_, cells()); }

  [[nodiscard]] const Limits& limits() const { return limits_; }
  [[nodiscard]] std::span<Cell> cells() { return std::span(cells_).first(limits_.size()); }
  [[nodiscard]] std::span<const Cell> cells() const { return std::span(cells_).first(limits_.size()); }
  [[nodiscard]] Reservations& reservations() { return reservations_; }
  [[nodiscard]] const Reservations& reservations() const { return reservations_; }

  [[nodiscard]] Verdict verdict(const Request& request, Instant now) const {
    return decide(limits_, cells(), reservations_.turn, reservations_.block, request, now);
  }
  [[nodiscard]] Decision peek(const Request& request, Instant now) const { return verdict(request, now).decision; }

  Decision check(const Request& request, Instant now) {
    if (reservations_.any_hold_ended(now)) perform({.kind = Operation::Kind::collect, .at = now});
    const Verdict verdict = this->verdict(request, now);
    if (verdict.decision.outcome == Outcome::granted) commit(verdict, now);
    return verdict.decision;
  }
  Decision check(std::int64_t cost, Instant now) { return check({.cost = Units(cost)}, now); }

  void commit(const Verdict& verdict, Instant now) {
    if (verdict.turn == Span{} && reservations_.empty()) return apply(limits_, cells(), verdict);
    perform(charge_of(verdict, now));
  }
  [[nodiscard]] static Operation charge_of(const Verdict& verdict, Instant now) {
    return {.kind = Operation::Kind::charge,
            .at = now,
            .units = verdict.decision.granted,
            .span = verdict.turn,
            .id = verdict.id};
  }
  bool perform(const Operation& operation) { return Booking(limits_, cells(), reservations_).perform(operation); }

  [[nodiscard]] Units used(std::size_t i, Instant now) const {
    return limits_[i].visit([&](const auto& algorithm) { return algorithm.used(state_in(cells_[i], algorithm), now); });
  }
  [[nodiscard]] Instant idle_at() const {
    return std::max(ratelimit::idle_at(limits_, cells()), reservations_.idle_at());
  }

 private:
  Limits limits_;
  std::array<Cell, kMaxLimits> cells_;
  Reservations reservations_;
};

inline std::string encode(const Stored& stored) {
  std::string bytes;
  Writer out(bytes);
  encode_subject(out, stored.limits(), stored.cells(), &stored.reservations());
  return bytes;
}

/// The subject that is in `bytes`; nothing if they hold anything else, or more.
inline std::unique_ptr<Stored> decode(std::string_view bytes) {
  Reader in(bytes);
  SubjectHead head;
  if (!decode_head(in, find_zone, head) || head.has_subject_table || head.has_last_grants) return nullptr;
  std::optional<Limits> limits = Limits::make(head.specs.span());
  if (!limits) return nullptr;
  auto stored = std::make_unique<Stored>(std::move(*limits));
  Reservations* reservations = head.has_reservations ? &stored->reservations() : nullptr;
  if (!decode_states(in, stored->limits(), stored->cells(), {}, reservations) || !in.done()) return nullptr;
  return stored;
}
inline bool is_readable(const std::string& hex) { return decode(from_hex(hex)) != nullptr; }

/// How long so many units take to flow into a bucket, or out of it.
inline Span flow(const LimitSpec& spec, Units units) {
  return oracle::to_span(
      oracle::ceil_of(oracle::Exact(units.count()) * spec.span.count(), oracle::Exact(spec.refill.count())));
}

/// The longest that any answer under limit `i` may say: a whole span of use, and for a log one step of its grid.
inline Span longest(const Stored& stored, std::size_t i) {
  const LimitSpec spec = stored.limits()[i].spec();
  switch (spec.algorithm) {
    case Algorithm::token_bucket:
    case Algorithm::leaky_bucket: {
      const Units debt(stored.cells()[i].as<TokenBucket::State>().debt);
      return flow(spec, spec.size) + flow(spec, debt);
    }
    case Algorithm::sliding_window_log: return spec.span + spec.span / (1 << 24);
    case Algorithm::sliding_window_counter: return 2 * spec.span;
    case Algorithm::quota: return kLongestCalendarWindow;
    case Algorithm::concurrent: return std::max(spec.span, stored.cells()[i].as<Concurrent::State>().longest());
    case Algorithm::fixed_window: return spec.span;
  }
  return {};
}

/// Whether the answer to a request is within its bounds.
inline void expect_sane(const Stored& stored, const Request& request, Instant now) {
  // A turn may lie behind the end of a block.
  Span most = stored.reservations().turn.wait + stored.reservations().block.length;
  for (std::size_t i = 0; i < stored.limits().size(); ++i) most = std::max(most, longest(stored, i) + most);
  const Decision decision = stored.peek(request, now);
  // A call that is forced goes into debt, of any size: how long it lasts has bounds of its own.
  if (request.mode == Mode::force) most += 2 * kMaxSpan;
  ASSERT_TRUE(kNoUnits <= decision.remaining && decision.remaining <= decision.size);
  ASSERT_TRUE(Span{} <= decision.wait && decision.wait <= most) << decision.wait.count();
  ASSERT_TRUE(Span{} <= decision.reset && decision.reset <= most + kLongestCalendarWindow) << decision.reset.count();
}

/// Whether whatever is stored answers within bounds, at any time and to any call, and can be read again after each.
inline void expect_safe(Stored& stored) {
  for (const Instant now : {kEarliest, kToday, kToday + 30s, kLatest, kToday - 1h}) {
    for (const Units cost : {kMinUnits, Units(7), stored.limits()[0].size(), kMaxUnits}) {
      for (const Mode mode : {Mode::whole, Mode::partial, Mode::may_wait}) {
        const Request request{.cost = cost, .mode = mode, .longest_wait = 1h, .id = "id"};
        ASSERT_NO_FATAL_FAILURE(expect_sane(stored, request, now));
        stored.check(request, now);
      }
      for (std::size_t i = 0; i < stored.limits().size(); ++i) ASSERT_GE(stored.used(i, now), kNoUnits);
      ASSERT_LE(stored.idle_at(), kLatest + 2 * kMaxSpan + 1s);
    }
    const Request forced{.cost = kMaxUnits, .mode = Mode::force, .longest_wait = {}, .id = "id"};
    ASSERT_NO_FATAL_FAILURE(expect_sane(stored, forced, now));
    ASSERT_NE(decode(encode(stored)), nullptr);
  }
}

inline constexpr Algorithm kAlgorithms[] = {
    Algorithm::token_bucket, Algorithm::fixed_window, Algorithm::sliding_window_log,     Algorithm::leaky_bucket,
    Algorithm::quota,        Algorithm::concurrent,   Algorithm::sliding_window_counter, Algorithm::sliding_window_log};

/// A request in any mode, and within the bounds of its arguments.
inline Request random_asked(Random& random, const LimitSpec& spec, Units cost, const Decision& last) {
  Request request = random_request(random, spec, cost, last);
  request.longest_wait = std::min(request.longest_wait, kMaxSpan);
  if (request.id.empty()) request.id = "nobody";
  return request;
}

/// Any operation that there may be.
inline Operation random_done(Random& random, const LimitSpec& spec, Units units, Instant now) {
  if (!random.one_in(3)) return random_operation(random, spec, units, now);
  const Span ttl = std::max(random_time_to_live(random, spec), kMinSpan);
  return {
      .kind = Operation::Kind::reserve, .at = now, .units = units, .span = ttl, .id = random.one_of({"a", "b", "f"})};
}

/// Up to four limits and what is left of some random calls and, in one of two, operations.
inline std::unique_ptr<Stored> random_stored(Random& random) {
  std::vector<LimitSpec> specs;
  for (std::uint64_t n = 1 + random.below(4); n > 0; --n) {
    specs.push_back(random_spec(random, kAlgorithms[random.below(std::size(kAlgorithms))]));
    // Round numbers, whose fractions of a nanosecond add up to whole ones.
    if (random.one_in(4)) specs.back() = bucket(random.between(1, 20), random.between(1, 20), 1s);
    specs.back().per_request = random.one_in(4);
  }
  if (random.one_in(2)) specs.back().label = "label";
  for (LimitSpec& spec : specs) {
    if (!spec.zone.empty() && random.one_in(2)) spec.zone = "Europe/Berlin", spec.rules = &kBerlin;
  }
  auto stored = std::make_unique<Stored>(specs);
  const bool is_plain = random.one_in(2);
  Instant now = random_instant(random);
  Decision last;
  for (std::uint64_t calls = random.below(40); calls > 0; --calls) {
    const auto [gap, cost] = random_call(random, specs[0], last, {100});
    now = std::min(now + gap, kLatest);
    if (!is_plain && random.one_in(3)) {
      stored->perform(random_done(random, specs[0], cost, now));
    } else {
      last = stored->check(
          is_plain ? Request{.cost = cost, .id = "nobody"} : random_asked(random, specs[0], cost, last), now);
    }
  }
  return stored;
}

/// Secrets as no server makes them, so that they can be recognised.
inline SubjectTableHead head_of(bool is_stored, bool is_shadow) {
  SubjectTableHead head{.is_stored = is_stored, .is_shadow = is_shadow};
  for (std::size_t i = 0; i < head.secret.size(); ++i) head.secret[i] = static_cast<std::uint8_t>(i);
  return head;
}
inline const std::string kSecret = "000102030405060708090a0b0c0d0e0f";

}  // namespace ratelimit::tests

#endif  // RATELIMIT_TESTS_STORED_H
