// What the limits mean, as plainly as it can be said: the second opinion that the core has to agree with.
//
// A bucket is a debt that is paid off, a window a counter with an end, a sliding log a list of times and a loop.
// Slow on purpose, and nothing here is shared with the core but the words of units.h and decision.h.
//
// The integers of the bucket are Boost.Multiprecision's cpp_int, which has no largest value: a debt that moves to a
// limit with another period passes 2^150, and an oracle should not need a proof that its own arithmetic is wide
// enough. (128 bits would do for one limit; whether they do is what the core has to show.)
#ifndef RATELIMIT_TESTS_CORE_ORACLE_H
#define RATELIMIT_TESTS_CORE_ORACLE_H

#include <algorithm>
#include <boost/multiprecision/cpp_int.hpp>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "ratelimit/decision.h"
#include "ratelimit/limits.h"
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

  /// The answer to a call. It changes nothing: only `charge` does.
  [[nodiscard]] virtual Decision ask(Units cost, Instant now) const = 0;
  virtual void charge(Units cost, Instant now) = 0;
  [[nodiscard]] virtual Units used(Instant now) const = 0;
  [[nodiscard]] virtual Instant idle_at() const = 0;
  /// Whether what is remembered could not come from a call at or before `now`, and forgets the excess.
  [[nodiscard]] virtual bool is_ahead(Instant now) const = 0;
  virtual void clamp(Instant now) = 0;
  /// Takes over what `old` remembers if it means the same here.
  virtual bool take_over(const Model& old) = 0;
};

/// Unpaid units are a debt, counted in parts: a unit is `period` parts, and each nanosecond pays `refill` of them.
class Bucket final : public Model {
 public:
  Bucket(Units capacity, Units refill, Span period)
      : size_(capacity), unit_(period.count()), per_ns_(refill.count()), full_(capacity.count() * unit_) {}

  [[nodiscard]] Decision ask(Units cost, Instant now) const override {
    const Exact debt = debt_at(now);
    const Exact after = debt + cost.count() * unit_;
    Decision answer;
    answer.size = size_;
    if (after <= full_) {
      answer.outcome = Outcome::granted;
      answer.granted = cost;
      answer.remaining = to_units(floor_of(full_ - after, unit_));
      answer.reset = to_span(ceil_of(after, per_ns_));
    } else {
      answer.outcome = cost > size_ ? Outcome::never : Outcome::denied;
      answer.remaining = to_units(floor_of(full_ - debt, unit_));
      answer.wait = cost > size_ ? Span{} : to_span(ceil_of(after - full_, per_ns_));
      answer.reset = to_span(ceil_of(debt, per_ns_));
    }
    return answer;
  }

  void charge(Units cost, Instant now) override {
    debt_ = debt_at(now) + cost.count() * unit_;
    as_of_ = now;
  }

  [[nodiscard]] Units used(Instant now) const override { return to_units(ceil_of(debt_at(now), unit_)); }
  [[nodiscard]] Instant idle_at() const override { return as_of_ + to_span(ceil_of(debt_, per_ns_)); }

  [[nodiscard]] bool is_ahead(Instant now) const override { return unbounded_debt_at(now) > full_; }
  void clamp(Instant now) override {
    if (!is_ahead(now)) return;
    debt_ = full_;
    as_of_ = now;
  }

  bool take_over(const Model& old) override {
    const auto* bucket = dynamic_cast<const Bucket*>(&old);
    if (bucket == nullptr || bucket->per_ns_ * unit_ != per_ns_ * bucket->unit_) return false;
    debt_ = bucket->debt_ * unit_ / bucket->unit_;
    as_of_ = bucket->as_of_;
    return true;
  }

 private:
  /// Before `as_of_` (the clock was ahead) the debt was larger, but never larger than the bucket.
  [[nodiscard]] Exact debt_at(Instant now) const { return std::clamp(unbounded_debt_at(now), Exact(0), full_); }
  [[nodiscard]] Exact unbounded_debt_at(Instant now) const {
    return debt_ - Exact(unix_ns(now) - unix_ns(as_of_)) * per_ns_;
  }

  Units size_;
  Exact unit_;    ///< parts of one unit
  Exact per_ns_;  ///< parts paid per nanosecond
  Exact full_;    ///< parts of all units
  Exact debt_ = 0;
  Instant as_of_{};
};

/// A counter and when it ends.
class Window final : public Model {
 public:
  Window(Units limit, Span window, bool aligned) : limit_(limit), window_(window), aligned_(aligned) {}

  [[nodiscard]] Decision ask(Units cost, Instant now) const override {
    const auto [end, used] = open_at(now);
    Decision answer;
    answer.size = limit_;
    if (used + cost <= limit_) {
      answer.outcome = Outcome::granted;
      answer.granted = cost;
      answer.remaining = limit_ - used - cost;
      answer.reset = end - now;
    } else {
      answer.outcome = cost > limit_ ? Outcome::never : Outcome::denied;
      answer.remaining = limit_ - used;
      answer.wait = cost > limit_ ? Span{} : end - now;
      answer.reset = used == kNoUnits ? Span{} : end - now;
    }
    return answer;
  }

  void charge(Units cost, Instant now) override {
    const auto [end, used] = open_at(now);
    end_ = end;
    used_ = used + cost;
  }

  [[nodiscard]] Units used(Instant now) const override { return open_at(now).second; }
  [[nodiscard]] Instant idle_at() const override { return end_; }

  [[nodiscard]] bool is_ahead(Instant now) const override { return end_ > fresh_end(now); }
  void clamp(Instant now) override {
    if (is_ahead(now)) std::tie(end_, used_) = open_at(now);
  }

  bool take_over(const Model& old) override {
    const auto* window = dynamic_cast<const Window*>(&old);
    if (window == nullptr || window->window_ != window_ || window->aligned_ != aligned_) return false;
    end_ = window->end_;
    used_ = window->used_;
    return true;
  }

 private:
  [[nodiscard]] Instant fresh_end(Instant now) const {
    return aligned_ ? from_unix_ns((unix_ns(now) / window_.count() + 1) * window_.count()) : now + window_;
  }
  [[nodiscard]] std::pair<Instant, Units> open_at(Instant now) const {
    if (now >= end_) return {fresh_end(now), kNoUnits};
    return {std::min(end_, fresh_end(now)), std::min(used_, limit_)};
  }

  Units limit_;
  Span window_;
  bool aligned_;
  Instant end_{};
  Units used_;
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

  [[nodiscard]] Decision ask(Units cost, Instant now) const override {
    const Units counted = counted_at(now);
    Decision answer;
    answer.size = limit_;
    if (counted + cost <= limit_) {
      answer.outcome = Outcome::granted;
      answer.granted = cost;
      answer.remaining = limit_ - counted - cost;
      answer.reset = on_grid(now) + window_ - now;
    } else {
      answer.outcome = cost > limit_ ? Outcome::never : Outcome::denied;
      answer.remaining = std::max(limit_ - counted, kNoUnits);
      answer.wait = cost > limit_ ? Span{} : until_gone(counted + cost - limit_, now);
      answer.reset = counted == kNoUnits ? Span{} : until_gone(counted, now);
    }
    return answer;
  }

  void charge(Units cost, Instant now) override {
    std::erase_if(grants_, [&](const Grant& grant) { return !counts(grant, now); });
    clamp(now);
    grants_.push_back({on_grid(now), cost});
  }

  [[nodiscard]] Units used(Instant now) const override { return std::min(counted_at(now), limit_); }
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

  [[nodiscard]] Units counted_at(Instant now) const {
    Units sum;
    for (const Grant& grant : grants_) {
      if (counts(grant, now)) sum += grant.cost;
    }
    return sum;
  }

  /// Until the oldest grants, `units` in total, no longer count.
  [[nodiscard]] Span until_gone(Units units, Instant now) const {
    Units gone;
    for (const Grant& grant : grants_) {
      if (!counts(grant, now)) continue;
      gone += grant.cost;
      if (gone >= units) return std::min(grant.at, on_grid(now)) + window_ - now;
    }
    return Span::max();
  }

  Units limit_;
  Span window_;
  std::int64_t grid_;  ///< in nanoseconds
  std::vector<Grant> grants_;
};

inline std::unique_ptr<Model> model_of(const LimitSpec& spec) {
  switch (spec.algorithm) {
    case Algorithm::token_bucket: return std::make_unique<Bucket>(spec.size, spec.refill, spec.span);
    case Algorithm::fixed_window: return std::make_unique<Window>(spec.size, spec.span, spec.aligned);
    case Algorithm::sliding_log: return std::make_unique<Log>(spec.size, spec.span);
  }
  return nullptr;
}

inline bool refills_in_time(Units capacity, Units refill, Span period) {
  return Exact(capacity.count()) * period.count() <= Exact(refill.count()) * kMaxSpan.count();
}

inline std::vector<std::string> labels_of(std::span<const LimitSpec> specs) {
  std::map<Algorithm, int> unnamed;
  std::vector<std::string> labels;
  for (const LimitSpec& spec : specs) {
    std::string label(spec.label);
    if (label.empty()) {
      label = spec.algorithm == Algorithm::token_bucket   ? "tokenbucket"
              : spec.algorithm == Algorithm::fixed_window ? "fixed"
                                                          : "sliding";
      const int number = ++unnamed[spec.algorithm];
      if (number > 1) label += "-" + std::to_string(number);
    }
    labels.push_back(label);
  }
  return labels;
}

/// A list of limits and what they remember of one subject.
class Subject {
 public:
  struct Answer {
    Decision decision;
    std::size_t binding = 0;
    Span idle_in{};  ///< granted: until all are idle
  };

  explicit Subject(std::span<const LimitSpec> specs) : specs_(specs.begin(), specs.end()), labels_(labels_of(specs)) {
    for (const LimitSpec& spec : specs_) models_.push_back(model_of(spec));
  }

  [[nodiscard]] const Model& operator[](std::size_t i) const { return *models_[i]; }

  [[nodiscard]] Answer ask(Units cost, Instant now) const {
    std::vector<Decision> answers;
    for (std::size_t i = 0; i < models_.size(); ++i) answers.push_back(models_[i]->ask(cost_of(i, cost), now));
    Answer answer;
    for (std::size_t i = 1; i < answers.size(); ++i) {
      if (binds_more(answers[i], answers[answer.binding])) answer.binding = i;
    }
    answer.decision = answers[answer.binding];
    answer.decision.granted = answer.decision.outcome == Outcome::granted ? cost : kNoUnits;
    for (const Decision& each : answers) answer.idle_in = std::max(answer.idle_in, each.reset);
    return answer;
  }

  void charge(Units cost, Instant now) {
    for (std::size_t i = 0; i < models_.size(); ++i) models_[i]->charge(cost_of(i, cost), now);
  }

  [[nodiscard]] bool any_is_ahead(Instant now) const {
    return std::any_of(models_.begin(), models_.end(), [now](const auto& model) { return model->is_ahead(now); });
  }
  void clamp(Instant now) {
    for (const auto& model : models_) model->clamp(now);
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
          next.inherit(i, *models_[j], now);
          from.insert(j);
          to.insert(i);
        }
      }
    }
    *this = std::move(next);
  }

 private:
  enum class Likeness { label, algorithm, none };

  [[nodiscard]] Units cost_of(std::size_t i, Units cost) const { return specs_[i].per_request ? Units(1) : cost; }

  static bool binds_more(const Decision& a, const Decision& b) {
    const auto longest = [](const Decision& d) { return d.outcome == Outcome::never ? Span::max() : d.wait; };
    const bool a_refuses = a.outcome != Outcome::granted;
    const bool b_refuses = b.outcome != Outcome::granted;
    if (a_refuses != b_refuses) return a_refuses;
    return a_refuses ? longest(a) > longest(b) : a.remaining < b.remaining;
  }

  bool is_like(const Subject& next, std::size_t i, std::size_t j, Likeness alike) const {
    if (alike == Likeness::label) return next.labels_[i] == labels_[j];
    return alike == Likeness::none || next.specs_[i].algorithm == specs_[j].algorithm;
  }

  void inherit(std::size_t i, const Model& old, Instant now) {
    if (models_[i]->take_over(old)) return;
    const Units used = std::min(old.used(now), specs_[i].size);
    if (used > kNoUnits) models_[i]->charge(used, now);
  }

  std::vector<LimitSpec> specs_;
  std::vector<std::string> labels_;
  std::vector<std::unique_ptr<Model>> models_;
};

}  // namespace ratelimit::oracle

#endif  // RATELIMIT_TESTS_CORE_ORACLE_H
