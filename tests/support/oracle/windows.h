// SPDX-License-Identifier: MIT
// What FIXED, QUOTA and SLIDING with APPROX mean: counters with an end.
#ifndef RATELIMIT_TESTS_SUPPORT_ORACLE_WINDOWS_H
#define RATELIMIT_TESTS_SUPPORT_ORACLE_WINDOWS_H

#include <algorithm>
#include <chrono>
#include <tuple>
#include <utility>

#include "model.h"
#include "ratelimit/algorithms/anchor.h"
#include "ratelimit/algorithms/calendar_unit.h"
#include "ratelimit/algorithms/zone.h"
#include "ratelimit/decision.h"
#include "ratelimit/units.h"

namespace ratelimit::oracle {

/// A counter and when it ends.
class Counter : public Model {
 public:
  explicit Counter(Units limit) : limit_(limit) {}

  [[nodiscard]] Decision ask(const Ask& ask, Instant now) const override {
    const auto [end, used] = open_at(now);
    const Units after = std::min(used + ask.cost, kMaxUnits);
    Decision answer;
    answer.size = limit_;
    if ((used + ask.cost <= limit_ && limit_ > kNoUnits) || ask.force) {
      answer.outcome = Outcome::granted;
      answer.granted = ask.cost;
      answer.remaining = left(after);
      answer.wait = after > limit_ ? end - now : Span{};
      answer.reset = after > kNoUnits ? end - now : Span{};
    } else {
      const bool is_never = ask.cost > limit_ || limit_ == kNoUnits;
      answer.outcome = is_never ? Outcome::never : Outcome::denied;
      answer.remaining = left(used);
      answer.wait = is_never ? Span{} : end - now;
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
  void cap(Instant) override { use(std::min(used_, limit_), end_); }

 protected:
  /// The end of a window that is entered at `now`.
  [[nodiscard]] virtual Instant fresh_end(Instant now) const = 0;

  /// The end of the window that is open at `now`, and what is used in it.
  [[nodiscard]] std::pair<Instant, Units> open_at(Instant now) const {
    if (now >= end_) return {fresh_end(now), kNoUnits};
    return {std::min(end_, fresh_end(now)), used_};
  }
  /// As much is used in a window that ends at `end`.
  void use(Units used, Instant end) {
    used_ = used;
    end_ = used > kNoUnits ? end : Instant{};
  }

 private:
  [[nodiscard]] Units left(Units used) const { return used < limit_ ? limit_ - used : kNoUnits; }

  Units limit_;
  Instant end_{};
  Units used_;
};

class Window final : public Clonable<Window, Counter> {
 public:
  Window(Units limit, Span window, bool aligned) : Clonable(limit), window_(window), aligned_(aligned) {}

  [[nodiscard]] Span recovery() const override { return window_; }

  /// A window begins where the other one began, if it is still open.
  bool adopt(const Model& old, Instant now) override {
    const auto* const other = dynamic_cast<const Window*>(&old);
    if (other == nullptr) return false;
    const auto [end, used] = other->open_at(now);
    const Instant kept = end - other->window_ + window_;
    const bool is_same = other->window_ == window_ && other->aligned_ == aligned_;
    use(used, is_same || (!aligned_ && kept > now) ? kept : fresh_end(now));
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
class Calendar final : public Clonable<Calendar, Counter> {
 public:
  Calendar(Units limit, CalendarUnit unit, const Zone* zone, Anchor anchor)
      : Clonable(limit), unit_(unit), zone_(zone), anchor_(anchor) {}

  /// The longest such window, and two days, by which clocks may be set back in it.
  [[nodiscard]] Span recovery() const override {
    using namespace std::chrono_literals;
    switch (unit_) {
      case CalendarUnit::hour: return 2h;
      case CalendarUnit::day: return (1 + 2) * 24h;
      case CalendarUnit::week: return (7 + 2) * 24h;
      case CalendarUnit::month: return (31 + 2) * 24h;
      case CalendarUnit::quarter: return (92 + 2) * 24h;
      case CalendarUnit::year: return (366 + 2) * 24h;
    }
    return {};
  }

  bool adopt(const Model& old, Instant now) override {
    const auto* const other = dynamic_cast<const Calendar*>(&old);
    if (other == nullptr) return false;
    const auto [end, used] = other->open_at(now);
    use(used, is_like(*other) ? end : fresh_end(now));
    return true;
  }

 private:
  [[nodiscard]] bool is_like(const Calendar& other) const {
    return other.unit_ == unit_ && other.zone_ == zone_ && other.anchor_ == anchor_;
  }

  [[nodiscard]] Instant fresh_end(Instant now) const override {
    const Span offset = zone_ == nullptr ? Span{} : zone_->offset_at(now);
    return local_end(now + offset) - offset;
  }

  /// Where a window began once: at the anchor, or on the first day of 2024, a Monday.
  [[nodiscard]] LocalMinute begin() const {
    using namespace std::chrono;
    return anchor_.is_given() ? anchor_.minute() : LocalMinute{local_days{2024y / January / 1}};
  }

  /// The first of the begins later than `now`, which is what a local clock shows.
  [[nodiscard]] Instant local_end(Instant now) const {
    using namespace std::chrono;
    const Instant first{begin().time_since_epoch()};
    const auto repeated_every = [&](Span length) {
      const Span past = (now - first) % length;
      return now - past + (past < Span{} ? Span{} : length);
    };
    switch (unit_) {
      case CalendarUnit::hour: return repeated_every(hours{1});
      case CalendarUnit::day: return repeated_every(days{1});
      case CalendarUnit::week: return repeated_every(weeks{1});
      case CalendarUnit::month: return local_end(now, 1);
      case CalendarUnit::quarter: return local_end(now, 3);
      case CalendarUnit::year: return local_end(now, 12);
    }
    return {};
  }

  /// The same of units of so many months: one after the other, from the last one before `now`.
  [[nodiscard]] Instant local_end(Instant now, int months) const {
    using namespace std::chrono;
    const auto number = [](year_month_day date) {
      return 12 * static_cast<int>(date.year()) + static_cast<int>(static_cast<unsigned>(date.month())) - 1;
    };
    const local_days day = floor<days>(begin());
    const year_month_day first(day);
    const year_month_day today(floor<days>(now));
    for (int n = (number(today) - number(first)) / months - 2;; ++n) {
      const int month = number(first) + n * months;
      const year_month there = year(month / 12) / (month % 12 + 1);
      year_month_day date = there / first.day();
      if (!date.ok()) date = there / last;
      const Instant start = sys_days(date) + (begin() - day);
      if (start > now) return start;
    }
  }

  CalendarUnit unit_;
  const Zone* zone_;
  Anchor anchor_;
};

/// Two counters, and a search for the instant at which they allow something: nothing is solved for time here.
class TwoWindows final : public Clonable<TwoWindows> {
 public:
  TwoWindows(Units limit, Span window) : limit_(limit), window_(window) {}

  [[nodiscard]] Decision ask(const Ask& ask, Instant now) const override {
    const Counts counts = counts_at(now);
    const Units used = counts.used(now, window_);
    Counts after = counts;
    Decision answer;
    answer.size = limit_;
    if ((used + ask.cost <= limit_ && limit_ > kNoUnits) || ask.force) {
      after.current = std::min(after.current + ask.cost, kMax32BitUnits);
      answer.outcome = Outcome::granted;
      answer.granted = ask.cost;
      answer.wait = until_at_most(limit_, after, now);
    } else {
      const bool is_never = ask.cost > limit_ || limit_ == kNoUnits;
      answer.outcome = is_never ? Outcome::never : Outcome::denied;
      answer.wait = is_never ? Span{} : until_at_most(limit_ - ask.cost, counts, now);
    }
    answer.remaining = std::max(limit_ - after.used(now, window_), kNoUnits);
    answer.reset = until_at_most(kNoUnits, after, now);
    return answer;
  }

  void charge(const Ask& ask, Instant now) override {
    counts_ = counts_at(now);
    counts_.current = std::min(counts_.current + ask.cost, kMax32BitUnits);
  }

  void give_back(Units units, Units newer, Instant now) override {
    Counts counts = counts_at(now);
    const Units from_current = std::min(units, std::max(counts.current - newer, kNoUnits));
    const Units newer_in_previous = std::max(newer - counts.current, kNoUnits);
    const Units from_previous = std::min(units - from_current, std::max(counts.previous - newer_in_previous, kNoUnits));
    if (from_current + from_previous == kNoUnits) return;
    counts.current -= from_current;
    counts.previous -= from_previous;
    remember(counts);
  }

  [[nodiscard]] Units used(Instant now) const override { return counts_at(now).used(now, window_); }
  [[nodiscard]] Instant idle_at() const override {
    if (counts_.current > kNoUnits) return counts_.start + window_ + window_;
    return counts_.previous > kNoUnits ? counts_.start + window_ : Instant{};
  }

  [[nodiscard]] bool is_ahead(Instant now) const override { return counts_.start > now; }
  void clamp(Instant now) override {
    if (is_ahead(now)) remember(counts_at(now));
  }

  [[nodiscard]] Span recovery() const override { return window_ + window_; }

  bool adopt(const Model& old, Instant now) override {
    const auto* const other = dynamic_cast<const TwoWindows*>(&old);
    if (other == nullptr) return false;
    if (other->window_ == window_) {
      counts_ = other->counts_;
    } else if (const Units used = std::min(other->used(now), kMax32BitUnits); used > kNoUnits) {
      counts_ = {start_of(now), kNoUnits, used};
    }
    return true;
  }

  /// As much as can be stays, of the window that is open first.
  void cap(Instant now) override {
    Counts counts = counts_at(now);
    if (counts.used(now, window_) <= limit_) return;
    counts.current = std::min(counts.current, limit_);
    Units too_many = counts.previous + Units(1);
    counts.previous = kNoUnits;
    while (too_many - counts.previous > Units(1)) {
      Counts tried = counts;
      tried.previous = Units((counts.previous + too_many).count() / 2);
      (tried.used(now, window_) <= limit_ ? counts.previous : too_many) = tried.previous;
    }
    remember(counts);
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

  void remember(const Counts& counts) { counts_ = counts.current + counts.previous == kNoUnits ? Counts{} : counts; }

  [[nodiscard]] Instant start_of(Instant now) const {
    return from_unix_ns(unix_ns(now) / window_.count() * window_.count());
  }

  [[nodiscard]] Counts counts_at(Instant now) const {
    const Instant start = start_of(now);
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

}  // namespace ratelimit::oracle

#endif  // RATELIMIT_TESTS_SUPPORT_ORACLE_WINDOWS_H
