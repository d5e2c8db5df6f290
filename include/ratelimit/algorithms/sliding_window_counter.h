// SPDX-License-Identifier: MIT
// About `limit` units in any window of the given length, in constant space: two weighted counters.
//
// Time is divided into windows at multiples of their length since 1970-01-01 UTC. The units of the previous window
// count in proportion to the part of it that the sliding window still covers, as if they had been used evenly; rounded
// up. Depends on limit specs, decisions and units.
//
//     |---- previous ----|---- current ----|
//             |------ sliding window ---|             ---> time
//                                       now
#ifndef RATELIMIT_ALGORITHMS_SLIDING_WINDOW_COUNTER_H
#define RATELIMIT_ALGORITHMS_SLIDING_WINDOW_COUNTER_H

#include <algorithm>
#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>

#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/decision.h"
#include "ratelimit/units.h"

namespace ratelimit {

class SlidingWindowCounter {
 public:
  static constexpr Algorithm kNumber = Algorithm::sliding_window_counter;
  static constexpr std::string_view kKeyword = "SLIDING";
  static constexpr LimitFields kFields{.span = true};

  /// Units used in the last window with a charge, which begins at `start`, and in the one before it. Default: as if
  /// never used.
  struct State {
    Instant start{};
    std::uint32_t previous = 0;
    std::uint32_t current = 0;

    friend constexpr bool operator==(const State&, const State&) = default;
  };
  using Change = State;

  /// None if a number is out of its range.
  [[nodiscard]] static constexpr std::optional<SlidingWindowCounter> make(Units limit, Span window) {
    if (!is_size(limit, kMax32BitUnits) || !in_range(window)) return std::nullopt;
    return SlidingWindowCounter(limit, window);
  }
  [[nodiscard]] static constexpr std::optional<SlidingWindowCounter> make(const LimitSpec& spec) {
    return make(spec.size, spec.span);
  }

  [[nodiscard]] constexpr Units size() const { return limit_; }

  /// The time that the size is for, as HTTP clients are told.
  [[nodiscard]] constexpr std::optional<Span> window() const { return window_; }

  /// How much longer than needed a state may be kept: no longer, since calls do not move the end of a window.
  [[nodiscard]] static constexpr Span slack() { return {}; }

  /// The longest time from full use to idle.
  [[nodiscard]] constexpr Span recovery() const { return 2 * window_; }

  /// Decides a call. Pure and total; O(1): two divisions, and one more for the wait of a denial.
  [[nodiscard]] constexpr Step<Change> decide(const State& state, const Ask& ask, Instant now) const {
    const State seen = seen_at(state, now);
    const Units used = used_of(seen, now);
    if (!ask.force && (used + ask.cost > limit_ || limit_ == kNoUnits)) {
      const bool possible = std::max(ask.cost, kMinUnits) <= limit_;
      return {{.outcome = possible ? Outcome::denied : Outcome::never,
               .granted = kNoUnits,
               .size = limit_,
               .remaining = std::max(limit_ - used, kNoUnits),
               .wait = possible ? first_with(limit_ - ask.cost, seen, now) - now : Span{},
               .reset = until_idle(seen, now)},
              state};
    }
    const Units current = std::min(Units(seen.current) + ask.cost, kMax32BitUnits);
    const State next{seen.start, seen.previous, static_cast<std::uint32_t>(current.count())};
    return {{.outcome = Outcome::granted,
             .granted = ask.cost,
             .size = limit_,
             .remaining = std::max(limit_ - used - ask.cost, kNoUnits),
             .wait = first_with(limit_, next, now) - now,
             .reset = until_idle(next, now)},
            next};
  }

  static constexpr void apply(State& state, const Change& change, std::string_view = {}) { state = change; }

  /// Whether a change from another server can be applied. It always can: it replaces the state, whatever that is.
  [[nodiscard]] static constexpr bool accepts(const State&, const Change&, std::string_view = {}) { return true; }

  /// Gives back up to `units` of the units used in the two windows, the newest first, but none of the `newer` ones
  /// that were charged last.
  constexpr void give_back(State& state, Units units, Units newer, Instant now) const {
    State seen = seen_at(state, now);
    const auto take_from = [&units, &newer](std::uint32_t& counter) {
      const Units back = std::min(units, std::max(Units(counter) - newer, kNoUnits));
      newer = std::max(newer - Units(counter), kNoUnits);
      units -= back;
      counter -= static_cast<std::uint32_t>(back.count());
    };
    const State before = seen;
    take_from(seen.current);
    take_from(seen.previous);
    if (seen != before) state = idle_if_unused(seen);
  }

  /// Whether the window of `state` has not begun at `now`. It is then from a clock that was ahead, and its units count
  /// in the window that is open, up to the limit. Clamping makes that its value.
  [[nodiscard]] constexpr bool is_ahead(const State& state, Instant now) const { return state.start > start_of(now); }
  constexpr void clamp(State& state, Instant now) const {
    if (is_ahead(state, now)) state = idle_if_unused(seen_at(state, now));
  }

  /// Units that count at `now`, rounded up. Units beyond the limit are debt.
  [[nodiscard]] constexpr Units used(const State& state, Instant now) const {
    return used_of(seen_at(state, now), now);
  }

  /// The state in which `used` units (at most `limit`) have just been taken.
  [[nodiscard]] constexpr State with_used(Units used, Instant now) const {
    if (used == kNoUnits) return {};
    return {start_of(now), 0, static_cast<std::uint32_t>(used.count())};
  }

  /// The state of `other` under this limit. If the windows are not the same, the units that count at `now` count as
  /// taken now.
  [[nodiscard]] constexpr State adopted(const State& state, const SlidingWindowCounter& other, Instant now) const {
    if (window_ == other.window_) return state;
    return with_used(std::min(other.used(state, now), kMax32BitUnits), now);
  }

  /// Lets at most the limit count as used. The newest units stay.
  constexpr void cap(State& state, Instant now) const {
    State seen = seen_at(state, now);
    if (used_of(seen, now) <= limit_) return;
    seen.current = static_cast<std::uint32_t>(std::min(Units(seen.current), limit_).count());
    const Units room = limit_ - Units(seen.current);
    const Span covered = window_ - (now - seen.start);
    const Wide previous =
        Wide(window_.count()) * static_cast<std::uint64_t>(room.count()) / static_cast<std::uint64_t>(covered.count());
    seen.previous = static_cast<std::uint32_t>(std::min(previous, Wide{seen.previous}));
    state = idle_if_unused(seen);
  }

  /// The instant from which on `state` behaves as if never used.
  [[nodiscard]] constexpr Instant idle_at(const State& state) const {
    if (state.current > 0) return state.start + 2 * window_;
    return state.previous > 0 ? state.start + window_ : Instant{};
  }

  /// Whether a decoded state could belong to this limit. Any such state is safe to decide on.
  [[nodiscard]] constexpr bool is_valid(const State& state) const {
    const bool is_idle = state.previous == 0 && state.current == 0;
    return in_range(state.start) && state.start == start_of(state.start) && (!is_idle || state == State{});
  }

  /// The bytes of a state, or of a change, which is one; docs/format.md has the form. `Out` and `In` are the Writer
  /// and the Reader of codec/bytes.h, which no algorithm includes.
  template <class Out>
  static void write(Out& out, const State& state) {
    out.instant(state.start);
    out.u32(state.previous);
    out.u32(state.current);
  }
  template <class In>
  void read(In& in, State& state) const {
    State read;
    read.start = in.instant();
    read.previous = in.u32();
    read.current = in.u32();
    if (in.require(is_valid(read))) state = read;
  }

 private:
  __extension__ using Wide = unsigned __int128;

  constexpr SlidingWindowCounter(Units limit, Span window) : limit_(limit), window_(window) {}

  [[nodiscard]] static constexpr State idle_if_unused(const State& seen) {
    return seen.previous == 0 && seen.current == 0 ? State{} : seen;
  }

  [[nodiscard]] constexpr Instant start_of(Instant now) const { return now - now.time_since_epoch() % window_; }

  /// The counters, seen from the window that is open at `now`.
  [[nodiscard]] constexpr State seen_at(const State& state, Instant now) const {
    const Instant start = start_of(now);
    if (state.start == start) return state;
    if (state.start > start) {
      const Units used = std::min(Units(state.previous) + Units(state.current), limit_);
      return {start, 0, std::max(state.current, static_cast<std::uint32_t>(used.count()))};
    }
    return {start, start - state.start == window_ ? state.current : 0, 0};
  }

  [[nodiscard]] constexpr Units used_of(const State& seen, Instant now) const {
    if (seen.previous == 0) return Units(seen.current);
    const Span covered = window_ - (now - seen.start);
    return Units(seen.current) + rounded_up(Wide(covered.count()) * seen.previous, window_.count());
  }

  /// The first instant from `now` on at which no more than `room` units count, if nothing else happens.
  [[nodiscard]] constexpr Instant first_with(Units room, const State& seen, Instant now) const {
    if (room >= Units(seen.current)) {
      return std::max(now, first_covering(room - Units(seen.current), seen.previous, seen.start));
    }
    return first_covering(room, seen.current, seen.start + window_);
  }

  /// The first instant of the window that begins at `start` at which no more than `room` of the `previous` units count.
  [[nodiscard]] constexpr Instant first_covering(Units room, std::uint32_t previous, Instant start) const {
    if (room >= Units(previous)) return start;
    const Wide covered = Wide(window_.count()) * static_cast<std::uint64_t>(room.count()) / previous;
    return start + window_ - Span{static_cast<std::int64_t>(covered)};
  }

  [[nodiscard]] static constexpr Units rounded_up(Wide parts, std::int64_t whole) {
    const auto divisor = static_cast<std::uint64_t>(whole);
    const Wide raised = parts + divisor - 1;
    const auto low = static_cast<std::uint64_t>(raised);
    // Nearly always 64 bits are enough, and their division is several times cheaper than one of 128 bits.
    if (raised == low) return Units(static_cast<std::int64_t>(low / divisor));
    return Units(static_cast<std::int64_t>(raised / divisor));
  }

  [[nodiscard]] constexpr Span until_idle(const State& seen, Instant now) const {
    return std::max(idle_at(seen) - now, Span{});
  }

  Units limit_;
  Span window_;
};

static_assert(sizeof(SlidingWindowCounter::State) == 16);

}  // namespace ratelimit

#endif  // RATELIMIT_ALGORITHMS_SLIDING_WINDOW_COUNTER_H
