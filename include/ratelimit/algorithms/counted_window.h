// SPDX-License-Identifier: MIT
// At most `limit` units per window, whatever the windows are: the common base of FIXED and QUOTA.
//
// A calendar says when the window ends that is open at an instant. The rest is a counter: the state is the end of the
// last window with a charge, and the units used in it. Depends on decisions and units only.
//
//     | window | window |  (idle)  | window |      ---> time
#ifndef RATELIMIT_ALGORITHMS_COUNTED_WINDOW_H
#define RATELIMIT_ALGORITHMS_COUNTED_WINDOW_H

#include <algorithm>
#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>

#include "ratelimit/decision.h"
#include "ratelimit/units.h"

namespace ratelimit {

/// `Calendar` has `Instant end_after(Instant now)`, the end of a window that is entered at `now` (later than `now`, by
/// kMaxSpan at most), `Span nominal_length()` and `Span longest_length()`. `Instant end_of_adopted(other, end, now)` is
/// the end of the window that takes the place of one of `other` that ends at `end`. It can be compared.
template <class Calendar>
class CountedWindow {
 public:
  /// The last window with a charge ends at `end` (exclusive). Default: as if never used.
  struct State {
    Instant end{};
    std::int64_t used = 0;

    friend constexpr auto operator<=>(const State&, const State&) = default;
  };
  using Change = State;

  [[nodiscard]] constexpr Units size() const { return limit_; }

  /// The time that the size is for, as HTTP clients are told: the usual length of a window.
  [[nodiscard]] constexpr std::optional<Span> window() const { return calendar_.nominal_length(); }

  /// How much longer than needed a state may be kept: no longer, since calls do not move the end of a window.
  [[nodiscard]] static constexpr Span slack() { return {}; }

  /// The longest time from full use to idle.
  [[nodiscard]] constexpr Span recovery() const { return calendar_.longest_length(); }

  /// Decides a call. Pure and total; O(1), beside what the calendar takes.
  [[nodiscard]] constexpr Step<Change> decide(const State& state, const Ask& ask, Instant now) const {
    const State current = normalised(state, now);
    if (!ask.force && (ask.cost > left(current) || limit_ == kNoUnits)) {
      const bool possible = std::max(ask.cost, kMinUnits) <= limit_;
      return {{.outcome = possible ? Outcome::denied : Outcome::never,
               .granted = kNoUnits,
               .size = limit_,
               .remaining = left(current),
               .wait = possible ? current.end - now : Span{},
               .reset = until_idle(current, now)},
              state};
    }
    const Units used = std::min(Units(current.used) + ask.cost, kMaxUnits);
    const State next{current.end, used.count()};
    return {{.outcome = Outcome::granted,
             .granted = ask.cost,
             .size = limit_,
             .remaining = left(next),
             .wait = used > limit_ ? next.end - now : Span{},
             .reset = until_idle(next, now)},
            next};
  }

  static constexpr void apply(State& state, const Change& change, std::string_view = {}) { state = change; }

  /// Whether a change from another server can be applied. It always can: it replaces the state, whatever that is.
  [[nodiscard]] static constexpr bool accepts(const State&, const Change&, std::string_view = {}) { return true; }

  /// Gives back up to `units` of the units used in the open window, but none of the `newer` ones that were charged
  /// last.
  constexpr void give_back(State& state, Units units, Units newer, Instant now) const {
    const State current = normalised(state, now);
    const Units back = std::min(units, std::max(Units(current.used) - newer, kNoUnits));
    if (back == kNoUnits) return;
    state = {current.end, current.used - back.count()};
    if (state.used == 0) state = {};
  }

  /// Whether the window of `state` ends later than one that opens at `now`. It is then from a clock that was ahead, and
  /// counts as a window that opens now. Clamping makes that its value.
  [[nodiscard]] constexpr bool is_ahead(const State& state, Instant now) const {
    return state.end > latest_end_after(now);
  }
  constexpr void clamp(State& state, Instant now) const {
    if (is_ahead(state, now)) state = normalised(state, now);
  }

  /// Units used in the window that is open at `now`. Units beyond the limit are debt, which ends with the window.
  [[nodiscard]] constexpr Units used(const State& state, Instant now) const {
    return Units(normalised(state, now).used);
  }

  /// The state in which `used` units (at most `limit`) have just been taken.
  [[nodiscard]] constexpr State with_used(Units used, Instant now) const {
    if (used == kNoUnits) return {};
    return {calendar_.end_after(now), used.count()};
  }

  /// The state of `other` under this limit: the same units are used. The window begins where that of `other` began, if
  /// both can begin at any time and it is still open; otherwise it is the window that is open at `now`.
  [[nodiscard]] constexpr State adopted(const State& state, const CountedWindow& other, Instant now) const {
    const State current = other.normalised(state, now);
    if (current.used == 0) return {};
    if (calendar_ == other.calendar_) return current;
    return {calendar_.end_of_adopted(other.calendar_, current.end, now), current.used};
  }

  /// Lets at most the limit count as used.
  constexpr void cap(State& state, Instant) const {
    state.used = std::min(Units(state.used), limit_).count();
    if (state.used == 0) state = {};
  }

  /// The instant from which on `state` behaves as if never used.
  [[nodiscard]] static constexpr Instant idle_at(const State& state) { return state.end; }

  /// Whether a decoded state could belong to this limit. Any such state is safe to decide on.
  [[nodiscard]] static constexpr bool is_valid(const State& state) {
    return kEarliest <= state.end && state.end <= kLatest + kMaxSpan;
  }

  /// The bytes of a state, or of a change, which is one; docs/format.md has the form. `Out` and `In` are the Writer
  /// and the Reader of codec/bytes.h, which no algorithm includes.
  template <class Out>
  static void write(Out& out, const State& state) {
    out.instant(state.end);
    out.units(Units(state.used));
  }
  template <class In>
  static void read(In& in, State& state) {
    State read;
    read.end = in.instant();
    read.used = in.units().count();
    if (in.require(is_valid(read))) state = read;
  }

 protected:
  constexpr CountedWindow(Units limit, const Calendar& calendar) : limit_(limit), calendar_(calendar) {}

 private:
  /// The window that is open at `now`. A window that has ended counts as none. A window that would end too late (the
  /// clock was ahead) ends like one that is entered now.
  [[nodiscard]] constexpr State normalised(const State& state, Instant now) const {
    const Instant fresh = calendar_.end_after(now);
    if (state.end <= now) return {fresh, 0};
    if (state.end <= fresh) return state;
    return {state.end <= latest_end_after(now) ? state.end : fresh, state.used};
  }

  /// When a window ends at the latest that is open at `now`: like one that is entered now, unless the calendar says
  /// otherwise.
  [[nodiscard]] constexpr Instant latest_end_after(Instant now) const {
    if constexpr (requires { calendar_.latest_end_after(now); }) {
      return calendar_.latest_end_after(now);
    } else {
      return calendar_.end_after(now);
    }
  }

  [[nodiscard]] constexpr Units left(const State& current) const {
    return std::max(limit_ - Units(current.used), kNoUnits);
  }

  [[nodiscard]] static constexpr Span until_idle(const State& current, Instant now) {
    return current.used == 0 ? Span{} : current.end - now;
  }

  Units limit_;
  Calendar calendar_;
};

}  // namespace ratelimit

#endif  // RATELIMIT_ALGORITHMS_COUNTED_WINDOW_H
