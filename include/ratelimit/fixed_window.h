// At most `limit` units per window of fixed length.
//
// A window begins with the first call that finds none open; ALIGNED windows begin at multiples of their length since
// 1970-01-01 UTC, for everyone at once. The state is the end of the window that was open last, and what was used in
// it. Depends on units and decisions only.
//
//     first call              end                next call           end
//         |----- window -------|      (idle)         |----- window ---|      ---> time
#ifndef RATELIMIT_FIXED_WINDOW_H
#define RATELIMIT_FIXED_WINDOW_H

#include <algorithm>
#include <compare>
#include <cstdint>
#include <optional>

#include "ratelimit/decision.h"
#include "ratelimit/units.h"

namespace ratelimit {

class FixedWindow {
 public:
  enum class Start : std::uint8_t {
    first_call,
    aligned,
  };

  /// The window that was open last ends at `end` (exclusive). Default: as if never used.
  struct State {
    Instant end{};
    std::uint32_t used = 0;

    friend constexpr auto operator<=>(const State&, const State&) = default;
  };
  using Change = State;

  /// None if a number is out of its range.
  [[nodiscard]] static constexpr std::optional<FixedWindow> make(Units limit, Span window, Start start) {
    if (!in_range(limit) || !in_range(window)) return std::nullopt;
    return FixedWindow(limit, window, start);
  }

  [[nodiscard]] constexpr Units size() const { return limit_; }

  /// Decides a call of `cost` units. Pure and total; O(1), one division if ALIGNED.
  [[nodiscard]] constexpr Step<Change> decide(const State& state, Units cost, Instant now) const {
    const State current = normalised(state, now);
    const Units used{current.used};
    if (cost > limit_ - used) {
      const bool possible = cost <= limit_;
      return {{.outcome = possible ? Outcome::denied : Outcome::never,
               .granted = kNoUnits,
               .size = limit_,
               .remaining = limit_ - used,
               .wait = possible ? current.end - now : Span{},
               .reset = until_idle(current, now)},
              state};
    }
    const State next{current.end, static_cast<std::uint32_t>((used + cost).count())};
    return {{.outcome = Outcome::granted,
             .granted = cost,
             .size = limit_,
             .remaining = limit_ - used - cost,
             .wait = Span{},
             .reset = until_idle(next, now)},
            next};
  }

  static constexpr void apply(State& state, const Change& change) { state = change; }

  /// Whether a change that comes from elsewhere can be applied. It replaces the state, whatever that is.
  [[nodiscard]] static constexpr bool accepts(const State&, const Change&) { return true; }

  /// Whether `state` ends later than a window that opens at `now`: it is of a clock that was ahead. It counts as one
  /// of now, and does so for good once it is clamped.
  [[nodiscard]] constexpr bool is_ahead(const State& state, Instant now) const { return state.end > fresh_end(now); }
  constexpr void clamp(State& state, Instant now) const {
    if (is_ahead(state, now)) state = normalised(state, now);
  }

  /// Units used in the window that is open at `now`.
  [[nodiscard]] constexpr Units used(const State& state, Instant now) const {
    return Units(normalised(state, now).used);
  }

  /// The state in which `used` units (at most `limit`) have just been taken.
  [[nodiscard]] constexpr State with_used(Units used, Instant now) const {
    if (used == kNoUnits) return {};
    return {fresh_end(now), static_cast<std::uint32_t>(used.count())};
  }

  /// Whether a state of `other` means the same under this limit: the windows are the same.
  [[nodiscard]] constexpr bool keeps_state_of(const FixedWindow& other) const {
    return window_ == other.window_ && start_ == other.start_;
  }

  /// From when on `state` behaves as if never used.
  [[nodiscard]] static constexpr Instant idle_at(const State& state) { return state.end; }

  /// Whether a decoded state could be one of this limit's. Any such state is safe to decide on.
  [[nodiscard]] static constexpr bool is_valid(const State& state) {
    return kEarliest <= state.end && state.end <= kLatest + kMaxSpan;
  }

 private:
  constexpr FixedWindow(Units limit, Span window, Start start) : limit_(limit), window_(window), start_(start) {}

  /// The end of a window that opens at `now`.
  [[nodiscard]] constexpr Instant fresh_end(Instant now) const {
    return start_ == Start::aligned ? now - now.time_since_epoch() % window_ + window_ : now + window_;
  }

  /// The window that is open at `now`. A window that has ended is as good as none; one that would end too late (the
  /// clock was ahead, or the limit was larger) ends as a fresh one would and counts in full at most.
  [[nodiscard]] constexpr State normalised(const State& state, Instant now) const {
    const Instant fresh = fresh_end(now);
    if (state.end <= now) return {fresh, 0};
    return {std::min(state.end, fresh), static_cast<std::uint32_t>(std::min(Units(state.used), limit_).count())};
  }

  [[nodiscard]] static constexpr Span until_idle(const State& current, Instant now) {
    return current.used == 0 ? Span{} : current.end - now;
  }

  Units limit_;
  Span window_;
  Start start_;
};

static_assert(sizeof(FixedWindow::State) == 16);

}  // namespace ratelimit

#endif  // RATELIMIT_FIXED_WINDOW_H
