// SPDX-License-Identifier: MIT
// At most `limit` units in any window of the given length: the exact log of what was granted.
//
// A grant at t counts in [t, t + window). Its time is rounded up to a grid of 1, 2 or 5 times a power of ten
// nanoseconds: the coarsest grid that is no coarser than window / 2^26. So an entry may count that much too long,
// never too short. (For windows of less than a day and a half, whole milliseconds are on the grid, and so they are
// exact.) A grant takes one entry, whatever it costs. docs/adr/0001 has the reasons. Depends on the event log, limit
// specs, decisions and units.
//
//     now - window                                    now
//      (  |   ||      |  |         |     |  |          ]      ---> time
//         ^ the next to leave
#ifndef RATELIMIT_ALGORITHMS_SLIDING_WINDOW_LOG_H
#define RATELIMIT_ALGORITHMS_SLIDING_WINDOW_LOG_H

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "ratelimit/algorithms/event_log.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/decision.h"
#include "ratelimit/units.h"

namespace ratelimit {

class SlidingWindowLog {
  using Tick = EventLog::Tick;

 public:
  static constexpr Algorithm kNumber = Algorithm::sliding_window_log;
  static constexpr std::string_view kKeyword = "SLIDING";
  static constexpr LimitFields kFields{.span = true};

  /// The grants that may still count. Default: none, and nothing allocated.
  class State {
   public:
    State() = default;
    explicit State(EventLog log) : log_(std::make_unique<EventLog>(std::move(log))) {}
    State(const State& other) : log_(other.log_ ? std::make_unique<EventLog>(*other.log_) : nullptr) {}
    State(State&&) noexcept = default;
    State& operator=(const State& other) { return *this = State(other); }
    State& operator=(State&&) noexcept = default;
    ~State() = default;

    /// The log, if anything was ever granted.
    [[nodiscard]] const EventLog* log() const { return log_.get(); }

    /// Bytes that the state holds beyond itself, and the number of allocations.
    [[nodiscard]] std::size_t heap_bytes() const { return log_ ? sizeof(EventLog) + log_->heap_bytes() : 0; }
    [[nodiscard]] std::size_t heap_pieces() const { return log_ ? 1 + log_->heap_pieces() : 0; }

    /// Frees a part of the log; false once nothing is left. For a state that is only to be destroyed.
    [[nodiscard]] bool release_some() { return log_ && log_->release_some(); }

    /// Lets `move` relocate allocation `i` (see PackedEvents::relocate_piece). False if there is no such allocation.
    template <class Move>
    bool relocate_piece(std::size_t i, Move move) {
      if (!log_) return false;
      if (i > 0) return log_->relocate_piece(i - 1, move);
      if (void* place = move(log_.get())) {
        static_cast<void>(log_.release());
        log_.reset(static_cast<EventLog*>(place));
      }
      return true;
    }

   private:
    friend class SlidingWindowLog;
    std::unique_ptr<EventLog> log_;
  };

  /// What a grant does to the state. The same change makes the same state everywhere.
  struct Change {
    Instant at;
    Units cost;
  };

  /// None if a number is out of its range.
  [[nodiscard]] static constexpr std::optional<SlidingWindowLog> make(Units limit, Span window) {
    if (!is_size(limit, kMax32BitUnits) || !in_range(window)) return std::nullopt;
    return SlidingWindowLog(limit, window);
  }
  [[nodiscard]] static constexpr std::optional<SlidingWindowLog> make(const LimitSpec& spec) {
    return make(spec.size, spec.span);
  }

  [[nodiscard]] constexpr Units size() const { return limit_; }

  /// The time that the size is for, as HTTP clients are told.
  [[nodiscard]] constexpr std::optional<Span> window() const { return window_; }

  /// How much longer than needed a state may be kept, so that not every call must move the end of its key.
  [[nodiscard]] constexpr Span slack() const { return window_ / 16; }

  /// The longest time from full use to idle.
  [[nodiscard]] constexpr Span recovery() const { return window_ + grid_; }

  /// Decides a call. Pure and total; O(log n), with a scan of at most two blocks of the log. A log of kMaxLogEntries
  /// entries, or of kMax32BitUnits units, denies every call until its first entry leaves.
  [[nodiscard]] Step<Change> decide(const State& state, const Ask& ask, Instant now) const {
    const View view = view_at(state, now);
    const bool has_room = has_room_for_one(view, now);
    const Units free = has_room ? std::max(limit_ - view.used, kNoUnits) : kNoUnits;
    if (std::max(ask.cost, kMinUnits) > limit_ && !ask.force) {
      return {refusal(Outcome::never, free, Span{}, view, now), {}};
    }
    if (ask.cost == kNoUnits) return {status(free, view, now), {}};
    if (!has_room || (ask.cost > free && !ask.force)) {
      // A forced call is denied only if there is no room. There is some as soon as the first entry leaves.
      const Units missing = ask.force ? Units(1) : std::max(view.used + ask.cost - limit_, Units(1));
      return {refusal(Outcome::denied, free, wait_for(missing, view, now), view, now), {}};
    }
    const Units cost = std::min(ask.cost, kMax32BitUnits - view.used);
    return {{.outcome = Outcome::granted,
             .granted = ask.cost,
             .size = limit_,
             .remaining = std::max(free - cost, kNoUnits),
             .wait = wait_for(view.used + cost - limit_, view, now),
             .reset = end_of(tick_of(now)) - now},
            {now, cost}};
  }

  /// O(log n). A state that is ahead takes longer: see EventLog::clamp_to.
  void apply(State& state, const Change& change, std::string_view = {}) const {
    if (!state.log_) state.log_ = std::make_unique<EventLog>();
    state.log_->drop_up_to(last_tick_gone(change.at));
    state.log_->clamp_to(tick_of(change.at));
    state.log_->append({tick_of(change.at), change.cost});
  }

  /// Whether a change from another server can be applied: whether the log has room for it.
  [[nodiscard]] bool accepts(const State& state, const Change& change, std::string_view = {}) const {
    const View view = view_at(state, change.at);
    return has_room_for_one(view, change.at) && view.used + change.cost <= kMax32BitUnits;
  }

  /// Gives back up to `units` of the units that count at `now`, the newest first, but none of the `newer` ones that
  /// were charged last. O(log n), and O(entries) for those that disappear.
  void give_back(State& state, Units units, Units newer, Instant now) const {
    if (units == kNoUnits || view_at(state, now).used <= newer) return;
    state.log_->drop_up_to(last_tick_gone(now));
    state.log_->clamp_to(tick_of(now));
    state.log_->take_back(units, newer);
  }

  /// Whether `state` has an entry that is later than `now`. It is then from a clock that was ahead, and counts as an
  /// entry of now. Clamping makes that its value.
  [[nodiscard]] bool is_ahead(const State& state, Instant now) const {
    return state.log_ && !state.log_->empty() && state.log_->newest().tick > tick_of(now);
  }
  void clamp(State& state, Instant now) const {
    if (state.log_) state.log_->clamp_to(tick_of(now));
  }

  /// Units that count at `now`. Units beyond the limit are debt.
  [[nodiscard]] Units used(const State& state, Instant now) const { return view_at(state, now).used; }

  /// The state in which `used` units (at most `limit`) have just been taken.
  [[nodiscard]] State with_used(Units used, Instant now) const {
    State state;
    if (used != kNoUnits) apply(state, {now, used});
    return state;
  }

  /// Whether a state of `other` means the same under this limit: both windows have the same length.
  [[nodiscard]] constexpr bool keeps_state_of(const SlidingWindowLog& other) const { return window_ == other.window_; }

  /// The state of `other` under this limit: what still counts keeps its time, rounded up to the grid. O(n) unless the
  /// windows are the same.
  [[nodiscard]] State adopted(State state, const SlidingWindowLog& other, Instant now) const {
    if (keeps_state_of(other) || !state.log_) return state;
    const Tick latest = tick_of(now);
    const Tick gone = last_tick_gone(now);
    const Tick gone_before = other.last_tick_gone(now);
    EventLog log;
    state.log_->for_each([&](const EventLog::Entry& entry) {
      const Tick tick = std::min(tick_of(Instant{other.grid_ * entry.tick}), latest);
      if (entry.tick > gone_before && tick > gone) log.append({tick, entry.units});
    });
    return log.empty() ? State() : State(std::move(log));
  }

  /// Lets at most the limit count as used. The newest units stay.
  void cap(State& state, Instant now) const {
    give_back(state, std::max(used(state, now) - limit_, kNoUnits), limit_, now);
  }

  /// Charges units for which the log has no room: the newest entry takes them and is of now. So its units count longer,
  /// never shorter.
  void absorb(State& state, Units cost, Instant now) const {
    const Units room = kMax32BitUnits - used(state, now);
    state.log_->clamp_to(tick_of(now));
    state.log_->absorb({tick_of(now), std::min(cost, room)});
  }

  /// The instant from which on `state` behaves as if never used.
  [[nodiscard]] Instant idle_at(const State& state) const {
    return !state.log_ || state.log_->empty() ? Instant{} : end_of(state.log_->newest().tick);
  }

  /// The bytes of a state and of a change; docs/format.md has the form. `Out` and `In` are the Writer and the Reader of
  /// codec/bytes.h, which no algorithm includes.
  template <class Out>
  static void write(Out& out, const State& state) {
    out.u32(state.log_ ? state.log_->size() : 0);
    if (!state.log_) return;
    Tick before = 0;
    state.log_->for_each([&](const EventLog::Entry& entry) {
      out.variable(static_cast<std::uint64_t>(entry.tick - before));
      out.variable(static_cast<std::uint64_t>(entry.units.count()));
      before = entry.tick;
    });
  }
  template <class In>
  void read(In& in, State& state) const {
    const std::uint32_t entries = in.u32();
    in.require(entries <= kMaxLogEntries);
    const auto last_tick = static_cast<std::uint64_t>(tick_of(kLatest + kMaxSpan));
    const auto last_unit = static_cast<std::uint64_t>(kMax32BitUnits.count());
    EventLog log;
    std::uint64_t tick = 0;
    std::uint64_t units = 0;
    for (std::uint32_t i = 0; i < entries && in.ok(); ++i) {
      const std::uint64_t step = in.variable();
      const std::uint64_t cost = in.variable();
      if (!in.require((step > 0 || i == 0) && step <= last_tick - tick && cost > 0 && cost <= last_unit - units)) break;
      tick += step;
      units += cost;
      log.append({static_cast<Tick>(tick), Units(static_cast<std::int64_t>(cost))});
    }
    if (in.ok() && !log.empty()) state = State(std::move(log));
  }
  template <class Out>
  static void write(Out& out, const Change& change) {
    out.instant(change.at);
    out.units(change.cost);
  }
  template <class In>
  static void read(In& in, Change& change) {
    Change read;
    read.at = in.instant();
    read.cost = in.units();
    if (in.require(in_range(read.at) && in_range(read.cost, kMax32BitUnits))) change = read;
  }

 private:
  /// The part of the log that counts at one instant.
  struct View {
    const EventLog* log = nullptr;
    EventLog::Position front;
    Units used;
    std::uint32_t entries = 0;
  };

  constexpr SlidingWindowLog(Units limit, Span window) : limit_(limit), window_(window), grid_(grid_of(window)) {}

  [[nodiscard]] static constexpr Span grid_of(Span window) {
    const Span coarsest = window / (1 << 26);
    Span grid{1};
    for (Span decade{1}; decade <= coarsest; decade *= 10) {
      for (const int factor : {1, 2, 5}) {
        if (decade * factor <= coarsest) grid = decade * factor;
      }
    }
    return grid;
  }

  /// The tick of an instant, rounded up.
  [[nodiscard]] constexpr Tick tick_of(Instant instant) const {
    return (instant.time_since_epoch() + grid_ - Span{1}) / grid_;
  }

  /// The instant when an entry of `tick` stops counting.
  [[nodiscard]] constexpr Instant end_of(Tick tick) const { return Instant{grid_ * tick} + window_; }

  /// The last tick whose entries no longer count at `now`.
  [[nodiscard]] constexpr Tick last_tick_gone(Instant now) const {
    const Span begin = now.time_since_epoch() - window_;
    return begin < Span{} ? -1 : begin / grid_;
  }

  [[nodiscard]] View view_at(const State& state, Instant now) const {
    if (!state.log_ || state.log_->empty()) return {};
    const EventLog& log = *state.log_;
    const Tick gone = last_tick_gone(now);
    const EventLog::Position front = log.first_after(gone);
    return {&log, front, log.units_from(front, gone), log.entries_from(front, gone)};
  }

  /// Whether units can be added at `now`. If the newest entry has the same tick, no further entry is needed.
  [[nodiscard]] bool has_room_for_one(const View& view, Instant now) const {
    const bool has_entry = view.entries < kMaxLogEntries || view.log->newest().tick >= tick_of(now);
    return has_entry && view.used < kMax32BitUnits;
  }

  /// Time until the `missing` oldest of the used units have left. If more are missing than are used, time until the
  /// units that are taken now have left. An entry from the future counts as one of now.
  [[nodiscard]] Span wait_for(Units missing, const View& view, Instant now) const {
    if (missing <= kNoUnits) return Span{};
    if (missing > view.used) return end_of(tick_of(now)) - now;
    return end_of(std::min(view.log->tick_reaching(view.front, missing), tick_of(now))) - now;
  }

  [[nodiscard]] Decision status(Units free, const View& view, Instant now) const {
    Decision decision = refusal(Outcome::granted, free, Span{}, view, now);
    decision.wait = wait_for(view.used - limit_, view, now);
    return decision;
  }

  [[nodiscard]] Decision refusal(Outcome outcome, Units remaining, Span wait, const View& view, Instant now) const {
    const bool idle = view.used == kNoUnits;
    return {.outcome = outcome,
            .granted = kNoUnits,
            .size = limit_,
            .remaining = remaining,
            .wait = wait,
            .reset = idle ? Span{} : end_of(std::min(view.log->newest().tick, tick_of(now))) - now};
  }

  Units limit_;
  Span window_;
  Span grid_;
};

}  // namespace ratelimit

#endif  // RATELIMIT_ALGORITHMS_SLIDING_WINDOW_LOG_H
