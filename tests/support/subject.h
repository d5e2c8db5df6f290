// SPDX-License-Identifier: MIT
// A subject under test: limits, states and reservations, as the module holds and changes them; and short ways to write
// them down.
#ifndef RATELIMIT_TESTS_CORE_SUBJECT_H
#define RATELIMIT_TESTS_CORE_SUBJECT_H

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "ratelimit/account.h"
#include "ratelimit/algorithms/lease_set.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/any_algorithm.h"
#include "ratelimit/block.h"
#include "ratelimit/blocked.h"
#include "ratelimit/booking.h"
#include "ratelimit/carried_states.h"
#include "ratelimit/costs.h"
#include "ratelimit/holds.h"
#include "ratelimit/limits.h"
#include "ratelimit/operation.h"
#include "ratelimit/preview.h"
#include "ratelimit/request.h"
#include "ratelimit/reservations.h"
#include "ratelimit/states.h"
#include "ratelimit/transferred.h"
#include "ratelimit/turn.h"
#include "ratelimit/verdict.h"

namespace ratelimit {

inline bool operator==(const Decision& a, const Decision& b) {
  const auto all = [](const Decision& d) {
    return std::tuple(d.outcome, d.granted, d.size, d.remaining, d.wait, d.reset);
  };
  return all(a) == all(b);
}

// How GoogleTest prints them.
inline void PrintTo(Units units, std::ostream* out) { *out << units.count(); }
inline void PrintTo(const Decision& d, std::ostream* out) {
  *out << (d.outcome == Outcome::granted  ? "granted"
           : d.outcome == Outcome::denied ? "denied"
                                          : "never")
       << " granted " << d.granted.count() << " size " << d.size.count() << " remaining " << d.remaining.count()
       << " wait " << d.wait.count() << " ns reset " << d.reset.count() << " ns";
}
inline void PrintTo(const LimitSpec& spec, std::ostream* out) {
  *out << keyword(spec.algorithm) << ' ' << spec.size.count() << ' ';
  if (is_bucket(spec.algorithm)) *out << spec.refill.count() << ' ';
  if (spec.algorithm == Algorithm::quota) {
    *out << keyword(spec.unit) << (spec.anchor.is_given() ? " ANCHOR " + text_of(spec.anchor) : "")
         << (spec.zone.empty() ? "" : " TZ ") << spec.zone;
  } else {
    *out << spec.span.count() << "ns";
  }
  if (spec.algorithm == Algorithm::sliding_window_counter) *out << " APPROX";
  *out << (spec.aligned ? " ALIGNED" : "") << (spec.per_request ? " PER REQUEST" : "");
  if (!spec.label.empty()) *out << " AS " << spec.label;
}
inline void PrintTo(const Request& request, std::ostream* out) {
  *out << "COST " << request.cost.count();
  for (const Charge& charge : request.charged) *out << " CHARGE " << charge.label << ' ' << charge.cost.count();
  switch (request.mode) {
    case Mode::whole: break;
    case Mode::partial: *out << " PARTIAL"; break;
    case Mode::force: *out << " FORCE"; break;
    case Mode::may_wait: *out << " MAXWAIT " << request.longest_wait.count() << "ns"; break;
    case Mode::estimate: *out << " at most"; break;
  }
  if (!request.id.empty()) *out << " ID " << request.id;
}
inline void PrintTo(const Operation& operation, std::ostream* out) {
  constexpr std::array<std::string_view, 8> kNames = {"",        "collect", "charge",  "refund",
                                                      "reserve", "settle",  "release", "block"};
  *out << kNames.at(static_cast<std::size_t>(operation.kind)) << ' ' << operation.units.count() << " span "
       << operation.span.count() << "ns id " << operation.id << " named " << int{operation.named};
  if (!operation.each) return;
  for (const Units units : *operation.each) *out << ' ' << units.count();
}

}  // namespace ratelimit

namespace ratelimit::tests {

using namespace std::chrono_literals;

/// 2024-02-29 00:00 UTC: a Thursday, on the grid of every window up to a day.
inline constexpr Instant kToday{std::chrono::sys_days{std::chrono::year{2024} / 2 / 29}};

inline LimitSpec bucket(std::int64_t capacity, std::int64_t refill, Span period, std::string_view label = {}) {
  LimitSpec spec;
  spec.algorithm = Algorithm::token_bucket;
  spec.size = Units(capacity);
  spec.refill = Units(refill);
  spec.span = period;
  spec.label = label;
  return spec;
}
inline LimitSpec fixed(std::int64_t limit, Span window, std::string_view label = {}) {
  LimitSpec spec;
  spec.algorithm = Algorithm::fixed_window;
  spec.size = Units(limit);
  spec.span = window;
  spec.label = label;
  return spec;
}
inline LimitSpec aligned(std::int64_t limit, Span window, std::string_view label = {}) {
  LimitSpec spec = fixed(limit, window, label);
  spec.aligned = true;
  return spec;
}
inline LimitSpec sliding(std::int64_t limit, Span window, std::string_view label = {}) {
  LimitSpec spec = fixed(limit, window, label);
  spec.algorithm = Algorithm::sliding_window_log;
  return spec;
}
inline LimitSpec approx(std::int64_t limit, Span window, std::string_view label = {}) {
  LimitSpec spec = fixed(limit, window, label);
  spec.algorithm = Algorithm::sliding_window_counter;
  return spec;
}
inline LimitSpec leaky(std::int64_t capacity, std::int64_t leak, Span period, std::string_view label = {}) {
  LimitSpec spec = bucket(capacity, leak, period, label);
  spec.algorithm = Algorithm::leaky_bucket;
  return spec;
}
inline LimitSpec concurrent(std::int64_t limit, Span lease, std::string_view label = {}) {
  LimitSpec spec = fixed(limit, lease, label);
  spec.algorithm = Algorithm::concurrent;
  return spec;
}
inline LimitSpec quota(std::int64_t limit, CalendarUnit unit, std::string_view label = {}) {
  LimitSpec spec;
  spec.algorithm = Algorithm::quota;
  spec.size = Units(limit);
  spec.unit = unit;
  spec.label = label;
  return spec;
}
inline LimitSpec per_request(LimitSpec spec) {
  spec.per_request = true;
  return spec;
}

/// A quota whose windows begin at that date, and a whole number of units earlier and later.
inline LimitSpec anchored(LimitSpec spec, std::string_view date) {
  spec.anchor = parse_anchor(date).value();
  return spec;
}

/// A zone whose clock is always as far ahead of UTC.
class SteadyZone final : public Zone {
 public:
  explicit SteadyZone(Span offset) : offset_(offset) {}

  [[nodiscard]] Span offset_at(Instant) const override { return offset_; }
  [[nodiscard]] Instant begin_of(std::chrono::local_days day, Span time) const override {
    return Instant{day.time_since_epoch() + time - offset_};
  }

 private:
  Span offset_;
};

inline const SteadyZone kKathmandu{5h + 45min};
inline const SteadyZone kNewfoundland{-3h - 30min};

inline LimitSpec in_zone(LimitSpec spec, const Zone& zone) {
  spec.zone = &zone == &kKathmandu ? "Kathmandu" : "Newfoundland";
  spec.rules = &zone;
  return spec;
}

/// The largest size that a limit of an algorithm can have.
inline Units largest_size(Algorithm algorithm) {
  return algorithm == Algorithm::fixed_window || algorithm == Algorithm::quota ? kMaxUnits : kMax32BitUnits;
}

/// About how long a limit remembers.
inline Span scale_of(const LimitSpec& spec) {
  switch (spec.unit) {
    case CalendarUnit::hour: return 1h;
    case CalendarUnit::day: return 24h;
    case CalendarUnit::week: return 7 * 24h;
    case CalendarUnit::month: return 31 * 24h;
    case CalendarUnit::quarter: return 92 * 24h;
    case CalendarUnit::year: return 366 * 24h;
  }
  return spec.span;
}

/// Limits, states and reservations of one subject, changed as the module changes them. Calls that name no limits go by
/// those of all accounts.
class Subject {
 public:
  explicit Subject(Limits limits) : limits_(std::make_unique<Limits>(std::move(limits))) {
    construct_idle(*limits_, cells());
  }
  /// `specs` must be valid. There may be none.
  explicit Subject(const std::vector<LimitSpec>& specs)
      : Subject(specs.empty() ? Limits::none() : Limits::make(specs).value()) {}
  explicit Subject(const LimitSpec& spec) : Subject(std::vector{spec}) {}
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;
  ~Subject() { destroy(*limits_, cells()); }

  [[nodiscard]] const Limits& limits() const { return *limits_; }
  [[nodiscard]] std::span<Cell> cells() { return std::span(cells_).first(limits_->size()); }
  [[nodiscard]] std::span<const Cell> cells() const { return std::span(cells_).first(limits_->size()); }
  [[nodiscard]] std::span<const Instant> last_grants() const { return last_grants_; }
  [[nodiscard]] const Reservations& reservations() const { return reservations_; }
  /// For whoever only reads.
  [[nodiscard]] Preview preview() { return Preview(*limits_, cells(), &reservations_); }
  [[nodiscard]] const Turn& turn() const { return reservations_.turn; }
  [[nodiscard]] const Block& block() const { return reservations_.block; }

  /// What a call would be answered; takes nothing, and knows nothing of holds that have ended.
  [[nodiscard]] Verdict verdict(const Request& request, Instant now) const {
    return decide(*limits_, cells(), turn(), block(), request, now);
  }
  [[nodiscard]] Verdict verdict(Units cost, Instant now) const { return verdict(Request{.cost = cost}, now); }
  [[nodiscard]] Decision peek(const Request& request, Instant now) const { return verdict(request, now).decision; }
  [[nodiscard]] Decision peek(Units cost, Instant now) const { return verdict(cost, now).decision; }

  /// A whole call: collect, decide, and if granted charge.
  Decision check(const Request& request, Instant now) {
    collect(now);
    const Verdict verdict = this->verdict(request, now);
    if (verdict.decision.granted > kNoUnits) commit(verdict, now, costs_each(request));
    return verdict.decision;
  }
  /// What a call costs each account, if not all the same.
  [[nodiscard]] std::optional<Charges> costs_each(const Request& request) const {
    if (request.charged.empty()) return std::nullopt;
    return costs_of_accounts(*limits_, *limits_, request.cost, request.charged,
                             [](std::size_t i) { return std::optional(i); });
  }
  [[nodiscard]] std::optional<Charges> costs_each(const std::vector<LimitSpec>& list, const Request& request,
                                                  Instant now) {
    if (request.charged.empty()) return std::nullopt;
    const Limits called = Limits::make(list).value();
    const NamedAccounts named(accounts(), called, now, turn().or_later(now));
    return costs_of_accounts(*limits_, called, request.cost, request.charged,
                             [&](std::size_t i) { return named.place(i); });
  }
  Decision check(Units cost, Instant now) { return check(Request{.cost = cost}, now); }
  Decision check(std::int64_t cost, Instant now) { return check(Units(cost), now); }

  /// Carries out a granted verdict. A lease without an id gets one that nobody has.
  void commit(Verdict verdict, Instant now, const std::optional<Charges>& each = {}) {
    const std::string id = fresh_id();
    if (verdict.id.empty() && limits_->have_leases()) verdict.id = id;
    if (verdict.turn == Span{} && !has_reserved_ && !each) return apply(*limits_, cells(), verdict);
    perform({.kind = Operation::Kind::charge,
             .at = now,
             .units = verdict.decision.granted,
             .each = each,
             .span = verdict.turn,
             .id = verdict.id});
  }

  /// Does an operation. Returns what Booking::perform does.
  bool perform(const Operation& operation) {
    has_reserved_ |= operation.kind == Operation::Kind::reserve || operation.span > Span{};
    return Booking(*limits_, cells(), reservations_, last_grants_).perform(operation);
  }

  // --- calls that name limits, which must be valid ---

  /// What such a call would be answered. Nobody is an absent subject; so is one that is idle.
  [[nodiscard]] Verdict verdict(const std::vector<LimitSpec>& list, const Request& request, Instant now) {
    const Limits called = Limits::make(list).value();
    if (is_absent(list, now)) return decide_idle(called, request, now);
    return decide(called, NamedAccounts(accounts(), called, now, turn().or_later(now)), turn(), block(), request, now);
  }
  [[nodiscard]] Verdict reservation(const std::vector<LimitSpec>& list, const Request& estimate, Instant now) {
    const Limits called = Limits::make(list).value();
    const auto hold = find_hold(&reservations_, estimate.id, now);
    if (is_absent(list, now)) begin(list);
    const NamedAccounts named(accounts(), called, now, turn().or_later(now));
    return decide_reservation_under_block(called, named, reservations_, estimate, now, [&](std::size_t i) {
      if (!hold) return kNoUnits;
      return named.predecessor(i) ? reservations_.charged_by(*hold, *named.predecessor(i)) : hold->units;
    });
  }

  /// A whole call.
  Decision check(const std::vector<LimitSpec>& list, const Request& request, Instant now) {
    collect(now);
    const Verdict verdict = this->verdict(list, request, now);
    if (verdict.decision.granted > kNoUnits) commit(list, verdict, now, request);
    if (verdict.decision.outcome == Outcome::denied) deny(list, now);
    return verdict.decision;
  }
  Decision check(const std::vector<LimitSpec>& list, std::int64_t cost, Instant now) {
    return check(list, {.cost = Units(cost)}, now);
  }

  void commit(const std::vector<LimitSpec>& list, const Verdict& verdict, Instant now, const Request& request = {}) {
    if (is_absent(list, now)) begin(list);
    const std::string id = fresh_id();
    const AccountSet named = open(list, now);
    perform({.kind = Operation::Kind::charge,
             .at = now,
             .units = verdict.decision.granted,
             .each = costs_each(list, request, now),
             .span = verdict.turn,
             .id = verdict.id.empty() ? id : verdict.id,
             .named = named});
  }
  /// A denied call opens the accounts that are not there, if there is a subject.
  void deny(const std::vector<LimitSpec>& list, Instant now) {
    if (!is_absent(list, now) && opens(list, now)) open(list, now, For::denial);
  }

  /// Accounts that are to be dropped do not count.
  [[nodiscard]] bool is_absent(const std::vector<LimitSpec>& list, Instant now) {
    if (idle_at() <= now) return true;
    const Limits called = Limits::make(list).value();
    const bool is_reserved = !reservations_.holds.empty() || reservations_.idle_at() > now;
    return !last_grants_.empty() && !is_reserved &&
           NamedAccounts(accounts(), called, now, turn().or_later(now)).are_idle();
  }
  [[nodiscard]] bool opens(const std::vector<LimitSpec>& list, Instant now) {
    const Limits called = Limits::make(list).value();
    return NamedAccounts(accounts(), called, now, turn().or_later(now)).opens();
  }
  /// Opens and drops accounts as a call does. Returns those that it names.
  enum class For : bool { grant, denial };
  AccountSet open(const std::vector<LimitSpec>& list, Instant now, For purpose = For::grant) {
    const Limits called = Limits::make(list).value();
    NamedAccounts named(accounts(), called, now, turn().or_later(now));
    if (purpose == For::denial) named.note_denial();
    if (!named.changes()) return named.named();
    LimitSpecs specs;
    named.add_specs(specs);
    const AccountSet set = named.named_afterwards();
    Limits limits = Limits::make(specs.span(), Limits::Of::accounts).value();
    std::vector<Instant> last_grants(named.is_one_list() ? 0 : limits.size());
    reservations_.move_charges(named.predecessors());
    replace(std::move(limits), [&](std::span<Cell> next) { named.move_into(next, last_grants); });
    last_grants_ = std::move(last_grants);
    return set;
  }
  /// An absent subject has the accounts of the call that creates it.
  void begin(const std::vector<LimitSpec>& list) {
    replace(Limits::make(list).value(), [](std::span<Cell>) {});
    last_grants_.clear();
    reservations_ = {};
  }

  Decision reserve(const std::vector<LimitSpec>& list, std::string_view id, std::int64_t estimate, Span ttl,
                   Instant now) {
    return reserve(list, {.cost = Units(estimate), .id = id}, ttl, now);
  }
  Decision reserve(const std::vector<LimitSpec>& list, const Request& estimate, Span ttl, Instant now) {
    collect(now);
    const Verdict verdict = reservation(list, estimate, now);
    if (verdict.decision.outcome == Outcome::granted) {
      const AccountSet named = open(list, now);
      perform({.kind = Operation::Kind::reserve,
               .at = now,
               .units = estimate.costs(Limits::make(list).value()).most(),
               .each = costs_each(list, estimate, now),
               .span = ttl,
               .id = estimate.id,
               .named = static_cast<AccountSet>(named & all_accounts(*limits_))});
    }
    if (verdict.decision.outcome == Outcome::denied) deny(list, now);
    return verdict.decision;
  }

  void collect(Instant now) {
    if (reservations_.any_hold_ended(now)) perform({.kind = Operation::Kind::collect, .at = now});
  }

  [[nodiscard]] Verdict reservation(const Request& estimate, Instant now) const {
    const auto hold = find_hold(&reservations_, estimate.id, now);
    return decide_reservation_under_block(*limits_, cells(), reservations_, estimate, now, [&](std::size_t i) {
      return hold ? reservations_.charged_by(*hold, i) : kNoUnits;
    });
  }
  Decision reserve(std::string_view id, std::int64_t estimate, Span ttl, Instant now) {
    collect(now);
    const auto hold = find_hold(&reservations_, id, now);
    if (hold && Hold::is_settled(*hold)) return {};  // an error, which changes nothing
    const Verdict verdict = reservation({.cost = Units(estimate), .id = id}, now);
    const std::string fresh = fresh_id();
    if (verdict.decision.outcome == Outcome::granted) {
      perform({.kind = Operation::Kind::reserve,
               .at = now,
               .units = Units(estimate),
               .span = ttl,
               .id = id.empty() ? fresh : id});
    }
    return verdict.decision;
  }

  /// Whether there was such a hold. `status` says what is left then.
  bool settle(std::string_view id, std::int64_t actual, Instant now) {
    return perform({.kind = Operation::Kind::settle, .at = now, .units = Units(actual), .id = id});
  }
  [[nodiscard]] Decision status(Instant now) const {
    return status_at_turn(*limits_, cells(), turn(), block(), now).decision;
  }

  /// Units that came back: the most of one limit.
  Units refund(std::int64_t units, Instant now) {
    collect(now);
    const Instant at = turn().or_later(now);
    const auto before = refundable(*limits_, cells(), at);
    perform({.kind = Operation::Kind::refund, .at = now, .units = Units(units)});
    const auto after = refundable(*limits_, cells(), at);
    Units most;
    for (std::size_t i = 0; i < limits_->size(); ++i) most = std::max(most, before[i] - after[i]);
    return most;
  }

  bool release(std::string_view id, Instant now) {
    collect(now);
    const bool found = has_lease(*limits_, cells(), id, now);
    if (found) perform({.kind = Operation::Kind::release, .at = now, .id = id});
    return found;
  }

  [[nodiscard]] Units used(std::size_t i, Instant now) const {
    return (*limits_)[i].visit(
        [&](const auto& algorithm) { return algorithm.used(state_in(cells_[i], algorithm), now); });
  }
  [[nodiscard]] Instant idle_at(std::size_t i) const {
    return (*limits_)[i].visit(
        [&](const auto& algorithm) { return algorithm.idle_at(state_in(cells_[i], algorithm)); });
  }
  /// When nothing is left that matters.
  [[nodiscard]] Instant idle_at() const {
    return std::max(ratelimit::idle_at(*limits_, cells()), reservations_.idle_at());
  }

  /// As if so many units were just used under limit `i` alone.
  void use(std::size_t i, Units used, Instant now) {
    (*limits_)[i].visit(
        [&](const auto& algorithm) { state_in(cells_[i], algorithm) = algorithm.with_used(used, now); });
  }

  [[nodiscard]] bool is_ahead(Instant now) const {
    return turn().is_ahead(now) || block().is_ahead(now) || any_is_ahead(*limits_, cells(), turn().or_later(now));
  }
  void clamp(Instant now) {
    reservations_.turn.clamp(now);
    reservations_.block.clamp(now);
    ratelimit::clamp(*limits_, cells(), turn().or_later(now));
  }

  /// Goes on under other limits, which must be valid.
  void change(const std::vector<LimitSpec>& specs, Instant now) {
    const Limits next = Limits::make(specs).value();
    CarriedStates carried(*limits_, cells(), next, turn().or_later(now));
    replace(next, [&](std::span<Cell> made) { carried.move_into(made); });
    reservations_.move_charges(carried.predecessors());
  }
  /// Is charged what another subject counts as used, as RL.TRANSFER does it.
  void add_used(const Subject& other, Instant now) {
    Booking(*limits_, cells(), reservations_, last_grants_)
        .add_used(used_by_predecessors(other.limits(), other.cells(), now, *limits_), now);
    has_reserved_ = true;
  }
  [[nodiscard]] bool is_tied(Instant now) const { return ratelimit::is_tied(*limits_, cells(), &reservations_, now); }

 private:
  [[nodiscard]] Accounts accounts() { return {*limits_, cells(), last_grants_, reservations_.holds.empty()}; }

  /// `fill` is given idle states, and may move the old ones there.
  template <class Fill>
  void replace(Limits next, Fill fill) {
    auto limits = std::make_unique<Limits>(std::move(next));
    std::array<Cell, kMaxLimits> made;
    const auto states = std::span(made).first(limits->size());
    construct_idle(*limits, states);
    fill(states);
    destroy(*limits_, cells());
    limits_ = std::move(limits);
    cells_ = made;  // Cells are moved by their bytes: whoever holds them says what is in them.
  }

  [[nodiscard]] std::string fresh_id() { return "made-" + std::to_string(++ids_made_); }

  std::unique_ptr<Limits> limits_;
  std::array<Cell, kMaxLimits> cells_;
  std::vector<Instant> last_grants_;
  Reservations reservations_;
  bool has_reserved_ = false;  ///< from then on whatever changes the subject is an operation
  std::uint64_t ids_made_ = 0;
};

}  // namespace ratelimit::tests

#endif  // RATELIMIT_TESTS_CORE_SUBJECT_H
