// SPDX-License-Identifier: MIT
// What CONCURRENT means: a list of leases.
#ifndef RATELIMIT_TESTS_SUPPORT_ORACLE_LEASES_H
#define RATELIMIT_TESTS_SUPPORT_ORACLE_LEASES_H

#include <algorithm>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "model.h"
#include "ratelimit/decision.h"
#include "ratelimit/units.h"

namespace ratelimit::oracle {

/// A list of leases. The bound on their number is not modelled; it has its own test.
class Leases final : public Clonable<Leases> {
 public:
  Leases(Units limit, Span lease) : limit_(limit), lease_(lease) {}

  /// Who asks for nothing renews nothing: his lease counts like any.
  [[nodiscard]] Decision ask(const Ask& asked, Instant now) const override {
    Ask ask = asked;
    if (ask.cost == kNoUnits && !ask.force) ask.id = {};
    const Units others = held_by_others(ask.id, now);
    const Units free = others < limit_ ? limit_ - others : kNoUnits;
    Decision answer;
    answer.size = limit_;
    answer.remaining = free;
    answer.reset = until_at_most(kNoUnits, "", now);
    if ((ask.cost > limit_ || limit_ == kNoUnits) && !ask.force) {
      answer.outcome = Outcome::never;
    } else if (ask.cost == kNoUnits) {
      answer.outcome = Outcome::granted;
      answer.wait = until_at_most(limit_, ask.id, now);
    } else if (others + ask.cost <= limit_ || (ask.force && others < kMax32BitUnits)) {
      const Units cost = std::min(ask.cost, kMax32BitUnits - others);
      answer.outcome = Outcome::granted;
      answer.granted = ask.cost;
      answer.remaining = std::max(free - cost, kNoUnits);
      answer.wait = until_no_debt(ask.id, cost, now);
      answer.reset = std::max(answer.reset, lease_);
    } else {
      answer.outcome = Outcome::denied;
      // Where even force was denied, one unit less makes room.
      answer.wait = until_at_most(ask.force ? kMax32BitUnits - Units(1) : limit_ - ask.cost, ask.id, now);
    }
    return answer;
  }

  void charge(const Ask& ask, Instant now) override {
    forget_some(now);
    charge_ahead(ask, now);
  }
  void charge_ahead(const Ask& ask, Instant turn) override { put(ask.id, ask.cost, turn, turn + lease_); }

  [[nodiscard]] Span lease() const override { return lease_; }
  [[nodiscard]] Units lease_units(std::string_view id, Instant now) const override {
    for (const Lease& lease : leases_) {
      if (lease.id == id && lease.end > now) return lease.units;
    }
    return kNoUnits;
  }
  void put_lease(std::string_view id, Units units, Instant at, Instant end) override {
    if (held_by_others(id, at) < kMax32BitUnits) put(id, units, at, end);
  }
  [[nodiscard]] Instant lease_end(std::string_view id) const override {
    for (const Lease& lease : leases_) {
      if (lease.id == id) return lease.end;
    }
    return {};
  }
  void renew_lease(std::string_view id, Units more, Instant at, Instant end) override {
    const Units room = std::max(kMax32BitUnits - used(at), kNoUnits);
    put_units(id, lease_units(id, at) + std::min(more, room), at, end);
  }

  void give_back(Units, Units, Instant) override {}

  [[nodiscard]] Units used(Instant now) const override {
    Units sum;
    for (const Lease& lease : leases_) {
      if (lease.end > now) sum += lease.units;
    }
    return sum;
  }
  [[nodiscard]] Instant idle_at() const override {
    Instant last{};
    for (const Lease& lease : leases_) last = std::max(last, lease.end);
    return last;
  }

  [[nodiscard]] bool is_ahead(Instant now) const override { return idle_at() > latest_end(now); }
  void clamp(Instant now) override { end_by(latest_end(now)); }

  [[nodiscard]] Span recovery() const override { return lease_; }

  bool adopt(const Model& old, Instant) override {
    const auto* const other = dynamic_cast<const Leases*>(&old);
    if (other == nullptr) return false;
    leases_ = other->leases_;
    longest_ = other->longest_;
    return true;
  }

  /// Those that end first are forgotten.
  void cap(Instant now) override {
    if (used(now) <= limit_) return;
    std::erase_if(leases_, [now](const Lease& lease) { return lease.end <= now; });
    std::sort(leases_.begin(), leases_.end(),
              [](const Lease& a, const Lease& b) { return std::tie(a.end, a.id) < std::tie(b.end, b.id); });
    Units too_many = used(now) - limit_;
    for (Lease& lease : leases_) {
      const Units less = std::min(too_many, lease.units);
      lease.units -= less;
      too_many -= less;
    }
    std::erase_if(leases_, [](const Lease& lease) { return lease.units == kNoUnits; });
  }

  /// A call forgets up to 64 leases that have ended: they show only if the clock is stepped back.
  void forget_some(Instant now) override {
    std::vector<std::pair<Instant, std::string>> ended;
    for (const Lease& lease : leases_) {
      if (lease.end <= now) ended.emplace_back(lease.end, lease.id);
    }
    std::sort(ended.begin(), ended.end());
    if (ended.size() > 64) ended.resize(64);
    for (const auto& [end, id] : ended) {
      std::erase_if(leases_, [&id = id](const Lease& lease) { return lease.id == id; });
    }
  }

  bool release(std::string_view id, Instant now) override {
    return std::erase_if(leases_, [&](const Lease& lease) { return lease.id == id && lease.end > now; }) > 0;
  }

 private:
  struct Lease {
    Instant end;
    std::string id;
    Units units;
  };

  void put(std::string_view id, Units cost, Instant at, Instant end) {
    put_units(id, std::min(cost, kMax32BitUnits - held_by_others(id, at)), at, end);
  }
  /// A lease that is renewed ends no earlier than before. One that ends later than any that was ever given is from a
  /// clock that was ahead.
  void put_units(std::string_view id, Units units, Instant at, Instant end) {
    if (std::none_of(leases_.begin(), leases_.end(), [at](const Lease& lease) { return lease.end > at; }))
      longest_ = {};
    end_by(at + longest_);
    for (const Lease& lease : leases_) {
      if (lease.id == id) end = std::max(end, lease.end);
    }
    std::erase_if(leases_, [&](const Lease& lease) { return lease.id == id; });
    leases_.push_back({end, std::string(id), units});
    longest_ = std::max(longest_, end - at);
  }

  void end_by(Instant latest) {
    for (Lease& lease : leases_) lease.end = std::min(lease.end, latest);
  }
  [[nodiscard]] Instant latest_end(Instant now) const { return now + longest_; }

  /// If a lease of `cost` is taken now: until no more than the limit is held.
  [[nodiscard]] Span until_no_debt(std::string_view id, Units cost, Instant now) const {
    Instant own_end = now + lease_;
    std::vector<std::pair<Instant, Units>> ends;
    for (const Lease& lease : leases_) {
      if (lease.end <= now) continue;
      if (!id.empty() && lease.id == id) {
        own_end = std::max(own_end, std::min(lease.end, latest_end(now)));
      } else {
        ends.emplace_back(std::min(lease.end, latest_end(now)), lease.units);
      }
    }
    ends.emplace_back(own_end, cost);
    std::sort(ends.begin(), ends.end());
    Units held = held_by_others(id, now) + cost;
    Instant then = now;
    for (auto end = ends.begin(); held > limit_; ++end) {
      then = end->first;
      held -= end->second;
    }
    return then - now;
  }

  /// Nobody is called "".
  [[nodiscard]] Units held_by_others(std::string_view id, Instant now) const {
    Units sum;
    for (const Lease& lease : leases_) {
      if (lease.end > now && (id.empty() || lease.id != id)) sum += lease.units;
    }
    return sum;
  }

  /// Until others hold no more than `units`.
  [[nodiscard]] Span until_at_most(Units units, std::string_view id, Instant now) const {
    Instant then = now;
    Units held = held_by_others(id, now);
    if (held <= units) return Span{};
    std::vector<std::pair<Instant, Units>> ends;
    for (const Lease& lease : leases_) {
      if (lease.end > now && (id.empty() || lease.id != id)) ends.emplace_back(lease.end, lease.units);
    }
    std::sort(ends.begin(), ends.end());
    for (auto end = ends.begin(); held > units; ++end) {
      then = end->first;
      held -= end->second;
    }
    return std::min(then, latest_end(now)) - now;
  }

  Units limit_;
  Span lease_;
  std::vector<Lease> leases_;
  Span longest_{};  ///< for which one of them was given
};

}  // namespace ratelimit::oracle

#endif  // RATELIMIT_TESTS_SUPPORT_ORACLE_LEASES_H
