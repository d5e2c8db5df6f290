// SPDX-License-Identifier: MIT
// A bucket that holds `capacity` units and refills continuously with `refill` units per `period`.
//
// This is the generic cell rate algorithm (ITU-T I.371, annex A; "virtual scheduling"). The state is one instant,
// `full_at`, when the bucket will be full again. A charge moves it `cost` emission intervals further. A call is
// granted if `full_at` then lies within `capacity` intervals from now.
//
//     now                 full_at          now + capacity * interval
//      |--- units in use ----|---- units left ----|---- debt ----          ---> time
//
// The emission interval period/refill is kept as a reduced fraction of nanoseconds, and the state keeps the fraction
// of a nanosecond that is left over. So nothing ever drifts. Depends on limit specs, decisions and units.
#ifndef RATELIMIT_ALGORITHMS_TOKEN_BUCKET_H
#define RATELIMIT_ALGORITHMS_TOKEN_BUCKET_H

#include <algorithm>
#include <compare>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string_view>

#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/decision.h"
#include "ratelimit/units.h"

namespace ratelimit {

class TokenBucket {
 public:
  static constexpr Algorithm kNumber = Algorithm::token_bucket;
  static constexpr std::string_view kKeyword = "TOKENBUCKET";
  static constexpr LimitFields kFields{.refill = true, .span = true};

  /// The bucket is full again at `full_at` plus `fraction / denominator` of a nanosecond. The denominator is that of
  /// the bucket's emission interval. `debt` is by how many units, rounded up, the last charge went beyond an empty
  /// bucket: without it, debt would look like a state from a clock that was ahead. Default: full, as if never used.
  struct State {
    Instant full_at{};
    std::uint32_t fraction = 0;
    std::uint32_t debt = 0;

    friend constexpr bool operator==(const State&, const State&) = default;
  };
  using Change = State;

  /// A bucket of `capacity` units that gets `refill` units back per `period`; none if a number is out of its range,
  /// or if refilling from empty takes longer than kMaxSpan.
  [[nodiscard]] static constexpr std::optional<TokenBucket> make(Units capacity, Units refill, Span period) {
    if (!in_range(capacity) || !in_range(refill) || !in_range(period)) return std::nullopt;
    if (!refills_in_time(capacity, refill, period)) return std::nullopt;
    return TokenBucket(capacity, refill, period);
  }

  [[nodiscard]] static constexpr std::optional<TokenBucket> make(const LimitSpec& spec) {
    return make(spec.size, spec.refill, spec.span);
  }

  /// Whether a bucket with these numbers, each in its range, refills from empty within kMaxSpan.
  [[nodiscard]] static constexpr bool refills_in_time(Units capacity, Units refill, Span period) {
    return Wide(period.count()) * Wide(capacity.count()) <= Wide(kMaxSpan.count()) * Wide(refill.count());
  }

  [[nodiscard]] constexpr Units size() const { return capacity_; }

  /// The time that the size is for, as HTTP clients are told: that in which an empty bucket becomes full, rounded up.
  [[nodiscard]] constexpr std::optional<Span> window() const { return rounded_up(full_span_); }

  /// How much longer than needed a state may be kept, so that not every call must move the end of its key: the time in
  /// which sixteen units flow back, or a quarter of the capacity if that is less.
  [[nodiscard]] constexpr Span slack() const {
    return span_of(Units(std::min<std::int64_t>(16, capacity_.count() / 4))).whole;
  }

  /// The denominator of `State::fraction`, which is always less.
  [[nodiscard]] constexpr std::uint32_t parts_of_a_nanosecond() const { return denominator_; }

  /// Decides a call. Pure and total; O(1): two divisions, and some more for a forced call.
  [[nodiscard]] constexpr Step<Change> decide(const State& state, const Ask& ask, Instant now) const {
    const Level current = level_at(state, now);
    const Level ceiling = later({now, 0}, full_span_);
    if (ask.force) return {forced(current, ceiling, ask.cost, now), charged(current, ceiling, ask.cost)};
    if (ask.cost > capacity_) return {refusal(Outcome::never, current, ceiling, Span{}, now), state};

    const Level next = later(current, span_of(ask.cost));
    if (next > ceiling) {
      return {refusal(Outcome::denied, current, ceiling, rounded_up(difference(next, ceiling)), now), state};
    }
    return {{.outcome = Outcome::granted,
             .granted = ask.cost,
             .size = capacity_,
             .remaining = whole_units(difference(ceiling, next)),
             .wait = Span{},
             .reset = rounded_up(next) - now},
            {next.whole, next.fraction, 0}};
  }

  static constexpr void apply(State& state, const Change& change, std::string_view = {}) { state = change; }

  /// Whether a change from another server can be applied. It always can: it replaces the state, whatever that is.
  [[nodiscard]] static constexpr bool accepts(const State&, const Change&, std::string_view = {}) { return true; }

  /// Gives back up to `units` of the units that count at `now`, but none of the `newer` ones that were charged last.
  constexpr void give_back(State& state, Units units, Units newer, Instant now) const {
    const Level current = level_at(state, now);
    const Level of_others = later({now, 0}, capped_span_of(newer));
    if (units == kNoUnits || current <= of_others) return;
    const ExactSpan back = std::min(capped_span_of(units), difference(current, of_others));
    state = charged(earlier(current, back), later({now, 0}, full_span_), kNoUnits);
  }

  /// Whether `state` counts more than an empty bucket and its debt at `now`. It is then from a clock that was ahead,
  /// or from a larger bucket, and counts as empty with its debt. Clamping makes that its value.
  [[nodiscard]] constexpr bool is_ahead(const State& state, Instant now) const {
    return Level{state.full_at, state.fraction} > latest_level(state, now);
  }
  constexpr void clamp(State& state, Instant now) const {
    if (is_ahead(state, now)) state = charged(level_at(state, now), later({now, 0}, full_span_), kNoUnits);
  }

  /// Units that count at `now`, rounded up. Units beyond the capacity are debt.
  [[nodiscard]] constexpr Units used(const State& state, Instant now) const {
    return units_rounded_up(difference(level_at(state, now), {now, 0}));
  }

  /// Until the bucket is full, rounded up to a nanosecond.
  [[nodiscard]] constexpr Span until_full(const State& state, Instant now) const {
    return rounded_up(level_at(state, now)) - now;
  }

  /// The state of a bucket from which `used` units (at most its capacity) have just been taken.
  [[nodiscard]] constexpr State with_used(Units used, Instant now) const {
    if (used == kNoUnits) return {};
    const Level level = later({now, 0}, span_of(used));
    return {level.whole, level.fraction, 0};
  }

  /// Whether a state of `other` means the same under this limit: both refill at the same rate.
  [[nodiscard]] constexpr bool keeps_state_of(const TokenBucket& other) const {
    return numerator_ == other.numerator_ && denominator_ == other.denominator_;
  }

  /// The instant from which on `state` behaves as if never used.
  [[nodiscard]] static constexpr Instant idle_at(const State& state) {
    return rounded_up(Level{state.full_at, state.fraction});
  }

  /// Whether a decoded state could belong to this limit. Any such state is safe to decide on.
  [[nodiscard]] constexpr bool is_valid(const State& state) const {
    const Span furthest = kMaxSpan * (state.debt > 0 ? 2 : 1);
    return state.fraction < denominator_ && kEarliest <= state.full_at && state.full_at <= kLatest + furthest &&
           Units(state.debt) <= largest_debt();
  }

  /// The bytes of a state, and of a change, which is one; docs/format.md has the form. `Out` and `In` are the Writer
  /// and the Reader of codec/bytes.h, which no algorithm includes. Debt follows only if there is some.
  template <class Out>
  static void write(Out& out, const State& state) {
    out.u64(static_cast<std::uint64_t>(state.full_at.time_since_epoch().count()) | (state.debt > 0 ? kIndebted : 0));
    out.u32(state.fraction);
    if (state.debt > 0) out.u32(state.debt);
  }
  template <class In>
  void read(In& in, State& state) const {
    State read;
    const std::uint64_t full_at = in.u64();
    read.full_at = Instant{Span{static_cast<std::int64_t>(full_at & ~kIndebted)}};
    read.fraction = in.u32();
    if ((full_at & kIndebted) != 0) {
      read.debt = in.u32();
      in.require(read.debt > 0);
    }
    if (in.require(is_valid(read))) state = read;
  }

 private:
  // No instant is negative, so the sign of `full_at` is free to say that debt follows.
  static constexpr std::uint64_t kIndebted = std::uint64_t{1} << 63U;

  __extension__ using Wide = unsigned __int128;

  /// A length of time, exact: `whole` nanoseconds and `fraction / denominator_` of one.
  struct ExactSpan {
    Span whole;
    std::uint32_t fraction;

    friend constexpr auto operator<=>(const ExactSpan&, const ExactSpan&) = default;
  };

  /// An exact instant, in the same parts.
  struct Level {
    Instant whole;
    std::uint32_t fraction;

    friend constexpr auto operator<=>(const Level&, const Level&) = default;
  };

  constexpr TokenBucket(Units capacity, Units refill, Span period)
      : capacity_(capacity),
        numerator_(period.count() / std::gcd(period.count(), refill.count())),
        denominator_(static_cast<std::uint32_t>(refill.count() / std::gcd(period.count(), refill.count()))),
        interval_{Span{numerator_ / denominator_}, static_cast<std::uint32_t>(numerator_ % denominator_)},
        full_span_(span_of(capacity)) {}

  /// `units` emission intervals; at most as many units as flow back within two kMaxSpan. The whole nanoseconds and the
  /// fraction are multiplied separately: a product of two 32-bit numbers fills 64 bits. A bucket and its debt together
  /// may have twice as many units, and then the product of the fraction needs 128 bits.
  [[nodiscard]] constexpr ExactSpan span_of(Units units) const {
    const Span whole = interval_.whole * units.count();
    if (interval_.fraction == 0) return {whole, 0};
    const Wide parts = Wide(units.count()) * interval_.fraction;
    const auto low = static_cast<std::uint64_t>(parts);
    if (parts == low) {
      return {whole + Span{static_cast<std::int64_t>(low / denominator_)},
              static_cast<std::uint32_t>(low % denominator_)};
    }
    return {whole + Span{static_cast<std::int64_t>(parts / denominator_)},
            static_cast<std::uint32_t>(parts % denominator_)};
  }

  /// The same for any count, cut to the longest time that a bucket and its debt can last.
  [[nodiscard]] constexpr ExactSpan capped_span_of(Units units) const {
    return units <= capacity_ + largest_debt() ? span_of(units) : ExactSpan{2 * kMaxSpan, 0};
  }

  /// A debt ends within kMaxSpan, and has no more units than the largest limit.
  [[nodiscard]] constexpr Units largest_debt() const { return std::min(whole_units({kMaxSpan, 0}), kMaxUnits); }

  [[nodiscard]] constexpr Level later(const Level& level, ExactSpan span) const {
    const std::uint64_t parts = std::uint64_t{level.fraction} + span.fraction;
    const bool carry = parts >= denominator_;
    return {level.whole + span.whole + Span{carry ? 1 : 0},
            static_cast<std::uint32_t>(carry ? parts - denominator_ : parts)};
  }

  [[nodiscard]] constexpr Level earlier(const Level& level, ExactSpan span) const {
    const ExactSpan left = difference(level, {Instant{span.whole}, span.fraction});
    return {Instant{left.whole}, left.fraction};
  }

  /// `to - from`, for from <= to.
  [[nodiscard]] constexpr ExactSpan difference(const Level& to, const Level& from) const {
    const bool borrow = to.fraction < from.fraction;
    const std::uint64_t parts = std::uint64_t{to.fraction} + (borrow ? denominator_ : 0U) - from.fraction;
    return {to.whole - from.whole - Span{borrow ? 1 : 0}, static_cast<std::uint32_t>(parts)};
  }

  /// The latest level that a state with this debt can have at `now`.
  [[nodiscard]] constexpr Level latest_level(const State& state, Instant now) const {
    const Level ceiling = later({now, 0}, full_span_);
    return state.debt == 0 ? ceiling : later(ceiling, span_of(Units(state.debt)));
  }

  /// One rule for every stored state: a level in the past is a full bucket (long idle); a level too far ahead is an
  /// empty bucket with its debt (from a clock that was ahead, or a larger bucket).
  [[nodiscard]] constexpr Level level_at(const State& state, Instant now) const {
    return std::clamp(Level{state.full_at, state.fraction}, Level{now, 0}, latest_level(state, now));
  }

  /// The state after a charge of any cost. Units beyond the largest debt are not charged.
  [[nodiscard]] constexpr State charged(const Level& current, const Level& ceiling, Units cost) const {
    Level next = later(current, capped_span_of(cost));
    if (next <= ceiling) return {next.whole, next.fraction, 0};
    next = std::min(next, later(ceiling, span_of(largest_debt())));
    const Units debt = units_rounded_up(difference(next, ceiling));
    return {next.whole, next.fraction, static_cast<std::uint32_t>(debt.count())};
  }

  /// The number of whole emission intervals in `span`: rounds down.
  [[nodiscard]] constexpr Units whole_units(ExactSpan span) const {
    const Wide parts = Wide(span.whole.count()) * denominator_ + span.fraction;
    const auto low = static_cast<std::uint64_t>(parts);
    // Nearly always 64 bits are enough, and their division is several times cheaper than one of 128 bits.
    if (parts == low) return Units(static_cast<std::int64_t>(low / static_cast<std::uint64_t>(numerator_)));
    const Wide units = parts / static_cast<std::uint64_t>(numerator_);
    // The result may exceed 64 bits. It then only has to be larger than any count.
    return Units(static_cast<std::int64_t>(std::min(units, Wide{std::uint64_t{1} << 62U})));
  }

  [[nodiscard]] constexpr Units units_rounded_up(ExactSpan span) const {
    const Units down = whole_units(span);
    return span_of(down) < span ? down + Units(1) : down;
  }

  [[nodiscard]] static constexpr Span rounded_up(ExactSpan span) {
    return span.whole + Span{span.fraction > 0 ? 1 : 0};
  }
  [[nodiscard]] static constexpr Instant rounded_up(const Level& level) {
    return level.whole + Span{level.fraction > 0 ? 1 : 0};
  }

  [[nodiscard]] constexpr Units left_below(const Level& ceiling, const Level& level) const {
    return level < ceiling ? whole_units(difference(ceiling, level)) : kNoUnits;
  }

  [[nodiscard]] constexpr Decision forced(const Level& current, const Level& ceiling, Units cost, Instant now) const {
    const State next = charged(current, ceiling, cost);
    const Level level{next.full_at, next.fraction};
    return {.outcome = Outcome::granted,
            .granted = cost,
            .size = capacity_,
            .remaining = left_below(ceiling, level),
            .wait = next.debt > 0 ? rounded_up(difference(level, ceiling)) : Span{},
            .reset = rounded_up(level) - now};
  }

  [[nodiscard]] constexpr Decision refusal(Outcome outcome, const Level& current, const Level& ceiling, Span wait,
                                           Instant now) const {
    return {.outcome = outcome,
            .granted = kNoUnits,
            .size = capacity_,
            .remaining = left_below(ceiling, current),
            .wait = wait,
            .reset = rounded_up(current) - now};
  }

  Units capacity_;
  std::int64_t numerator_;     ///< of the emission interval in nanoseconds, reduced
  std::uint32_t denominator_;  ///< of the same
  ExactSpan interval_;         ///< numerator_ / denominator_, divided once
  ExactSpan full_span_;        ///< capacity_ intervals: from empty to full
};

static_assert(sizeof(TokenBucket::State) == 16);

}  // namespace ratelimit

#endif  // RATELIMIT_ALGORITHMS_TOKEN_BUCKET_H
