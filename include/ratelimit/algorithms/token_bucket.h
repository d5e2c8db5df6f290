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
// of a nanosecond that is left over. So nothing ever drifts.
//
// A bucket that is made smaller is empty at most. The units that it was emptied of beyond that are its cut-off: they
// flow back once the bucket is full, and count again if the bucket is made larger before. So a bucket that is made
// smaller and larger again grants no more than the larger one alone (docs/adr/0025). Depends on limit specs, decisions
// and units.
#ifndef RATELIMIT_ALGORITHMS_TOKEN_BUCKET_H
#define RATELIMIT_ALGORITHMS_TOKEN_BUCKET_H

#include <algorithm>
#include <compare>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string_view>

#include "ratelimit/algorithms/bucket_state.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/decision.h"
#include "ratelimit/units.h"

namespace ratelimit {

class TokenBucket {
 public:
  static constexpr Algorithm kNumber = Algorithm::token_bucket;
  static constexpr std::string_view kKeyword = "TOKENBUCKET";
  static constexpr LimitFields kFields{.refill = true, .span = true};

  using State = BucketState;
  using Change = State;

  /// A bucket of `capacity` units that gets `refill` units back per `period`; none if a number is out of its range,
  /// or if refilling from empty takes longer than kMaxSpan.
  [[nodiscard]] static constexpr std::optional<TokenBucket> make(Units capacity, Units refill, Span period) {
    if (!is_size(capacity, kMax32BitUnits) || !in_range(refill, kMax32BitUnits) || !in_range(period))
      return std::nullopt;
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
  /// Of a closed bucket, the time in which one unit would flow back.
  [[nodiscard]] constexpr std::optional<Span> window() const { return recovery(); }

  /// How much longer than needed a state may be kept, so that not every call must move the end of its key: the time in
  /// which sixteen units flow back, or a quarter of the capacity if that is less.
  [[nodiscard]] constexpr Span slack() const {
    return span_of(Units(std::min<std::int64_t>(16, capacity_.count() / 4))).whole;
  }

  /// The longest time from full use to idle, without debt.
  [[nodiscard]] constexpr Span recovery() const { return rounded_up(span_of(std::max(capacity_, kMinUnits))); }

  /// The denominator of `State::fraction`, which is always less.
  [[nodiscard]] constexpr std::uint32_t parts_of_a_nanosecond() const { return denominator_; }

  /// Decides a call. Pure and total; O(1): a division, another one if it costs more than 1, and some more if it is forced.
  [[nodiscard]] constexpr Step<Change> decide(const State& state, const Ask& ask, Instant now) const {
    const Level ceiling = later({now, 0}, full_span_);
    const Level current = level_below(ceiling, state, now);
    if (ask.force && ask.cost == kNoUnits) return {left_now(current, ceiling, now), state};
    if (ask.force) {
      const State next = charged(current, ceiling, ask.cost, cut_off(state, now));
      return {forced(next, ceiling, ask.cost, now), next};
    }
    if (std::max(ask.cost, kMinUnits) > capacity_)
      return {refusal(Outcome::never, current, ceiling, Span{}, now), state};

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
            state.has_cut_off() ? with_cut_off(next, cut_off(state, now)) : State{next.whole, next.fraction}};
  }

  static constexpr void apply(State& state, const Change& change, std::string_view = {}) { state = change; }

  /// Whether a change from another server can be applied. It always can: it replaces the state, whatever that is.
  [[nodiscard]] static constexpr bool accepts(const State&, const Change&, std::string_view = {}) { return true; }

  /// Gives back up to `units` of the units that count at `now`, but none of the `newer` ones that were charged last.
  /// What is more than the bucket has lent is given back of what it was cut off.
  constexpr void give_back(State& state, Units units, Units newer, Instant now) const {
    const Level current = level_at(state, now);
    const Level of_others = later({now, 0}, capped_span_of(newer));
    const bool has_lent = current > of_others;
    if (units == kNoUnits || (!has_lent && !state.has_cut_off())) return;
    const ExactSpan most = has_lent ? difference(current, of_others) : ExactSpan{};
    const Units cut = cut_off(state, now);
    const Units newer_cut = std::max(newer - units_rounded_up(difference(current, {now, 0})), kNoUnits);
    const Units rest =
        std::min(std::max(units - units_rounded_up(most), kNoUnits), std::max(cut - newer_cut, kNoUnits));
    if (!has_lent && rest == kNoUnits) return;
    const Level next = earlier(current, std::min(capped_span_of(units), most));
    state = charged(next, later({now, 0}, full_span_), kNoUnits, cut - rest);
  }

  /// Whether `state` counts more than an empty bucket and its debt at `now`. It is then from a clock that was ahead,
  /// and counts as empty with its debt. Clamping makes that its value.
  [[nodiscard]] constexpr bool is_ahead(const State& state, Instant now) const {
    return level_of(state) > latest_level(state, now);
  }
  constexpr void clamp(State& state, Instant now) const {
    if (!is_ahead(state, now)) return;
    const Units cut = state.has_cut_off() ? Units(state.debt) : kNoUnits;
    state = charged(level_at(state, now), later({now, 0}, full_span_), kNoUnits, cut);
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

  /// The state of `other` under this limit: the same units are used, to the fraction. The bucket is empty at most; the
  /// rest is its cut-off. A longer interval rounds up to a whole `1 / parts_of_a_nanosecond()`.
  [[nodiscard]] constexpr State adopted(const State& state, const TokenBucket& other, Instant now) const {
    const ExactSpan used = difference(other.level_at(state, now), {now, 0});
    const Units whole = other.whole_units(used) + other.cut_off(state, now);
    const Wide rest = other.parts_of(used) % static_cast<std::uint64_t>(other.numerator_);
    if (whole >= capacity_) {
      const Units cut = whole - capacity_ + Units(rest > 0 ? 1 : 0);
      if (capacity_ == kNoUnits && cut == kNoUnits) return {};
      return with_cut_off(later({now, 0}, full_span_), std::min(cut, largest_debt()));
    }
    // `rest` parts of the other's nanoseconds are less than one of its intervals: rest / other.numerator_ units.
    const auto divisor = static_cast<std::uint64_t>(other.numerator_);
    const Wide parts = (rest * static_cast<std::uint64_t>(numerator_) + divisor - 1) / divisor;
    const ExactSpan fraction{Span{static_cast<std::int64_t>(parts / denominator_)},
                             static_cast<std::uint32_t>(parts % denominator_)};
    const Level level = std::min(later(later({now, 0}, span_of(whole)), fraction), later({now, 0}, full_span_));
    return level.whole == now && level.fraction == 0 ? State{} : State{level.whole, level.fraction};
  }

  /// Lets at most the capacity count as used, and nothing as cut off.
  constexpr void cap(State& state, Instant now) const {
    if (state.debt == 0) return;
    const Level level = std::min(level_at(state, now), later({now, 0}, full_span_));
    state = level.whole == now && level.fraction == 0 ? State{} : State{level.whole, level.fraction};
  }

  /// The instant from which on `state` behaves as if never used, also if the bucket is made larger.
  [[nodiscard]] constexpr Instant idle_at(const State& state) const {
    if (!state.has_cut_off()) return rounded_up(level_of(state));
    return rounded_up(later(level_of(state), span_of(Units(state.debt))));
  }

  /// Whether a decoded state could belong to this limit. Any such state is safe to decide on.
  [[nodiscard]] constexpr bool is_valid(const State& state) const {
    const Span furthest = kMaxSpan * (state.debt > 0 ? 2 : 1);
    return state.fraction < denominator_ && kEarliest <= state.full_at() && state.full_at() <= kLatest + furthest &&
           Units(state.debt) <= largest_debt() && (!state.has_cut_off() || state.debt > 0);
  }

  /// The bytes of a state, and of a change, which is one; docs/format.md has the form. `Out` and `In` are the Writer
  /// and the Reader of codec/bytes.h, which no algorithm includes. Debt or cut-off follows only if there is some.
  template <class Out>
  static void write(Out& out, const State& state) {
    const auto full_at = static_cast<std::uint64_t>(state.full_at().time_since_epoch().count());
    out.u64(full_at | (state.debt > 0 ? kMoreFollows : 0));
    out.u32(state.fraction);
    if (state.debt == 0) return;
    out.u8(state.has_cut_off() ? 1 : 0);
    out.u32(state.debt);
  }
  template <class In>
  void read(In& in, State& state) const {
    State read;
    const std::uint64_t full_at = in.u64();
    read.nanoseconds = full_at & ~kMoreFollows;
    read.fraction = in.u32();
    if ((full_at & kMoreFollows) != 0) {
      const std::uint8_t is_cut_off = in.u8();
      in.require(is_cut_off <= 1);
      if (is_cut_off == 1) read.nanoseconds |= State::kCutOff;
      read.debt = in.u32();
      in.require(read.debt > 0);
    }
    if (in.require(is_valid(read))) state = read;
  }

 private:
  // No instant is negative, so the sign of `full_at` is free to say that debt or cut-off follows.
  static constexpr std::uint64_t kMoreFollows = std::uint64_t{1} << 63U;

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
    if (units == kMinUnits) return interval_;  // nearly always, and without a division
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
    const bool lasts_so_long = units > capacity_ && units > capacity_ + largest_debt();  // the second divides 128 bits
    return lasts_so_long ? ExactSpan{2 * kMaxSpan, 0} : span_of(units);
  }

  /// A debt ends within kMaxSpan, and has no more units than the largest bucket.
  [[nodiscard]] constexpr Units largest_debt() const { return std::min(whole_units({kMaxSpan, 0}), kMax32BitUnits); }

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

  /// A length of time in parts of a nanosecond.
  [[nodiscard]] constexpr Wide parts_of(ExactSpan span) const {
    return Wide(span.whole.count()) * denominator_ + span.fraction;
  }

  [[nodiscard]] static constexpr Level level_of(const State& state) { return {state.full_at(), state.fraction}; }

  /// The units that the bucket was cut off and that have not flowed back at `now`, rounded up.
  [[nodiscard]] constexpr Units cut_off(const State& state, Instant now) const {
    if (!state.has_cut_off()) [[likely]]
      return kNoUnits;
    const Level full = level_of(state);
    if (full >= Level{now, 0}) return Units(state.debt);
    const Level flowed_back = later(full, span_of(Units(state.debt)));
    return flowed_back > Level{now, 0} ? units_rounded_up(difference(flowed_back, {now, 0})) : kNoUnits;
  }
  [[nodiscard]] static constexpr State with_cut_off(const Level& level, Units cut) {
    State state{level.whole, level.fraction, static_cast<std::uint32_t>(cut.count())};
    if (cut > kNoUnits) [[unlikely]]
      state.nanoseconds |= State::kCutOff;
    return state;
  }

  /// The latest level that a state with this debt can have at `now`.
  [[nodiscard]] constexpr Level latest_level(const State& state, Instant now) const {
    return latest_level(state, later({now, 0}, full_span_));
  }
  [[nodiscard]] constexpr Level latest_level(const State& state, const Level& ceiling) const {
    return state.debt == 0 || state.has_cut_off() ? ceiling : later(ceiling, span_of(Units(state.debt)));
  }

  /// One rule for every stored state: a level in the past is a full bucket (long idle); a level too far ahead is an
  /// empty bucket with its debt (from a clock that was ahead).
  [[nodiscard]] constexpr Level level_at(const State& state, Instant now) const {
    return level_below(later({now, 0}, full_span_), state, now);
  }
  /// The same where the level of an empty bucket at `now` is known.
  [[nodiscard, gnu::always_inline]] constexpr Level level_below(const Level& ceiling, const State& state,
                                                                Instant now) const {
    const Level level = level_of(state);
    if (level.whole < now) return {now, 0};
    return level <= ceiling ? level : std::min(level, latest_level(state, ceiling));
  }

  /// The state after a charge of any cost. Units beyond the largest debt are not charged. In debt, what was cut off is
  /// debt as well: a state has room for one of both.
  [[nodiscard]] constexpr State charged(const Level& current, const Level& ceiling, Units cost, Units cut) const {
    Level next = later(current, capped_span_of(cost));
    if (next <= ceiling) return with_cut_off(next, cut);
    next = std::min(later(next, span_of(cut)), later(ceiling, span_of(largest_debt())));
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

  [[nodiscard]] constexpr Decision forced(const State& next, const Level& ceiling, Units cost, Instant now) const {
    const Level level = level_of(next);
    const bool is_in_debt = next.debt > 0 && !next.has_cut_off();
    return {.outcome = Outcome::granted,
            .granted = cost,
            .size = capacity_,
            .remaining = left_below(ceiling, level),
            .wait = is_in_debt ? rounded_up(difference(level, ceiling)) : Span{},
            .reset = rounded_up(level) - now};
  }

  /// What is left, of which nothing is asked for; and how long a debt lasts.
  [[nodiscard]] constexpr Decision left_now(const Level& current, const Level& ceiling, Instant now) const {
    return {.outcome = Outcome::granted,
            .granted = kNoUnits,
            .size = capacity_,
            .remaining = left_below(ceiling, current),
            .wait = current > ceiling ? rounded_up(difference(current, ceiling)) : Span{},
            .reset = rounded_up(current) - now};
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
