// SPDX-License-Identifier: MIT
// What a bucket and a queue mean: something owed that is paid off.
#ifndef RATELIMIT_TESTS_SUPPORT_ORACLE_BUCKET_H
#define RATELIMIT_TESTS_SUPPORT_ORACLE_BUCKET_H

#include <algorithm>

#include "model.h"
#include "ratelimit/decision.h"
#include "ratelimit/units.h"

namespace ratelimit::oracle {

/// Units that are not paid yet are owed, counted in parts: a unit is `period` parts, and each nanosecond pays `refill`
/// of them. A queue tells a call besides how long those before it take.
///
/// A bucket that was made smaller owes all it can at most. The rest is cut off: whole units that are paid once nothing
/// is owed any more, and that are owed again in a larger bucket, or in debt.
class Bucket final : public Clonable<Bucket> {
 public:
  Bucket(Units capacity, Units refill, Span period, bool is_queue)
      : is_queue_(is_queue),
        size_(capacity),
        unit_(period.count()),
        per_ns_(refill.count()),
        full_(capacity.count() * unit_),
        most_debt_(std::min(Exact(kMax32BitUnits.count()), floor_of(kMaxSpan.count() * per_ns_, unit_))),
        most_(full_ + most_debt_ * unit_) {}

  [[nodiscard]] Decision ask(const Ask& ask, Instant now) const override {
    const Exact owed = owed_at(now);
    const Exact after = owed + ask.cost.count() * unit_;
    Decision answer;
    answer.size = size_;
    if ((after <= full_ && size_ > kNoUnits) || ask.force) {
      const Exact then = charged(after, now);
      answer.outcome = Outcome::granted;
      answer.granted = ask.cost;
      answer.remaining = left(then);
      answer.wait = until_paid(then - full_);
      if (is_queue_ && ask.cost > kNoUnits) answer.wait = std::max(answer.wait, until_paid(owed));
      answer.reset = until_paid(then);
    } else {
      const bool is_never = ask.cost > size_ || size_ == kNoUnits;
      answer.outcome = is_never ? Outcome::never : Outcome::denied;
      answer.remaining = left(owed);
      answer.wait = is_never ? Span{} : until_paid(after - full_);
      answer.reset = until_paid(owed);
    }
    return answer;
  }

  void charge(const Ask& ask, Instant now) override {
    const Exact after = owed_at(now) + ask.cost.count() * unit_;
    owe(charged(after, now), after > full_ ? Exact(0) : cut_off_at(now), now);
  }

  void give_back(Units units, Units newer, Instant now) override {
    const Exact owed = owed_at(now);
    const Exact cut_off = cut_off_at(now);
    const Exact of_others = newer.count() * unit_;
    const Exact lent = std::max(Exact(owed - of_others), Exact(0));
    const Exact newer_cut_off = std::max(Exact(newer.count() - ceil_of(owed, unit_)), Exact(0));
    const Exact rest = std::min(std::max(Exact(units.count() - ceil_of(lent, unit_)), Exact(0)),
                                std::max(Exact(cut_off - newer_cut_off), Exact(0)));
    if (units == kNoUnits || (lent == 0 && rest == 0)) return;
    owe(owed - std::min(Exact(units.count() * unit_), lent), cut_off - rest, now);
  }

  [[nodiscard]] Units used(Instant now) const override { return to_units(ceil_of(owed_at(now), unit_)); }
  [[nodiscard]] Instant idle_at() const override { return as_of_ + until_paid(owed_ + cut_off_ * unit_); }

  [[nodiscard]] bool is_ahead(Instant now) const override { return unbounded_owed_at(now) > bound(); }
  void clamp(Instant now) override {
    if (is_ahead(now)) owe(bound(), cut_off_, now);
  }

  /// A closed bucket is like one of a unit.
  [[nodiscard]] Span recovery() const override { return until_paid(std::max(full_, unit_)); }

  bool adopt(const Model& old, Instant now) override {
    const auto* const other = dynamic_cast<const Bucket*>(&old);
    if (other == nullptr) return false;
    const Exact owed = other->owed_at(now);
    const Exact units = floor_of(owed, other->unit_) + other->cut_off_at(now);
    const Exact rest = owed % other->unit_;
    if (units >= size_.count()) {
      owe(full_, std::min(Exact(units - size_.count() + (rest > 0 ? 1 : 0)), most_debt_), now);
    } else {
      // A bucket keeps time in parts of a nanosecond that make its interval a whole number, and no smaller ones.
      const Exact grid = gcd(unit_, per_ns_);
      const Exact of_unit = ceil_of(ceil_of(rest * unit_, other->unit_), grid) * grid;
      owe(std::min(Exact(units * unit_ + of_unit), full_), 0, now);
    }
    forget_if_idle();
    return true;
  }

  void cap(Instant now) override {
    if (debt_ == kNoUnits && cut_off_ == 0) return;
    owe(std::min(owed_at(now), full_), 0, now);
    forget_if_idle();
  }

  /// Whole units that are cut off and not paid yet.
  [[nodiscard]] Units cut_off(Instant now) const { return to_units(cut_off_at(now)); }

 private:
  /// Before `as_of_` (the clock was ahead) more was owed, but never more than the bucket and the debt of the last
  /// charge.
  [[nodiscard]] Exact owed_at(Instant now) const { return std::clamp(unbounded_owed_at(now), Exact(0), bound()); }
  [[nodiscard]] Exact unbounded_owed_at(Instant now) const {
    return owed_ - Exact(unix_ns(now) - unix_ns(as_of_)) * per_ns_;
  }
  [[nodiscard]] Exact bound() const { return full_ + debt_.count() * unit_; }

  [[nodiscard]] Exact cut_off_at(Instant now) const {
    const Exact paid = std::max(Exact(-unbounded_owed_at(now)), Exact(0));
    return ceil_of(std::max(Exact(cut_off_ * unit_ - paid), Exact(0)), unit_);
  }

  /// What is owed after a charge: in debt, all that was cut off as well.
  [[nodiscard]] Exact charged(const Exact& after, Instant now) const {
    return after > full_ ? std::min(Exact(after + cut_off_at(now) * unit_), most_) : after;
  }

  void owe(const Exact& parts, const Exact& cut_off, Instant now) {
    owed_ = parts;
    cut_off_ = cut_off;
    debt_ = parts > full_ ? to_units(ceil_of(parts - full_, unit_)) : kNoUnits;
    as_of_ = now;
  }
  void forget_if_idle() {
    if (owed_ == 0 && cut_off_ == 0) as_of_ = {};
  }

  [[nodiscard]] Units left(const Exact& owed) const {
    return owed < full_ ? to_units(floor_of(full_ - owed, unit_)) : kNoUnits;
  }
  [[nodiscard]] Span until_paid(const Exact& parts) const {
    return parts > 0 ? to_span(ceil_of(parts, per_ns_)) : Span{};
  }

  bool is_queue_;
  Units size_;
  Exact unit_;       ///< parts of one unit
  Exact per_ns_;     ///< parts paid per nanosecond
  Exact full_;       ///< parts of all units
  Exact most_debt_;  ///< in units
  Exact most_;       ///< parts of all units and the largest debt
  Exact owed_ = 0;
  Exact cut_off_ = 0;  ///< in units
  Units debt_;         ///< whole units that the last charge went beyond all, rounded up
  Instant as_of_{};
};

}  // namespace ratelimit::oracle

#endif  // RATELIMIT_TESTS_SUPPORT_ORACLE_BUCKET_H
