// SPDX-License-Identifier: MIT
// What the limits mean, as plainly as it can be said: the second opinion that the core has to agree with.
//
// A bucket is something owed that is paid off, a window a counter with an end, a sliding log a list of times and a
// loop, leases and holds are lists. Slow on purpose, and nothing here is shared with the core but its words: units,
// limits as they are written, requests and operations.
//
// The integers of the bucket are Boost.Multiprecision's cpp_int, which has no largest value: what is owed and moves to
// a limit with another period passes 2^150, and an oracle should not need a proof that its own arithmetic is wide
// enough. (128 bits would do for one limit; whether they do is what the core has to show.)
#ifndef RATELIMIT_TESTS_CORE_ORACLE_H
#define RATELIMIT_TESTS_CORE_ORACLE_H

#include <algorithm>
#include <boost/multiprecision/cpp_int.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/decision.h"
#include "ratelimit/operation.h"
#include "ratelimit/request.h"
#include "ratelimit/units.h"

namespace ratelimit::oracle {

using Exact = boost::multiprecision::cpp_int;

inline Exact floor_of(const Exact& number, const Exact& divisor) { return number / divisor; }
inline Exact ceil_of(const Exact& number, const Exact& divisor) { return (number + divisor - 1) / divisor; }
inline Span to_span(const Exact& nanoseconds) { return Span{static_cast<std::int64_t>(nanoseconds)}; }
inline Units to_units(const Exact& count) { return Units(static_cast<std::int64_t>(count)); }
inline std::int64_t unix_ns(Instant instant) { return instant.time_since_epoch().count(); }
inline Instant from_unix_ns(std::int64_t ns) { return Instant{Span{ns}}; }

/// One limit and what it remembers of one subject.
class Model {
 public:
  Model() = default;
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;
  virtual ~Model() = default;

  /// The answer to a call. It changes nothing: only `charge` does. No cost asks how the limit stands.
  [[nodiscard]] virtual Decision ask(const Ask& ask, Instant now) const = 0;
  /// Charges a call that was granted.
  virtual void charge(const Ask& ask, Instant now) = 0;
  /// Charges as of a turn that is to come: what will be over by then is not over yet.
  virtual void charge_ahead(const Ask& ask, Instant turn) { charge(ask, turn); }
  /// Gives back up to `units` of those that count, the newest first, but none of the `newer` newest.
  virtual void give_back(Units units, Units newer, Instant now) = 0;
  [[nodiscard]] virtual Units used(Instant now) const = 0;
  [[nodiscard]] virtual Instant idle_at() const = 0;
  /// Whether what is remembered could not come from a call at or before `now`, and forgets the excess.
  [[nodiscard]] virtual bool is_ahead(Instant now) const = 0;
  virtual void clamp(Instant now) = 0;
  /// Takes over what `old` remembers if it means the same here.
  virtual bool take_over(const Model& old) = 0;
  /// Ends the lease with that id. Whether there was one.
  virtual bool release(std::string_view, Instant) { return false; }
  [[nodiscard]] virtual bool has_lease(std::string_view, Instant) const { return false; }
  virtual void forget_some(Instant) {}
};

/// Units that are not paid yet are owed, counted in parts: a unit is `period` parts, and each nanosecond pays `refill`
/// of them. A queue tells a call besides how long those before it take.
class Bucket final : public Model {
 public:
  Bucket(Units capacity, Units refill, Span period, bool is_queue)
      : is_queue_(is_queue),
        size_(capacity),
        unit_(period.count()),
        per_ns_(refill.count()),
        full_(capacity.count() * unit_),
        most_(full_ + std::min(Exact(kMaxUnits.count()), floor_of(kMaxSpan.count() * per_ns_, unit_)) * unit_) {}

  [[nodiscard]] Decision ask(const Ask& ask, Instant now) const override {
    const Exact owed = owed_at(now);
    const Exact after = owed + ask.cost.count() * unit_;
    Decision answer;
    answer.size = size_;
    if (after <= full_ || ask.force) {
      const Exact then = std::min(after, most_);
      answer.outcome = Outcome::granted;
      answer.granted = ask.cost;
      answer.remaining = left(then);
      answer.wait = until_paid(then - full_);
      if (is_queue_ && ask.cost > kNoUnits) answer.wait = std::max(answer.wait, until_paid(owed));
      answer.reset = until_paid(then);
    } else {
      answer.outcome = ask.cost > size_ ? Outcome::never : Outcome::denied;
      answer.remaining = left(owed);
      answer.wait = ask.cost > size_ ? Span{} : until_paid(after - full_);
      answer.reset = until_paid(owed);
    }
    return answer;
  }

  void charge(const Ask& ask, Instant now) override {
    owe(std::min(Exact(owed_at(now) + ask.cost.count() * unit_), most_), now);
  }

  void give_back(Units units, Units newer, Instant now) override {
    const Exact owed = owed_at(now);
    const Exact owed_to_others = newer.count() * unit_;
    if (units == kNoUnits || owed <= owed_to_others) return;
    owe(owed - std::min(Exact(units.count() * unit_), Exact(owed - owed_to_others)), now);
  }

  [[nodiscard]] Units used(Instant now) const override { return to_units(ceil_of(owed_at(now), unit_)); }
  [[nodiscard]] Instant idle_at() const override { return as_of_ + until_paid(owed_); }

  [[nodiscard]] bool is_ahead(Instant now) const override { return unbounded_owed_at(now) > bound(); }
  void clamp(Instant now) override {
    if (is_ahead(now)) owe(bound(), now);
  }

  bool take_over(const Model& old) override {
    const auto* bucket = dynamic_cast<const Bucket*>(&old);
    if (bucket == nullptr || bucket->is_queue_ != is_queue_) return false;
    if (bucket->per_ns_ * unit_ != per_ns_ * bucket->unit_) return false;
    owed_ = bucket->owed_ * unit_ / bucket->unit_;
    debt_ = bucket->debt_;
    as_of_ = bucket->as_of_;
    return true;
  }

 private:
  /// Before `as_of_` (the clock was ahead) more was owed, but never more than the bucket and the debt of the last
  /// charge.
  [[nodiscard]] Exact owed_at(Instant now) const { return std::clamp(unbounded_owed_at(now), Exact(0), bound()); }
  [[nodiscard]] Exact unbounded_owed_at(Instant now) const {
    return owed_ - Exact(unix_ns(now) - unix_ns(as_of_)) * per_ns_;
  }
  [[nodiscard]] Exact bound() const { return full_ + debt_.count() * unit_; }

  void owe(const Exact& parts, Instant now) {
    owed_ = parts;
    debt_ = parts > full_ ? to_units(ceil_of(parts - full_, unit_)) : kNoUnits;
    as_of_ = now;
  }

  [[nodiscard]] Units left(const Exact& owed) const {
    return owed < full_ ? to_units(floor_of(full_ - owed, unit_)) : kNoUnits;
  }
  [[nodiscard]] Span until_paid(const Exact& parts) const {
    return parts > 0 ? to_span(ceil_of(parts, per_ns_)) : Span{};
  }

  bool is_queue_;
  Units size_;
  Exact unit_;    ///< parts of one unit
  Exact per_ns_;  ///< parts paid per nanosecond
  Exact full_;    ///< parts of all units
  Exact most_;    ///< and of the largest debt
  Exact owed_ = 0;
  Units debt_;  ///< whole units that the last charge went beyond all, rounded up
  Instant as_of_{};
};

/// A counter and when it ends.
class Counter : public Model {
 public:
  explicit Counter(Units limit) : limit_(limit) {}

  [[nodiscard]] Decision ask(const Ask& ask, Instant now) const override {
    const auto [end, used] = open_at(now);
    const Units after = std::min(used + ask.cost, kMaxUnits);
    Decision answer;
    answer.size = limit_;
    if (used + ask.cost <= limit_ || ask.force) {
      answer.outcome = Outcome::granted;
      answer.granted = ask.cost;
      answer.remaining = left(after);
      answer.wait = after > limit_ ? end - now : Span{};
      answer.reset = after > kNoUnits ? end - now : Span{};
    } else {
      answer.outcome = ask.cost > limit_ ? Outcome::never : Outcome::denied;
      answer.remaining = left(used);
      answer.wait = ask.cost > limit_ ? Span{} : end - now;
      answer.reset = used > kNoUnits ? end - now : Span{};
    }
    return answer;
  }

  void charge(const Ask& ask, Instant now) override {
    const auto [end, used] = open_at(now);
    end_ = end;
    used_ = std::min(used + ask.cost, kMaxUnits);
  }

  void give_back(Units units, Units newer, Instant now) override {
    const auto [end, used] = open_at(now);
    if (units == kNoUnits || used <= newer) return;
    used_ = used - std::min(units, used - newer);
    end_ = used_ > kNoUnits ? end : Instant{};
  }

  [[nodiscard]] Units used(Instant now) const override { return open_at(now).second; }
  [[nodiscard]] Instant idle_at() const override { return end_; }

  [[nodiscard]] bool is_ahead(Instant now) const override { return end_ > fresh_end(now); }
  void clamp(Instant now) override {
    if (is_ahead(now)) std::tie(end_, used_) = open_at(now);
  }

 protected:
  /// The end of a window that is entered at `now`.
  [[nodiscard]] virtual Instant fresh_end(Instant now) const = 0;

  void take_over_from(const Counter& old) { std::tie(end_, used_) = std::tie(old.end_, old.used_); }

 private:
  [[nodiscard]] std::pair<Instant, Units> open_at(Instant now) const {
    if (now >= end_) return {fresh_end(now), kNoUnits};
    return {std::min(end_, fresh_end(now)), used_};
  }
  [[nodiscard]] Units left(Units used) const { return used < limit_ ? limit_ - used : kNoUnits; }

  Units limit_;
  Instant end_{};
  Units used_;
};

class Window final : public Counter {
 public:
  Window(Units limit, Span window, bool aligned) : Counter(limit), window_(window), aligned_(aligned) {}

  bool take_over(const Model& old) override {
    const auto* window = dynamic_cast<const Window*>(&old);
    if (window == nullptr || window->window_ != window_ || window->aligned_ != aligned_) return false;
    take_over_from(*window);
    return true;
  }

 private:
  [[nodiscard]] Instant fresh_end(Instant now) const override {
    return aligned_ ? from_unix_ns((unix_ns(now) / window_.count() + 1) * window_.count()) : now + window_;
  }

  Span window_;
  bool aligned_;
};

/// A window that the calendar of <chrono> ends. The zone's clock must always be as far from UTC: the others have tests
/// of their own.
class Calendar final : public Counter {
 public:
  Calendar(Units limit, CalendarUnit unit, const Zone* zone) : Counter(limit), unit_(unit), zone_(zone) {}

  bool take_over(const Model& old) override {
    const auto* calendar = dynamic_cast<const Calendar*>(&old);
    if (calendar == nullptr || calendar->unit_ != unit_ || calendar->zone_ != zone_) return false;
    take_over_from(*calendar);
    return true;
  }

 private:
  [[nodiscard]] Instant fresh_end(Instant now) const override {
    const Span offset = zone_ == nullptr ? Span{} : zone_->offset_at(now);
    return local_end(now + offset) - offset;
  }

  [[nodiscard]] Instant local_end(Instant now) const {
    using namespace std::chrono;
    const sys_days today = floor<days>(now);
    const year_month_day date(today);
    switch (unit_) {
      case CalendarUnit::hour: return floor<hours>(now) + hours{1};
      case CalendarUnit::day: return today + days{1};
      case CalendarUnit::week: {
        sys_days day = today + days{1};
        while (weekday(day) != Monday) day += days{1};
        return day;
      }
      case CalendarUnit::month: return sys_days(date.year() / date.month() / last) + days{1};
      case CalendarUnit::year: return sys_days(date.year() / December / 31) + days{1};
    }
    return {};
  }

  CalendarUnit unit_;
  const Zone* zone_;
};

/// A list of grants. The bound on the number of entries is not modelled; it has its own test.
class Log final : public Model {
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
    if (counted + ask.cost <= limit_ || (ask.force && (counted < kMaxUnits || ask.cost == kNoUnits))) {
      const Units after = std::min(counted + ask.cost, kMaxUnits);
      answer.outcome = Outcome::granted;
      answer.granted = ask.cost;
      answer.remaining = left(after);
      answer.wait = after > limit_ ? until_gone(after - limit_, now) : Span{};
      answer.reset = ask.cost > kNoUnits ? on_grid(now) + window_ - now : until_gone(counted, now);
    } else {
      answer.outcome = ask.cost > limit_ && !ask.force ? Outcome::never : Outcome::denied;
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
    const Units cost = std::min(ask.cost, kMaxUnits - used(now));
    forget(now);
    grants_.push_back({on_grid(now), cost});
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

  bool take_over(const Model& old) override {
    const auto* log = dynamic_cast<const Log*>(&old);
    if (log == nullptr || log->window_ != window_) return false;
    grants_ = log->grants_;
    return true;
  }

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

/// Two counters, and a search for the instant at which they allow something: nothing is solved for time here.
class TwoWindows final : public Model {
 public:
  TwoWindows(Units limit, Span window) : limit_(limit), window_(window) {}

  [[nodiscard]] Decision ask(const Ask& ask, Instant now) const override {
    const Counts counts = counts_at(now);
    const Units used = counts.used(now, window_);
    Counts after = counts;
    Decision answer;
    answer.size = limit_;
    if (used + ask.cost <= limit_ || ask.force) {
      after.current = std::min(after.current + ask.cost, kMaxUnits);
      answer.outcome = Outcome::granted;
      answer.granted = ask.cost;
      answer.wait = until_at_most(limit_, after, now);
    } else {
      answer.outcome = ask.cost > limit_ ? Outcome::never : Outcome::denied;
      answer.wait = ask.cost > limit_ ? Span{} : until_at_most(limit_ - ask.cost, counts, now);
    }
    answer.remaining = std::max(limit_ - after.used(now, window_), kNoUnits);
    answer.reset = until_at_most(kNoUnits, after, now);
    return answer;
  }

  void charge(const Ask& ask, Instant now) override {
    counts_ = counts_at(now);
    counts_.current = std::min(counts_.current + ask.cost, kMaxUnits);
  }

  void give_back(Units units, Units newer, Instant now) override {
    Counts counts = counts_at(now);
    const Units from_current = std::min(units, std::max(counts.current - newer, kNoUnits));
    const Units newer_in_previous = std::max(newer - counts.current, kNoUnits);
    const Units from_previous = std::min(units - from_current, std::max(counts.previous - newer_in_previous, kNoUnits));
    if (from_current + from_previous == kNoUnits) return;
    counts.current -= from_current;
    counts.previous -= from_previous;
    counts_ = counts.current + counts.previous == kNoUnits ? Counts{} : counts;
  }

  [[nodiscard]] Units used(Instant now) const override { return counts_at(now).used(now, window_); }
  [[nodiscard]] Instant idle_at() const override {
    if (counts_.current > kNoUnits) return counts_.start + window_ + window_;
    return counts_.previous > kNoUnits ? counts_.start + window_ : Instant{};
  }

  [[nodiscard]] bool is_ahead(Instant now) const override { return counts_.start > now; }
  void clamp(Instant now) override {
    if (is_ahead(now)) counts_ = counts_at(now);
  }

  bool take_over(const Model& old) override {
    const auto* windows = dynamic_cast<const TwoWindows*>(&old);
    if (windows == nullptr || windows->window_ != window_) return false;
    counts_ = windows->counts_;
    return true;
  }

 private:
  __extension__ using Wide = __int128;

  struct Counts {
    Instant start{};
    Units previous;
    Units current;

    /// At an instant of the window that begins at `start`, or of the next.
    [[nodiscard]] Units used(Instant now, Span window) const {
      const bool is_next = now >= start + window;
      const Units weighted = is_next ? current : previous;
      const Span covered = start + window + (is_next ? window : Span{}) - now;
      const Wide parts = Wide{weighted.count()} * std::max(covered, Span{}).count();
      const Units counted(static_cast<std::int64_t>((parts + window.count() - 1) / window.count()));
      return is_next ? counted : current + counted;
    }
  };

  [[nodiscard]] Counts counts_at(Instant now) const {
    const Instant start = from_unix_ns(unix_ns(now) / window_.count() * window_.count());
    if (counts_.start > start) {
      return {start, kNoUnits, std::max(counts_.current, std::min(counts_.previous + counts_.current, limit_))};
    }
    if (counts_.start == start) return counts_;
    return {start, counts_.start + window_ == start ? counts_.current : kNoUnits, kNoUnits};
  }

  /// Until no more than `units` count: the more time, the fewer.
  [[nodiscard]] Span until_at_most(Units units, const Counts& counts, Instant now) const {
    if (counts.used(now, window_) <= units) return Span{};
    Span not_yet{};
    Span then = counts.start + window_ + window_ - now;
    while (then - not_yet > Span{1}) {
      const Span middle = not_yet + (then - not_yet) / 2;
      (counts.used(now + middle, window_) <= units ? then : not_yet) = middle;
    }
    return then;
  }

  Units limit_;
  Span window_;
  Counts counts_;
};

/// A list of leases. The bound on their number is not modelled; it has its own test.
class Leases final : public Model {
 public:
  Leases(Units limit, Span lease) : limit_(limit), lease_(lease) {}

  [[nodiscard]] Decision ask(const Ask& ask, Instant now) const override {
    const Units others = held_by_others(ask.id, now);
    const Units free = others < limit_ ? limit_ - others : kNoUnits;
    Decision answer;
    answer.size = limit_;
    answer.remaining = free;
    answer.reset = until_at_most(kNoUnits, "", now);
    if (ask.cost == kNoUnits) {
      answer.outcome = Outcome::granted;
      answer.wait = until_at_most(limit_, ask.id, now);
    } else if (others + ask.cost <= limit_ || (ask.force && others < kMaxUnits)) {
      const Units cost = std::min(ask.cost, kMaxUnits - others);
      answer.outcome = Outcome::granted;
      answer.granted = ask.cost;
      answer.remaining = std::max(free - cost, kNoUnits);
      answer.wait = cost > limit_ ? lease_ : until_at_most(limit_ - cost, ask.id, now);
      answer.reset = lease_;
    } else if (ask.cost > limit_ && !ask.force) {
      answer.outcome = Outcome::never;
    } else {
      answer.outcome = Outcome::denied;
      // Where even force was denied, one unit less makes room.
      answer.wait = until_at_most(ask.force ? kMaxUnits - Units(1) : limit_ - ask.cost, ask.id, now);
    }
    return answer;
  }

  void charge(const Ask& ask, Instant now) override {
    forget_some(now);
    charge_ahead(ask, now);
  }
  void charge_ahead(const Ask& ask, Instant turn) override {
    const Units cost = std::min(ask.cost, kMaxUnits - held_by_others(ask.id, turn));
    clamp(turn);
    std::erase_if(leases_, [&](const Lease& lease) { return lease.id == ask.id; });
    leases_.push_back({turn + lease_, std::string(ask.id), cost});
  }
  [[nodiscard]] bool has_lease(std::string_view id, Instant now) const override {
    return std::any_of(leases_.begin(), leases_.end(),
                       [&](const Lease& lease) { return lease.id == id && lease.end > now; });
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

  [[nodiscard]] bool is_ahead(Instant now) const override { return idle_at() > now + lease_; }
  void clamp(Instant now) override {
    for (Lease& lease : leases_) lease.end = std::min(lease.end, now + lease_);
  }

  bool take_over(const Model& old) override {
    const auto* leases = dynamic_cast<const Leases*>(&old);
    if (leases == nullptr) return false;
    leases_ = leases->leases_;
    return true;
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
    return std::min(then - now, lease_);
  }

  Units limit_;
  Span lease_;
  std::vector<Lease> leases_;
};

inline std::unique_ptr<Model> model_of(const LimitSpec& spec) {
  switch (spec.algorithm) {
    case Algorithm::token_bucket: return std::make_unique<Bucket>(spec.size, spec.refill, spec.span, false);
    case Algorithm::fixed_window: return std::make_unique<Window>(spec.size, spec.span, spec.aligned);
    case Algorithm::sliding_window_log: return std::make_unique<Log>(spec.size, spec.span);
    case Algorithm::leaky_bucket: return std::make_unique<Bucket>(spec.size, spec.refill, spec.span, true);
    case Algorithm::sliding_window_counter: return std::make_unique<TwoWindows>(spec.size, spec.span);
    case Algorithm::quota: return std::make_unique<Calendar>(spec.size, spec.unit, spec.rules);
    case Algorithm::concurrent: return std::make_unique<Leases>(spec.size, spec.span);
  }
  return nullptr;
}

inline bool refills_in_time(Units capacity, Units refill, Span period) {
  return Exact(capacity.count()) * period.count() <= Exact(refill.count()) * kMaxSpan.count();
}

inline std::string name_of(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::token_bucket: return "tokenbucket";
    case Algorithm::fixed_window: return "fixed";
    case Algorithm::sliding_window_log: return "sliding";
    case Algorithm::leaky_bucket: return "leakybucket";
    case Algorithm::sliding_window_counter: return "sliding";
    case Algorithm::quota: return "quota";
    case Algorithm::concurrent: return "concurrent";
  }
  return {};
}

inline std::vector<std::string> labels_of(std::span<const LimitSpec> specs) {
  std::map<std::string, int> unnamed;
  std::vector<std::string> labels;
  for (const LimitSpec& spec : specs) {
    std::string label(spec.label);
    if (label.empty()) {
      label = name_of(spec.algorithm);
      const int number = ++unnamed[label];
      if (number > 1) label += "-" + std::to_string(number);
    }
    labels.push_back(label);
  }
  return labels;
}

/// A list of limits, what they remember of one subject, and what that subject has reserved.
class Subject {
 public:
  struct Answer {
    Decision decision;
    std::size_t binding = 0;
    Span idle_in{};  ///< granted: until all are idle
    Span turn{};     ///< granted: until the turn of who waits for it
  };

  /// Units that were charged for a call whose cost is not known yet.
  struct Hold {
    Instant end;
    Units units;
    Units newer;  ///< units charged since, as far as they are not known to have been too many
  };
  using Holds = std::map<std::string, Hold, std::less<>>;

  explicit Subject(std::span<const LimitSpec> specs) : specs_(specs.begin(), specs.end()), labels_(labels_of(specs)) {
    for (const LimitSpec& spec : specs_) models_.push_back(model_of(spec));
  }

  [[nodiscard]] const Model& operator[](std::size_t i) const { return *models_[i]; }
  [[nodiscard]] const Holds& holds() const { return holds_; }
  /// The turn of who waits, and how far ahead that is at most. Nobody waits once it is over.
  [[nodiscard]] Instant turn() const { return turn_; }
  [[nodiscard]] Span turn_wait() const { return turn_wait_; }

  /// Until the turn of who waits, nobody else is granted anything: then is when calls are decided.
  [[nodiscard]] Instant turn_after(Instant now) const { return turn_ > now ? std::min(turn_, now + turn_wait_) : now; }

  [[nodiscard]] Answer ask(const Request& request, Instant now) const {
    const Instant at = turn_after(now);
    switch (request.mode) {
      case Mode::whole:
        return seen_from(now, keep_back(ask_all({request.cost, request.id}, at), at > now, request.id, at));
      case Mode::partial: return seen_from(now, ask_part(request, at > now, at));
      case Mode::force: return seen_from(now, ask_all({request.cost, request.id, true}, at));
      case Mode::may_wait: return seen_from(now, ask_turn(request, at - now, at));
    }
    return {};
  }

  /// How the limits stand.
  [[nodiscard]] Answer status(Instant now) const {
    return seen_from(now, ask_all({kNoUnits, {}, true}, turn_after(now)));
  }

  /// A reservation of as much of an estimate as the limits can ever hold. If there is such a hold, it is that one.
  [[nodiscard]] Answer ask_to_reserve(const Request& request, Instant now) const {
    if (const Hold* hold = live_hold(request.id, now)) {
      Answer answer = status(now);
      answer.decision.granted = hold->units;
      answer.decision.wait = Span{};
      return answer;
    }
    Request clamped{.cost = request.cost, .id = request.id};
    for (const LimitSpec& spec : specs_) {
      if (!spec.per_request) clamped.cost = std::min(clamped.cost, spec.size);
    }
    return ask(clamped, now);
  }

  [[nodiscard]] bool any_hold_ended(Instant now) const {
    return std::any_of(holds_.begin(), holds_.end(), [now](const auto& hold) { return hold.second.end <= now; });
  }

  /// Charges a call that was granted, when nothing was ever reserved.
  void charge(const Ask& ask, Instant now) {
    for (std::size_t i = 0; i < models_.size(); ++i) charge_one(i, ask, now);
  }

  bool perform(const Operation& operation) {
    collect(operation.at);
    bool found = false;
    switch (operation.kind) {
      case Operation::Kind::collect: break;
      case Operation::Kind::charge: charge_at_turn(operation); break;
      case Operation::Kind::refund: refund(operation); break;
      case Operation::Kind::reserve: found = reserve(operation); break;
      case Operation::Kind::settle: found = settle(operation); break;
      case Operation::Kind::release: found = release(operation.id, operation.at); break;
    }
    last_done_ = holds_.empty() ? Instant{} : operation.at;
    return found;
  }

  [[nodiscard]] Instant idle_at() const {
    Instant last{};
    for (const auto& model : models_) last = std::max(last, model->idle_at());
    for (const auto& [id, hold] : holds_) last = std::max(last, hold.end);
    return std::max(last, turn_);
  }

  [[nodiscard]] bool is_ahead(Instant now) const {
    const Instant at = turn_after(now);
    return turn_ > now + turn_wait_ ||
           std::any_of(models_.begin(), models_.end(), [at](const auto& model) { return model->is_ahead(at); });
  }
  void clamp(Instant now) {
    turn_ = std::min(turn_, now + turn_wait_);
    for (const auto& model : models_) model->clamp(turn_after(now));
  }

  /// Goes on under other limits: each from the old one with its label, else its algorithm, else the first left.
  void change(std::span<const LimitSpec> specs, Instant now) {
    Subject next(specs);
    std::set<std::size_t> from;
    std::set<std::size_t> to;
    for (const Likeness alike : {Likeness::label, Likeness::algorithm, Likeness::none}) {
      for (std::size_t i = 0; i < specs.size(); ++i) {
        for (std::size_t j = 0; j < specs_.size(); ++j) {
          if (from.contains(j) || to.contains(i) || !is_like(next, i, j, alike)) continue;
          next.inherit(i, *models_[j], turn_after(now));
          from.insert(j);
          to.insert(i);
        }
      }
    }
    specs_ = std::move(next.specs_);
    labels_ = std::move(next.labels_);
    models_ = std::move(next.models_);
  }

 private:
  enum class Likeness { label, algorithm, none };

  [[nodiscard]] Ask ask_of(std::size_t i, const Ask& ask) const {
    return {specs_[i].per_request ? std::min(ask.cost, Units(1)) : ask.cost, ask.id, ask.force};
  }

  [[nodiscard]] Answer ask_all(const Ask& ask, Instant at) const {
    std::vector<Decision> answers;
    for (std::size_t i = 0; i < models_.size(); ++i) answers.push_back(models_[i]->ask(ask_of(i, ask), at));
    Answer answer;
    for (std::size_t i = 1; i < answers.size(); ++i) {
      if (binds_more(answers[i], answers[answer.binding])) answer.binding = i;
    }
    answer.decision = answers[answer.binding];
    answer.decision.granted = kNoUnits;
    if (answer.decision.outcome == Outcome::granted) {
      answer.decision.granted = ask.cost;
      for (const Decision& each : answers) answer.decision.wait = std::max(answer.decision.wait, each.wait);
    }
    for (const Decision& each : answers) answer.idle_in = std::max(answer.idle_in, each.reset);
    return answer;
  }

  static bool binds_more(const Decision& a, const Decision& b) {
    const auto longest = [](const Decision& d) { return d.outcome == Outcome::never ? Span::max() : d.wait; };
    const bool a_refuses = a.outcome != Outcome::granted;
    const bool b_refuses = b.outcome != Outcome::granted;
    if (a_refuses != b_refuses) return a_refuses;
    return a_refuses ? longest(a) > longest(b) : a.remaining < b.remaining;
  }

  /// What was decided as of the turn of who waits, as it is told now.
  [[nodiscard]] Answer seen_from(Instant now, Answer answer) const {
    const Span ahead = turn_after(now) - now;
    if (answer.decision.outcome != Outcome::never) answer.decision.wait += ahead;
    answer.decision.reset += ahead;
    answer.idle_in += ahead;
    answer.turn += ahead;
    if (answer.decision.outcome != Outcome::granted && ahead > Span{}) answer.decision.remaining = kNoUnits;
    return answer;
  }

  /// Nobody overtakes who waits for a turn.
  [[nodiscard]] Answer keep_back(const Answer& answer, bool somebody_waits, std::string_view id, Instant at) const {
    if (answer.decision.outcome != Outcome::granted || !somebody_waits) return answer;
    return denied(Span{}, id, at);
  }

  /// A denial, though there is something left.
  [[nodiscard]] Answer denied(Span wait, std::string_view id, Instant at) const {
    Answer answer = ask_all({kNoUnits, id, true}, at);
    answer.decision.outcome = Outcome::denied;
    answer.decision.wait = wait;
    return answer;
  }

  /// How long one limit alone would let the call wait.
  [[nodiscard]] Span wait_under(std::size_t i, const Ask& ask, Instant at) const {
    const Decision first = models_[i]->ask(ask_of(i, ask), at);
    if (first.outcome == Outcome::granted || first.wait > kLatest - at) return first.wait;
    const Decision then = models_[i]->ask(ask_of(i, ask), at + first.wait);
    return then.outcome == Outcome::granted ? first.wait + then.wait : first.wait;
  }

  /// A denial by the limit that lets the call wait for the longest.
  [[nodiscard]] Answer too_late(const Ask& ask, Instant at, Span wait) const {
    Answer answer;
    for (std::size_t i = 1; i < models_.size(); ++i) {
      if (wait_under(i, ask, at) > wait_under(answer.binding, ask, at)) answer.binding = i;
    }
    answer.decision = models_[answer.binding]->ask({kNoUnits, ask.id, true}, at);
    answer.decision.outcome = Outcome::denied;
    answer.decision.wait = wait;
    return answer;
  }

  [[nodiscard]] Answer ask_part(const Request& request, bool somebody_waits, Instant at) const {
    const Answer whole = ask_all({request.cost, request.id}, at);
    if (whole.decision.outcome == Outcome::granted) return keep_back(whole, somebody_waits, request.id, at);
    Units part = request.cost;
    bool is_nothing = false;
    for (std::size_t i = 0; i < models_.size(); ++i) {
      const Units left = models_[i]->ask({kNoUnits, request.id, true}, at).remaining;
      if (!specs_[i].per_request) part = std::min(part, left);
      if (left == kNoUnits) is_nothing = true;
    }
    if (is_nothing) return ask_all({Units(1), request.id}, at);
    return keep_back(ask_all({part, request.id}, at), somebody_waits, request.id, at);
  }

  /// To wait until the call would be granted, if that is soon enough, and before the clocks end; and then once more,
  /// if it is to queue.
  [[nodiscard]] Answer ask_turn(const Request& request, Span ahead, Instant at) const {
    const Ask ask{request.cost, request.id};
    const Answer first = ask_all(ask, at);
    if (first.decision.outcome == Outcome::never) return first;
    const bool is_denied = first.decision.outcome == Outcome::denied;
    const Span until_turn = is_denied ? first.decision.wait : Span{};
    if (until_turn > kLatest - at) return first;
    Answer then = ask_all(ask, at + until_turn);
    // What a clock that was ahead left is not over when it should be.
    if (then.decision.outcome != Outcome::granted) return first;
    const Span wait = until_turn + then.decision.wait;
    if (ahead + wait > request.longest_wait) return too_late(ask, at, wait - request.longest_wait);
    then.turn = until_turn;
    then.decision.wait = wait;
    then.decision.reset += until_turn;
    then.idle_in += until_turn;
    return then;
  }

  void charge_one(std::size_t i, const Ask& ask, Instant at, bool is_turn = false) {
    if (ask.cost == kNoUnits) return;
    const Ask own = ask_of(i, {ask.cost, ask.id, true});
    if (models_[i]->ask(own, at).outcome != Outcome::granted) return;
    if (is_turn) {
      models_[i]->charge_ahead(own, at);
    } else {
      models_[i]->charge(own, at);
    }
  }

  void count(Units units) {
    for (auto& [id, hold] : holds_) hold.newer += units;
  }

  /// A hold that is gone took so many units too many: those that are older know it now.
  void forget_of(const Hold& gone, Units units) {
    for (auto& [id, hold] : holds_) {
      if (hold.newer > gone.newer) hold.newer = std::max(hold.newer - units, gone.newer);
    }
  }

  void charge_at_turn(const Operation& operation) {
    const Instant at = operation.at + operation.span;
    const bool is_turn = operation.span > Span{};
    if (is_turn) {
      for (const auto& model : models_) model->forget_some(operation.at);
    }
    for (std::size_t i = 0; i < models_.size(); ++i) charge_one(i, {operation.units, operation.id}, at, is_turn);
    count(operation.units);
    if (!is_turn) return;
    turn_ = at;
    turn_wait_ = operation.span;
  }

  bool reserve(const Operation& operation) {
    const Instant end = operation.at + operation.span;
    if (const Hold* hold = live_hold(operation.id, operation.at)) {
      for (std::size_t i = 0; i < models_.size(); ++i) {
        const Instant at = turn_after(operation.at);
        if (models_[i]->has_lease(operation.id, at)) charge_one(i, {hold->units, operation.id}, at, true);
      }
      holds_.find(operation.id)->second.end = end;
      return true;
    }
    charge({operation.units, operation.id}, operation.at);
    count(operation.units);
    holds_[std::string(operation.id)] = {end, operation.units, kNoUnits};
    return false;
  }

  bool settle(const Operation& operation) {
    const Hold* found = live_hold(operation.id, operation.at);
    const std::optional<Hold> hold = found != nullptr ? std::optional(*found) : std::nullopt;
    release(operation.id, operation.at);
    if (hold) holds_.erase(std::string(operation.id));
    const Instant at = turn_after(operation.at);
    const Units held = hold ? hold->units : kNoUnits;
    if (operation.units > held) {
      for (std::size_t i = 0; i < models_.size(); ++i) {
        const bool counts = specs_[i].algorithm != Algorithm::concurrent && !(hold && specs_[i].per_request);
        if (counts) charge_one(i, {operation.units - held, {}}, at);
      }
      count(operation.units - held);
    } else if (hold) {
      give_back(held - operation.units, hold->newer, at);
      forget_of(*hold, held - operation.units);
    }
    return hold.has_value();
  }

  bool release(std::string_view id, Instant now) {
    bool found = false;
    for (const auto& model : models_) found = model->release(id, now) || found;
    return found;
  }

  [[nodiscard]] const Hold* live_hold(std::string_view id, Instant now) const {
    const auto hold = holds_.find(id);
    return hold != holds_.end() && hold->second.end > now ? &hold->second : nullptr;
  }

  void refund(const Operation& operation) {
    give_back(operation.units, kNoUnits, turn_after(operation.at));
    for (auto& [id, hold] : holds_) hold.newer = std::max(hold.newer - operation.units, kNoUnits);
  }

  void give_back(Units units, Units newer, Instant at) {
    for (std::size_t i = 0; i < models_.size(); ++i) {
      if (!specs_[i].per_request) models_[i]->give_back(units, newer, at);
    }
  }

  /// The holds that have ended give back as of their ends, the first first; but not before what was done since. A turn
  /// that is over is forgotten.
  void collect(Instant now) {
    while (any_hold_ended(now)) {
      auto first = holds_.begin();
      for (auto hold = holds_.begin(); hold != holds_.end(); ++hold) {
        if (hold->second.end < first->second.end) first = hold;
      }
      const Hold hold = first->second;
      holds_.erase(first);
      give_back(hold.units, hold.newer, turn_after(std::max(hold.end, std::min(last_done_, now))));
      forget_of(hold, hold.units);
    }
    if (turn_ > now) return;
    turn_ = {};
    turn_wait_ = {};
  }

  bool is_like(const Subject& next, std::size_t i, std::size_t j, Likeness alike) const {
    if (alike == Likeness::label) return next.labels_[i] == labels_[j];
    return alike == Likeness::none || next.specs_[i].algorithm == specs_[j].algorithm;
  }

  void inherit(std::size_t i, const Model& old, Instant now) {
    if (models_[i]->take_over(old)) return;
    const Units used = std::min(old.used(now), specs_[i].size);
    if (used > kNoUnits) models_[i]->charge({used, {}}, now);
  }

  std::vector<LimitSpec> specs_;
  std::vector<std::string> labels_;
  std::vector<std::unique_ptr<Model>> models_;
  Holds holds_;
  Instant turn_{};
  Span turn_wait_{};
  Instant last_done_{};  ///< as long as there are holds
};

}  // namespace ratelimit::oracle

#endif  // RATELIMIT_TESTS_CORE_ORACLE_H
