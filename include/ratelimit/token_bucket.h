// A bucket that holds `capacity` units and refills continuously with `refill` units per `period`.
//
// Decided by the generic cell rate algorithm (ITU-T I.371, annex A; "virtual scheduling"): the state is one instant,
// `full_at`, when the bucket will be full again. A charge moves it `cost` emission intervals further; a call is
// granted if it stays within `capacity` intervals from now.
//
//     now                 full_at          now + capacity * interval
//      |--- units in use ----|---- units left ----|          ---> time
//
// The emission interval period/refill is kept as a reduced fraction of nanoseconds, and the state keeps the fraction
// of a nanosecond that is left over, so that nothing ever drifts. Depends on units and decisions only.
#ifndef RATELIMIT_TOKEN_BUCKET_H
#define RATELIMIT_TOKEN_BUCKET_H

#include <algorithm>
#include <compare>
#include <cstdint>
#include <numeric>
#include <optional>

#include "ratelimit/decision.h"
#include "ratelimit/units.h"

namespace ratelimit {

class TokenBucket {
 public:
  /// When the bucket is full again: `full_at` plus `fraction / denominator` of a nanosecond, where the denominator
  /// is that of the bucket's emission interval. Default: full, as if never used.
  struct State {
    Instant full_at{};
    std::uint32_t fraction = 0;

    friend constexpr auto operator<=>(const State&, const State&) = default;
  };
  using Change = State;

  /// A bucket of `capacity` units that gets `refill` units back per `period`; none if a number is out of its range,
  /// or if refilling from empty takes longer than kMaxSpan.
  [[nodiscard]] static constexpr std::optional<TokenBucket> make(Units capacity, Units refill, Span period) {
    if (!in_range(capacity) || !in_range(refill) || !in_range(period)) return std::nullopt;
    if (!refills_in_time(capacity, refill, period)) return std::nullopt;
    return TokenBucket(capacity, refill, period);
  }

  /// Whether a bucket with these numbers, each in its range, refills from empty within kMaxSpan.
  [[nodiscard]] static constexpr bool refills_in_time(Units capacity, Units refill, Span period) {
    return Wide(period.count()) * Wide(capacity.count()) <= Wide(kMaxSpan.count()) * Wide(refill.count());
  }

  [[nodiscard]] constexpr Units size() const { return capacity_; }

  /// Decides a call of `cost` units. Pure and total; O(1), two divisions.
  [[nodiscard]] constexpr Step<Change> decide(const State& state, Units cost, Instant now) const {
    const State current = normalised(state, now);
    const State ceiling = later({now, 0}, full_span_);
    if (cost > capacity_) return {refusal(Outcome::never, current, ceiling, Span{}, now), state};

    const State next = later(current, span_of(cost));
    if (next > ceiling) {
      return {refusal(Outcome::denied, current, ceiling, rounded_up(difference(next, ceiling)), now), state};
    }
    return {{.outcome = Outcome::granted,
             .granted = cost,
             .size = capacity_,
             .remaining = whole_units(difference(ceiling, next)),
             .wait = Span{},
             .reset = idle_at(next) - now},
            next};
  }

  static constexpr void apply(State& state, const Change& change) { state = change; }

  /// Whether a change that comes from elsewhere can be applied. It replaces the state, whatever that is.
  [[nodiscard]] static constexpr bool accepts(const State&, const Change&) { return true; }

  /// Whether `state` is more than an empty bucket at `now`: of a clock that was ahead, or of a larger bucket. It
  /// counts as an empty one, and does so for good once it is clamped.
  [[nodiscard]] constexpr bool is_ahead(const State& state, Instant now) const {
    return state > later({now, 0}, full_span_);
  }
  constexpr void clamp(State& state, Instant now) const {
    if (is_ahead(state, now)) state = normalised(state, now);
  }

  /// Units that count against the bucket at `now`, rounded up.
  [[nodiscard]] constexpr Units used(const State& state, Instant now) const {
    const State ceiling = later({now, 0}, full_span_);
    return capacity_ - whole_units(difference(ceiling, normalised(state, now)));
  }

  /// The state in which `used` units (at most `capacity`) have just been taken.
  [[nodiscard]] constexpr State with_used(Units used, Instant now) const {
    return used == kNoUnits ? State{} : later({now, 0}, span_of(used));
  }

  /// Whether a state of `other` means the same under this limit: the units flow back at the same rate.
  [[nodiscard]] constexpr bool keeps_state_of(const TokenBucket& other) const {
    return numerator_ == other.numerator_ && denominator_ == other.denominator_;
  }

  /// From when on `state` behaves as if never used.
  [[nodiscard]] static constexpr Instant idle_at(const State& state) {
    return state.full_at + Span{state.fraction > 0 ? 1 : 0};
  }

  /// Whether a decoded state could be one of this limit's. Any such state is safe to decide on.
  [[nodiscard]] constexpr bool is_valid(const State& state) const {
    return state.fraction < denominator_ && kEarliest <= state.full_at && state.full_at <= kLatest + kMaxSpan;
  }

 private:
  __extension__ using Wide = unsigned __int128;

  /// A length of time, exact: `whole` nanoseconds and `fraction / denominator_` of one.
  struct ExactSpan {
    Span whole;
    std::uint32_t fraction;
  };

  constexpr TokenBucket(Units capacity, Units refill, Span period)
      : capacity_(capacity),
        numerator_(period.count() / std::gcd(period.count(), refill.count())),
        denominator_(static_cast<std::uint32_t>(refill.count() / std::gcd(period.count(), refill.count()))),
        interval_{Span{numerator_ / denominator_}, static_cast<std::uint32_t>(numerator_ % denominator_)},
        full_span_(span_of(capacity)) {}

  /// `units` emission intervals. The product of two 32-bit numbers leaves room in 64 bits for nothing more, which is
  /// why the whole nanoseconds and the fraction are multiplied apart.
  [[nodiscard]] constexpr ExactSpan span_of(Units units) const {
    const auto count = static_cast<std::uint64_t>(units.count());
    const Span whole = interval_.whole * units.count();
    if (interval_.fraction == 0) return {whole, 0};
    const std::uint64_t parts = count * interval_.fraction;
    return {whole + Span{static_cast<std::int64_t>(parts / denominator_)},
            static_cast<std::uint32_t>(parts % denominator_)};
  }

  [[nodiscard]] constexpr State later(const State& state, ExactSpan span) const {
    const std::uint64_t parts = std::uint64_t{state.fraction} + span.fraction;
    const bool carry = parts >= denominator_;
    return {state.full_at + span.whole + Span{carry ? 1 : 0},
            static_cast<std::uint32_t>(carry ? parts - denominator_ : parts)};
  }

  /// `to - from`, for from <= to.
  [[nodiscard]] constexpr ExactSpan difference(const State& to, const State& from) const {
    const bool borrow = to.fraction < from.fraction;
    const std::uint64_t parts = std::uint64_t{to.fraction} + (borrow ? denominator_ : 0U) - from.fraction;
    return {to.full_at - from.full_at - Span{borrow ? 1 : 0}, static_cast<std::uint32_t>(parts)};
  }

  /// One rule for all that a stored state can be at `now`: long idle, of a clock that was ahead, of a bucket that
  /// was larger. An instant in the past is a full bucket, one too far ahead an empty one.
  [[nodiscard]] constexpr State normalised(const State& state, Instant now) const {
    return std::clamp(state, State{now, 0}, later({now, 0}, full_span_));
  }

  /// How many whole emission intervals fit into `span`: rounds down.
  [[nodiscard]] constexpr Units whole_units(ExactSpan span) const {
    const Wide parts = Wide(span.whole.count()) * denominator_ + span.fraction;
    const auto low = static_cast<std::uint64_t>(parts);
    // A division of 64 bits is several times cheaper than one of 128, and nearly always enough.
    if (parts == low) return Units(static_cast<std::int64_t>(low / static_cast<std::uint64_t>(numerator_)));
    return Units(static_cast<std::int64_t>(parts / static_cast<std::uint64_t>(numerator_)));
  }

  [[nodiscard]] static constexpr Span rounded_up(ExactSpan span) {
    return span.whole + Span{span.fraction > 0 ? 1 : 0};
  }

  [[nodiscard]] constexpr Decision refusal(Outcome outcome, const State& current, const State& ceiling, Span wait,
                                           Instant now) const {
    return {.outcome = outcome,
            .granted = kNoUnits,
            .size = capacity_,
            .remaining = whole_units(difference(ceiling, current)),
            .wait = wait,
            .reset = idle_at(current) - now};
  }

  Units capacity_;
  std::int64_t numerator_;     ///< of the emission interval in nanoseconds, reduced
  std::uint32_t denominator_;  ///< of the same
  ExactSpan interval_;         ///< numerator_ / denominator_, divided once
  ExactSpan full_span_;        ///< capacity_ intervals: from empty to full
};

static_assert(sizeof(TokenBucket::State) == 16);

}  // namespace ratelimit

#endif  // RATELIMIT_TOKEN_BUCKET_H
