// SPDX-License-Identifier: MIT
// What SLIDING means: a list of times and a loop.
#ifndef RATELIMIT_TESTS_SUPPORT_ORACLE_LOG_H
#define RATELIMIT_TESTS_SUPPORT_ORACLE_LOG_H

#include <algorithm>
#include <cstdint>
#include <vector>

#include "model.h"
#include "ratelimit/decision.h"
#include "ratelimit/units.h"

namespace ratelimit::oracle {

/// A list of grants. The bound on the number of entries is not modelled; it has its own test.
class Log final : public Clonable<Log> {
 public:
  Log(Units limit, Span window) : limit_(limit), window_(window), grid_(grid_of(window)) {}

  /// The largest of 1, 2, 5, 10, 20, 50, … ns of which 2^26 fit into the window; 1 if none does.
  static std::int64_t grid_of(Span window) {
    std::int64_t grid = 1;
    for (std::int64_t next : {1, 2, 5}) {
      for (; next * (std::int64_t{1} << 26) <= window.count(); next *= 10) grid = std::max(grid, next);
    }
    return grid;
  }

  [[nodiscard]] Decision ask(const Ask& ask, Instant now) const override {
    const Units counted = used(now);
    Decision answer;
    answer.size = limit_;
    if ((counted + ask.cost <= limit_ && limit_ > kNoUnits) ||
        (ask.force && (counted < kMax32BitUnits || ask.cost == kNoUnits))) {
      const Units after = std::min(counted + ask.cost, kMax32BitUnits);
      answer.outcome = Outcome::granted;
      answer.granted = ask.cost;
      answer.remaining = left(after);
      answer.wait = after > limit_ ? until_gone(after - limit_, now) : Span{};
      answer.reset = ask.cost > kNoUnits ? on_grid(now) + window_ - now : until_gone(counted, now);
    } else {
      const bool is_never = (ask.cost > limit_ || limit_ == kNoUnits) && !ask.force;
      answer.outcome = is_never ? Outcome::never : Outcome::denied;
      answer.remaining = left(counted);
      // Where even force was denied, one unit less makes room.
      if (answer.outcome == Outcome::denied) {
        answer.wait = until_gone(ask.force ? Units(1) : counted + ask.cost - limit_, now);
      }
      answer.reset = until_gone(counted, now);
    }
    return answer;
  }

  void charge(const Ask& ask, Instant now) override {
    const Units cost = std::min(ask.cost, kMax32BitUnits - used(now));
    forget(now);
    grants_.push_back({on_grid(now), cost});
  }

  void absorb(Instant now) override {
    clamp(now);
    const Instant newest = grants_.back().at;
    for (Grant& grant : grants_) {
      if (grant.at == newest) grant.at = on_grid(now);
    }
  }

  void give_back(Units units, Units newer, Instant now) override {
    if (units == kNoUnits || used(now) <= newer) return;
    forget(now);
    for (auto grant = grants_.rbegin(); grant != grants_.rend(); ++grant) {
      const Units spared = std::min(newer, grant->cost);
      const Units taken = std::min(units, grant->cost - spared);
      newer -= spared;
      units -= taken;
      grant->cost -= taken;
    }
    std::erase_if(grants_, [](const Grant& grant) { return grant.cost == kNoUnits; });
  }

  [[nodiscard]] Units used(Instant now) const override {
    Units sum;
    for (const Grant& grant : grants_) {
      if (counts(grant, now)) sum += grant.cost;
    }
    return sum;
  }
  [[nodiscard]] Instant idle_at() const override { return grants_.empty() ? Instant{} : grants_.back().at + window_; }

  [[nodiscard]] bool is_ahead(Instant now) const override {
    return std::any_of(grants_.begin(), grants_.end(), [&](const Grant& grant) { return grant.at > on_grid(now); });
  }
  void clamp(Instant now) override {
    for (Grant& grant : grants_) grant.at = std::min(grant.at, on_grid(now));
  }

  [[nodiscard]] Span recovery() const override { return window_ + Span{grid_}; }

  bool adopt(const Model& old, Instant now) override {
    const auto* const other = dynamic_cast<const Log*>(&old);
    if (other == nullptr) return false;
    grants_ = other->grants_;
    if (other->window_ == window_) return true;
    std::erase_if(grants_, [&](const Grant& grant) { return !other->counts(grant, now); });
    for (Grant& grant : grants_) grant.at = on_grid(grant.at);
    forget(now);
    return true;
  }

  void cap(Instant now) override { give_back(std::max(used(now) - limit_, kNoUnits), limit_, now); }

 private:
  struct Grant {
    Instant at;
    Units cost;
  };

  [[nodiscard]] Instant on_grid(Instant instant) const {
    const std::int64_t past = unix_ns(instant) % grid_;
    return past == 0 ? instant : instant + Span{grid_ - past};
  }
  [[nodiscard]] bool counts(const Grant& grant, Instant now) const { return grant.at + window_ > now; }

  void forget(Instant now) {
    std::erase_if(grants_, [&](const Grant& grant) { return !counts(grant, now); });
    clamp(now);
  }

  [[nodiscard]] Units left(Units used) const { return used < limit_ ? limit_ - used : kNoUnits; }

  /// Until the oldest grants, `units` in total, no longer count; of those that a call takes now, too, if that is not
  /// enough.
  [[nodiscard]] Span until_gone(Units units, Instant now) const {
    if (units == kNoUnits) return Span{};
    Units gone;
    for (const Grant& grant : grants_) {
      if (!counts(grant, now)) continue;
      gone += grant.cost;
      if (gone >= units) return std::min(grant.at, on_grid(now)) + window_ - now;
    }
    return on_grid(now) + window_ - now;
  }

  Units limit_;
  Span window_;
  std::int64_t grid_;  ///< in nanoseconds
  std::vector<Grant> grants_;
};

}  // namespace ratelimit::oracle

#endif  // RATELIMIT_TESTS_SUPPORT_ORACLE_LOG_H
