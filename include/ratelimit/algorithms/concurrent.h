// SPDX-License-Identifier: MIT
// At most `limit` units held at once. Each holder has a lease: the holder can end it, and it ends by itself.
//
// A lease has an id. Taking the same id again renews the lease: it counts once, with its newest cost, and lasts its
// full time from then on. Depends on the lease set, limit specs, decisions and units.
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

  /// The leases that may still last. Default: none, and nothing allocated.
  class State {
   public:
    State() = default;
    explicit State(LeaseSet leases) : leases_(std::make_unique<LeaseSet>(std::move(leases))) {}
    State(const State& other) : leases_(other.leases_ ? std::make_unique<LeaseSet>(*other.leases_) : nullptr) {}
    State(State&&) noexcept = default;
    State& operator=(const State& other) { return *this = State(other); }
    State& operator=(State&&) noexcept = default;
    ~State() = default;

    /// The leases, if there ever was one.
    [[nodiscard]] const LeaseSet* leases() const { return leases_.get(); }

    /// Bytes that the state holds beyond itself, and the number of allocations.
    [[nodiscard]] std::size_t heap_bytes() const { return leases_ ? sizeof(LeaseSet) + leases_->heap_bytes() : 0; }
    [[nodiscard]] std::size_t heap_pieces() const { return leases_ ? 1 + leases_->heap_pieces() : 0; }

   private:
    friend class Concurrent;
    std::unique_ptr<LeaseSet> leases_;
  };

  /// The change that a grant makes to the state, together with the id of the lease.
  struct Change {
    Instant at;
    Units cost;
  };

  /// None if a number is out of its range.
  [[nodiscard]] static constexpr std::optional<Concurrent> make(Units limit, Span lease) {
    if (!in_range(limit) || !in_range(lease)) return std::nullopt;
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

  /// Decides a call: it takes a lease, or renews the lease with its id; the units of that lease then count as free.
  /// Pure and total. Scans the leases that have ended since the last grant; for a denial, also those that it must wait
  /// for.
  [[nodiscard]] Step<Change> decide(const State& state, const Ask& ask, Instant now) const {
    const View view = view_at(state, ask.id, now);
    const Units free = std::max(limit_ - view.used_by_others, kNoUnits);
    const bool has_room = view.has_slot && view.used_by_others < kMaxUnits;
    if (ask.cost == kNoUnits) return {status(has_room ? free : kNoUnits, view, now), {}};
    if (ask.cost > limit_ && !ask.force) return {refusal(Outcome::never, free, Span{}, view, now), {}};
    if (!has_room || (ask.cost > free && !ask.force)) {
      // A forced call is denied only if there is no room.
      const Span wait =
          std::max(has_room ? Span{} : until_room(view, now), ask.force ? Span{} : until_free(view, ask.cost, now));
      return {refusal(Outcome::denied, has_room ? free : kNoUnits, wait, view, now), {}};
    }
    const Units cost = std::min(ask.cost, kMaxUnits - view.used_by_others);
    return {{.outcome = Outcome::granted,
             .granted = ask.cost,
             .size = limit_,
             .remaining = std::max(free - cost, kNoUnits),
             .wait = until_free(view, cost, now),
             .reset = lease_},
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
    if (!state.leases_) state.leases_ = std::make_unique<LeaseSet>();
    state.leases_->clamp_ends(change.at + lease_);
    state.leases_->put(id, {.end = change.at + lease_, .units = change.cost});
  }

  /// Whether a change from another server can be applied: whether there is room for it.
  [[nodiscard]] static bool accepts(const State& state, const Change& change, std::string_view id) {
    const View view = view_at(state, id, change.at);
    return view.has_slot && view.used_by_others + change.cost <= kMaxUnits;
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

  /// Whether a lease ends later than one that is taken at `now`. It is then from a clock that was ahead, or from a
  /// limit with longer leases, and counts as one of now. Clamping makes that its value.
  [[nodiscard]] bool is_ahead(const State& state, Instant now) const {
    return state.leases_ && state.leases_->any_ends_after(now + lease_);
  }
  void clamp(State& state, Instant now) const {
    if (state.leases_) state.leases_->clamp_ends(now + lease_);
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

  /// Whether a state of `other` means the same under this limit. It always does; leases that last longer than new ones
  /// are ahead.
  [[nodiscard]] static constexpr bool keeps_state_of(const Concurrent&) { return true; }

  /// The instant from which on `state` behaves as if never used.
  [[nodiscard]] static Instant idle_at(const State& state) {
    return state.leases_ ? state.leases_->last_end() : Instant{};
  }

  /// The bytes of a state and of a change; docs/format.md has the form. `Out` and `In` are the Writer and the Reader of
  /// codec/bytes.h, which no algorithm includes.
  template <class Out>
  static void write(Out& out, const State& state) {
    if (!state.leases_) return out.u32(0);
    state.leases_->write(out, [](const LeaseSet::Holder&) {});
  }
  template <class In>
  static void read(In& in, State& state) {
    LeaseSet leases = LeaseSet::read(in, [] { return std::uint64_t{0}; });
    if (in.ok() && !leases.empty()) state = State(std::move(leases));
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
    if (in.require(in_range(read.at) && in_range(read.cost))) change = read;
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
  };

  constexpr Concurrent(Units limit, Span lease) : limit_(limit), lease_(lease) {}

  [[nodiscard]] static View view_at(const State& state, std::string_view id, Instant now) {
    if (!state.leases_) return {};
    const LeaseSet& leases = *state.leases_;
    View view{.leases = &leases, .used_by_others = leases.units_after(now), .own = {}, .own_end = {}, .has_slot = true};
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

  /// Time until the cost fits; at most a whole lease.
  [[nodiscard]] Span until_free(const View& view, Units cost, Instant now) const {
    const Units missing = view.used_by_others + cost - limit_;
    if (missing <= kNoUnits) return Span{};
    if (missing > view.used_by_others) return lease_;
    return std::min(end_reaching(view, missing, now), now + lease_) - now;
  }

  /// The instant when leases of others with `missing` units in all have ended.
  [[nodiscard]] static Instant end_reaching(const View& view, Units missing, Instant now) {
    const Instant end = view.leases->end_reaching(missing, now);
    if (view.own == kNoUnits || view.own_end > end) return end;
    return view.leases->end_reaching(missing + view.own, now);
  }

  /// Time until there is room for one more lease, and one more unit.
  [[nodiscard]] Span until_room(const View& view, Instant now) const {
    const Units too_many = view.used_by_others - kMaxUnits + Units(1);
    const Instant slot = view.has_slot ? now : view.leases->end_leaving(kMaxHolders - 1, now);
    const Instant units = too_many > kNoUnits ? end_reaching(view, too_many, now) : now;
    return std::min(std::max(slot, units), now + lease_) - now;
  }

  [[nodiscard]] Span until_idle(const View& view, Instant now) const {
    if (view.used_by_others + view.own == kNoUnits) return Span{};
    return std::min(view.leases->last_end(), now + lease_) - now;
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
