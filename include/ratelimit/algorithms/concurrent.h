// SPDX-License-Identifier: MIT
// At most `limit` units held at once. Each holder has a lease: the holder can end it, and it ends by itself.
//
// A lease has an id. Taking the same id again renews the lease: it counts once, with its newest cost, and lasts its
// full time from then on. A lease keeps the end that it was given: a state may hold leases that were taken under
// another limit, and these may last longer or shorter. Depends on the lease set, limit specs, decisions and units.
//
//     taken |----- lease -----| ends by itself
//        taken |-- renewed |----- lease -----|
//                  taken |-- released|                ---> time
#ifndef RATELIMIT_ALGORITHMS_CONCURRENT_H
#define RATELIMIT_ALGORITHMS_CONCURRENT_H

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "ratelimit/algorithms/lease_set.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/decision.h"
#include "ratelimit/units.h"

namespace ratelimit {

class Concurrent {
 public:
  static constexpr Algorithm kNumber = Algorithm::concurrent;
  static constexpr std::string_view kKeyword = "CONCURRENT";
  static constexpr LimitFields kFields{.span = true};

  /// The leases that may still last, and the longest time for which one was given since there was none: so one that
  /// ends later is from a clock that was ahead. Default: none, and nothing allocated.
  class State {
   public:
    State() = default;
    State(LeaseSet leases, Span longest) : leases_(std::make_unique<LeaseSet>(std::move(leases))), longest_(longest) {}
    State(const State& other)
        : leases_(other.leases_ ? std::make_unique<LeaseSet>(*other.leases_) : nullptr), longest_(other.longest_) {}
    State(State&&) noexcept = default;
    State& operator=(const State& other) { return *this = State(other); }
    State& operator=(State&&) noexcept = default;
    ~State() = default;

    /// The leases, if there ever was one.
    [[nodiscard]] const LeaseSet* leases() const { return leases_.get(); }
    /// The longest time for which one of them was given.
    [[nodiscard]] Span longest() const { return longest_; }

    /// Bytes that the state holds beyond itself, and the number of allocations.
    [[nodiscard]] std::size_t heap_bytes() const { return leases_ ? sizeof(LeaseSet) + leases_->heap_bytes() : 0; }
    [[nodiscard]] std::size_t heap_pieces() const { return leases_ ? 1 + leases_->heap_pieces() : 0; }

    /// Frees some of the leases; false once nothing is left. For a state that is only to be destroyed.
    [[nodiscard]] bool release_some() {
      if (leases_) leases_->forget_ended(Instant::max(), kForgottenAtOnce);
      return leases_ && !leases_->empty();
    }

   private:
    friend class Concurrent;
    std::unique_ptr<LeaseSet> leases_;
    Span longest_{};
  };

  /// The change that a grant makes to the state, together with the id of the lease.
  struct Change {
    Instant at;
    Units cost;
  };

  /// None if a number is out of its range.
  [[nodiscard]] static constexpr std::optional<Concurrent> make(Units limit, Span lease) {
    if (!is_size(limit, kMax32BitUnits) || !in_range(lease)) return std::nullopt;
    return Concurrent(limit, lease);
  }
  [[nodiscard]] static constexpr std::optional<Concurrent> make(const LimitSpec& spec) {
    return make(spec.size, spec.span);
  }

  [[nodiscard]] constexpr Units size() const { return limit_; }

  /// The time that the size is for, as HTTP clients are told: none, since units are held.
  [[nodiscard]] static constexpr std::optional<Span> window() { return std::nullopt; }

  /// How much longer than needed a state may be kept, so that not every call must move the end of its key.
  [[nodiscard]] constexpr Span slack() const { return lease_ / 16; }

  /// The longest time from full use to idle, unless leases were given by other limits.
  [[nodiscard]] constexpr Span recovery() const { return lease_; }

  /// How long a lease lasts that is taken under this limit.
  [[nodiscard]] constexpr Span lease() const { return lease_; }

  /// Decides a call: it takes a lease, or renews the lease with its id; the units of that lease then count as free.
  /// A call that costs nothing renews no lease, so that its own one counts as any. Pure and total. Scans the leases that
  /// have ended since the last grant; for a denial, also those that it must wait for.
  [[nodiscard]] Step<Change> decide(const State& state, const Ask& ask, Instant now) const {
    const bool renews_none = ask.cost == kNoUnits && !ask.force;
    const View view = view_at(state, renews_none ? std::string_view{} : ask.id, now);
    const Units free = std::max(limit_ - view.used_by_others, kNoUnits);
    const bool has_room = view.has_slot && view.used_by_others < kMax32BitUnits;
    if (std::max(ask.cost, kMinUnits) > limit_ && !ask.force) {
      return {refusal(Outcome::never, free, Span{}, view, now), {}};
    }
    if (ask.cost == kNoUnits) return {status(has_room ? free : kNoUnits, view, now), {}};
    if (!has_room || (ask.cost > free && !ask.force)) {
      // A forced call is denied only if there is no room.
      const Span wait =
          std::max(has_room ? Span{} : until_room(view, now), ask.force ? Span{} : until_free(view, ask.cost, now));
      return {refusal(Outcome::denied, has_room ? free : kNoUnits, wait, view, now), {}};
    }
    const Units cost = std::min(ask.cost, kMax32BitUnits - view.used_by_others);
    return {{.outcome = Outcome::granted,
             .granted = ask.cost,
             .size = limit_,
             .remaining = std::max(free - cost, kNoUnits),
             .wait = until_no_debt(view, cost, now),
             .reset = std::max(until_idle(view, now), lease_)},
            {now, cost}};
  }

  void apply(State& state, const Change& change, std::string_view id) const {
    forget_ended(state, change.at);
    apply_ahead(state, change, id);
  }

  /// Forgets some leases that have ended. They are more than one call adds, so that none stays for ever.
  static void forget_ended(State& state, Instant now) {
    if (state.leases_) state.leases_->forget_ended(now, kForgottenAtOnce);
  }

  /// Applies a change whose instant is ahead of now. Leases that end before that instant stay: they still last now.
  void apply_ahead(State& state, const Change& change, std::string_view id) const {
    put(state, id, change.cost, change.at, change.at + lease_);
  }

  /// Books a lease that was given under another limit and ends at `end`. There must be room for it.
  static void put(State& state, std::string_view id, Units cost, Instant at, Instant end) {
    if (!state.leases_) state.leases_ = std::make_unique<LeaseSet>();
    if (!state.leases_->any_ends_after(at)) state.longest_ = {};
    state.leases_->clamp_ends(at + state.longest_);
    const std::optional<LeaseSet::Holder> own = state.leases_->find(id);
    if (own) end = std::max(end, own->end);
    state.longest_ = std::max(state.longest_, end - at);
    state.leases_->put(id, {.end = end, .units = cost});
  }

  /// Renews a lease, which must be there, until `end`. It keeps its units, and gets `more` as far as there is room.
  static void extend(State& state, std::string_view id, Units more, Instant at, Instant end) {
    const Units own = state.leases_->find(id)->units;
    const Units room = std::max(kMax32BitUnits - used(state, at), kNoUnits);
    put(state, id, own + std::min(more, room), at, end);
  }

  /// Whether a change from another server can be applied: whether there is room for it.
  [[nodiscard]] static bool accepts(const State& state, const Change& change, std::string_view id) {
    const View view = view_at(state, id, change.at);
    return view.has_slot && view.used_by_others + change.cost <= kMax32BitUnits;
  }

  /// Does nothing: only the holder, or time, ends a lease.
  static void give_back(State&, Units, Units, Instant) {}

  /// Whether there is a lease with that id that has not ended.
  [[nodiscard]] static bool has_lease(const State& state, std::string_view id, Instant now) {
    if (!state.leases_) return false;
    const std::optional<LeaseSet::Holder> lease = state.leases_->find(id);
    return lease && lease->end > now;
  }

  /// Ends the lease with that id. False if there is none, or it has ended already.
  static bool release(State& state, std::string_view id, Instant now) {
    return has_lease(state, id, now) && state.leases_->erase(id);
  }

  /// Whether a lease ends later than any that was given at `now`. It is then from a clock that was ahead, and counts as
  /// one of now. Clamping makes that its value.
  [[nodiscard]] static bool is_ahead(const State& state, Instant now) {
    return state.leases_ && state.leases_->any_ends_after(now + state.longest_);
  }
  static void clamp(State& state, Instant now) {
    if (state.leases_) state.leases_->clamp_ends(now + state.longest_);
  }

  /// Units that are held at `now`. Units beyond the limit are debt.
  [[nodiscard]] static Units used(const State& state, Instant now) {
    return state.leases_ ? state.leases_->units_after(now) : kNoUnits;
  }

  /// The state in which a holder with an empty id has just taken `used` units (at most `limit`).
  [[nodiscard]] State with_used(Units used, Instant now) const {
    State state;
    if (used != kNoUnits) apply(state, {now, used}, {});
    return state;
  }

  /// Whether a state of another limit means the same under this one. It always does.
  [[nodiscard]] static constexpr bool keeps_state_of(const Concurrent&) { return true; }
  [[nodiscard]] static State adopted(State state, const Concurrent&, Instant) { return state; }

  /// Lets at most the limit count as used. The leases that end last stay.
  void cap(State& state, Instant now) const {
    if (!state.leases_ || used(state, now) <= limit_) return;
    state.leases_->forget_ended(now, state.leases_->size());
    state.leases_->cap_units(limit_);
  }

  /// The instant from which on `state` behaves as if never used.
  [[nodiscard]] static Instant idle_at(const State& state) {
    return state.leases_ ? state.leases_->last_end() : Instant{};
  }

  /// The bytes of a state and of a change; docs/format.md has the form. `Out` and `In` are the Writer and the Reader of
  /// codec/bytes.h, which no algorithm includes.
  template <class Out>
  static void write(Out& out, const State& state) {
    if (!state.leases_ || state.leases_->empty()) return out.u32(0);
    state.leases_->write(out, [](const LeaseSet::Holder&) {});
    out.span(state.longest_);
  }
  template <class In>
  static void read(In& in, State& state) {
    LeaseSet leases =
        LeaseSet::read(in, [&in](LeaseSet::Holder& lease) { in.require(in_range(lease.units, kMax32BitUnits)); });
    if (!in.ok() || leases.empty()) return;
    const Span longest = in.span();
    if (in.require(Span{} < longest && longest <= kMaxSpan)) state = State(std::move(leases), longest);
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
  static constexpr std::size_t kForgottenAtOnce = 64;

  /// The leases that count at one instant, for a call with some id.
  struct View {
    const LeaseSet* leases = nullptr;
    Units used_by_others;
    Units own;  ///< units of the lease that the call would renew
    Instant own_end{};
    bool has_slot = true;  ///< whether the call renews a lease, or one more can be kept
    Span longest{};        ///< for which a lease was given
  };

  constexpr Concurrent(Units limit, Span lease) : limit_(limit), lease_(lease) {}

  [[nodiscard]] static View view_at(const State& state, std::string_view id, Instant now) {
    if (!state.leases_) return {};
    const LeaseSet& leases = *state.leases_;
    View view{.leases = &leases, .used_by_others = leases.units_after(now), .own = {}, .own_end = {}};
    view.longest = state.longest_;
    const auto own = id.empty() ? std::nullopt : leases.find(id);
    if (own && own->end > now) {
      view.own = own->units;
      view.own_end = own->end;
      view.used_by_others -= own->units;
    } else {
      view.has_slot = leases.count_after(now) < kMaxHolders;
    }
    return view;
  }

  /// Time until the cost fits; at most until the last lease ends.
  [[nodiscard]] Span until_free(const View& view, Units cost, Instant now) const {
    const Units missing = view.used_by_others + cost - limit_;
    if (missing <= kNoUnits) return Span{};
    if (missing > view.used_by_others) return lease_;
    return std::min(end_reaching(view, missing, now), now + view.longest) - now;
  }

  /// Time until no more than the limit is held, if a lease of `cost` is taken now.
  [[nodiscard]] Span until_no_debt(const View& view, Units cost, Instant now) const {
    const Units missing = view.used_by_others + cost - limit_;
    if (missing <= kNoUnits) return Span{};
    // A lease of a clock that was ahead counts as one of now.
    const Instant latest = now + view.longest;
    const Instant own_end = std::max(std::min(view.own_end, latest), now + lease_);
    if (missing <= view.used_by_others) {
      const Instant end = std::min(end_reaching(view, missing, now), latest);
      if (end <= own_end) return end - now;
    }
    const Units without_own = view.used_by_others - limit_;
    const Instant end = without_own > kNoUnits ? std::min(end_reaching(view, without_own, now), latest) : now;
    return std::max(end, own_end) - now;
  }

  /// The instant when leases of others with `missing` units in all have ended.
  [[nodiscard]] static Instant end_reaching(const View& view, Units missing, Instant now) {
    const Instant end = view.leases->end_reaching(missing, now);
    if (view.own == kNoUnits || view.own_end > end) return end;
    return view.leases->end_reaching(missing + view.own, now);
  }

  /// Time until there is room for one more lease, and one more unit.
  [[nodiscard]] static Span until_room(const View& view, Instant now) {
    const Units too_many = view.used_by_others - kMax32BitUnits + Units(1);
    const Instant slot = view.has_slot ? now : view.leases->end_leaving(kMaxHolders - 1, now);
    const Instant units = too_many > kNoUnits ? end_reaching(view, too_many, now) : now;
    return std::min(std::max(slot, units), now + view.longest) - now;
  }

  [[nodiscard]] static Span until_idle(const View& view, Instant now) {
    if (view.used_by_others + view.own == kNoUnits) return Span{};
    return std::min(view.leases->last_end(), now + view.longest) - now;
  }

  [[nodiscard]] Decision refusal(Outcome outcome, Units remaining, Span wait, const View& view, Instant now) const {
    return {.outcome = outcome,
            .granted = kNoUnits,
            .size = limit_,
            .remaining = remaining,
            .wait = wait,
            .reset = until_idle(view, now)};
  }

  [[nodiscard]] Decision status(Units remaining, const View& view, Instant now) const {
    Decision decision = refusal(Outcome::granted, remaining, Span{}, view, now);
    if (view.leases != nullptr) decision.wait = until_free(view, kNoUnits, now);
    return decision;
  }

  Units limit_;
  Span lease_;
};

}  // namespace ratelimit

#endif  // RATELIMIT_ALGORITHMS_CONCURRENT_H
