// One to eight limits that are decided together: what they are made of, what they remember, and how they change.
//
// `LimitSpec` is a limit as it was written, `Limit` the same checked and ready to decide, `Limits` the list. What a
// limit remembers about one subject is a `Cell` of 16 bytes, whose type its limit knows: a million subjects need the
// limits once. Depends on the algorithms.
#ifndef RATELIMIT_LIMITS_H
#define RATELIMIT_LIMITS_H

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ratelimit/algorithms/calendar.h"
#include "ratelimit/algorithms/concurrent.h"
#include "ratelimit/algorithms/fixed_window.h"
#include "ratelimit/algorithms/leaky_bucket.h"
#include "ratelimit/algorithms/quota.h"
#include "ratelimit/algorithms/sliding_window_counter.h"
#include "ratelimit/algorithms/sliding_window_log.h"
#include "ratelimit/algorithms/token_bucket.h"
#include "ratelimit/bounded_list.h"
#include "ratelimit/decision.h"
#include "ratelimit/units.h"

namespace ratelimit {

/// The algorithms by the numbers that stand for them in encoded form: never reuse one.
enum class Algorithm : std::uint8_t {
  token_bucket = 1,
  fixed_window = 2,
  sliding_window_log = 3,
  leaky_bucket = 4,
  sliding_window_counter = 5,
  quota = 6,
  concurrent = 7,
};

[[nodiscard]] constexpr bool is_bucket(Algorithm algorithm) {
  return algorithm == Algorithm::token_bucket || algorithm == Algorithm::leaky_bucket;
}

/// What each algorithm is called in commands; in lower case it is also the label of a limit that has none.
[[nodiscard]] constexpr std::string_view keyword(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::token_bucket: return "TOKENBUCKET";
    case Algorithm::fixed_window: return "FIXED";
    case Algorithm::sliding_window_log:
    case Algorithm::sliding_window_counter: return "SLIDING";
    case Algorithm::leaky_bucket: return "LEAKYBUCKET";
    case Algorithm::quota: return "QUOTA";
    case Algorithm::concurrent: return "CONCURRENT";
  }
  return {};
}

/// A limit as it is written, unchecked. `label` and `zone` are borrowed; empty means the default.
struct LimitSpec {
  Algorithm algorithm = Algorithm::token_bucket;
  Units size{};                 ///< capacity of a bucket, limit of a window or of holders
  Units refill{};               ///< buckets only: units that come back, or leak, per `span`
  Span span{};                  ///< period of a bucket, length of a window or a lease; none for QUOTA
  bool aligned = false;         ///< FIXED only
  bool per_request = false;     ///< a call costs 1, whatever it says
  CalendarUnit unit{};          ///< QUOTA only
  std::string_view zone{};      ///< QUOTA only: the name of the time zone; empty means UTC
  const Zone* rules = nullptr;  ///< those of that zone; they must outlive the limit
  std::string_view label{};

  friend bool operator==(const LimitSpec&, const LimitSpec&) = default;
};

using LimitSpecs = BoundedList<LimitSpec, kMaxLimits>;

/// 1 to kMaxLabelBytes visible ASCII characters but `"` and `\`, so that a label needs no quoting anywhere.
[[nodiscard]] constexpr bool is_valid_label(std::string_view label) {
  return !label.empty() && label.size() <= kMaxLabelBytes &&
         std::all_of(label.begin(), label.end(), [](char c) { return c > ' ' && c <= '~' && c != '"' && c != '\\'; });
}

/// One limit, valid by construction.
class Limit {
 public:
  /// None if a number is out of its range, something is given that the algorithm has not, or the label is not valid.
  [[nodiscard]] static std::optional<Limit> make(const LimitSpec& spec) {
    if (!has_only_its_own(spec)) return std::nullopt;
    if (!spec.label.empty() && !is_valid_label(spec.label)) return std::nullopt;
    const std::optional<AnyAlgorithm> algorithm = make_algorithm(spec);
    if (!algorithm) return std::nullopt;
    return Limit(spec, *algorithm);
  }

  /// The limit as it was written; label and zone are those of this object.
  [[nodiscard]] LimitSpec spec() const {
    LimitSpec spec = spec_;
    spec.label = label_;
    spec.zone = zone_;
    return spec;
  }

  /// Whether it was written like `spec`. Asked at every call: nothing is copied.
  [[nodiscard]] bool matches(const LimitSpec& spec) const {
    return spec_.size == spec.size && spec_.span == spec.span && spec_.refill == spec.refill &&
           spec_.algorithm == spec.algorithm && spec_.aligned == spec.aligned &&
           spec_.per_request == spec.per_request && spec_.unit == spec.unit && spec_.rules == spec.rules &&
           label_ == spec.label && zone_ == spec.zone;
  }

  [[nodiscard]] Units size() const { return spec_.size; }
  [[nodiscard]] bool is_per_request() const { return spec_.per_request; }
  /// Whether units are held by someone with a lease.
  [[nodiscard]] bool has_leases() const { return spec_.algorithm == Algorithm::concurrent; }
  /// By how much longer than needed what this limit remembers may be kept, so that not every call makes it be kept
  /// longer: sixteen units of a bucket, but a quarter of it at most; a sixteenth of what moves on with every call. None
  /// for windows that have begun, whose end does not move.
  [[nodiscard]] Span slack() const {
    if (is_bucket(spec_.algorithm))
      return spec_.span * std::min<std::int64_t>(16, size().count() / 4) / spec_.refill.count();
    const bool moves = spec_.algorithm == Algorithm::sliding_window_log || spec_.algorithm == Algorithm::concurrent;
    return moves ? spec_.span / 16 : Span{};
  }
  /// What a call costs here that asks for so many units; nothing costs nothing.
  [[nodiscard]] Units cost_of(Units asked) const { return spec_.per_request ? std::min(asked, kMinUnits) : asked; }

  /// Calls `visitor` with the algorithm, one of the types of `AnyAlgorithm`. By a switch, which the compiler sees through,
  /// where std::visit calls by a table: a tenth of the instructions of a decision.
  template <class Visitor>
  decltype(auto) visit(Visitor&& visitor) const {
    static_assert(std::variant_size_v<AnyAlgorithm> == 7);
    switch (algorithm_.index()) {
      case 0: return visitor(*std::get_if<0>(&algorithm_));
      case 1: return visitor(*std::get_if<1>(&algorithm_));
      case 2: return visitor(*std::get_if<2>(&algorithm_));
      case 3: return visitor(*std::get_if<3>(&algorithm_));
      case 4: return visitor(*std::get_if<4>(&algorithm_));
      case 5: return visitor(*std::get_if<5>(&algorithm_));
      default: return visitor(*std::get_if<6>(&algorithm_));
    }
  }

 private:
  using AnyAlgorithm =
      std::variant<TokenBucket, FixedWindow, SlidingWindowLog, LeakyBucket, SlidingWindowCounter, Quota, Concurrent>;

  Limit(const LimitSpec& spec, const AnyAlgorithm& algorithm)
      : algorithm_(algorithm), spec_(spec), label_(spec.label), zone_(spec.zone) {
    spec_.label = {};
    spec_.zone = {};
  }

  /// Whether nothing is given that the algorithm has not.
  [[nodiscard]] static bool has_only_its_own(const LimitSpec& spec) {
    const bool is_quota = spec.algorithm == Algorithm::quota;
    if (spec.refill != kNoUnits && !is_bucket(spec.algorithm)) return false;
    if (spec.aligned && spec.algorithm != Algorithm::fixed_window) return false;
    if (is_quota) return spec.span == Span{} && spec.zone.empty() == (spec.rules == nullptr);
    return spec.unit == CalendarUnit{} && spec.zone.empty() && spec.rules == nullptr;
  }

  [[nodiscard]] static std::optional<AnyAlgorithm> make_algorithm(const LimitSpec& spec) {
    const auto any = [](const auto& made) { return made ? std::optional<AnyAlgorithm>(*made) : std::nullopt; };
    switch (spec.algorithm) {
      case Algorithm::token_bucket: return any(TokenBucket::make(spec.size, spec.refill, spec.span));
      case Algorithm::fixed_window: {
        const auto start = spec.aligned ? FixedWindow::Start::aligned : FixedWindow::Start::first_call;
        return any(FixedWindow::make(spec.size, spec.span, start));
      }
      case Algorithm::sliding_window_log: return any(SlidingWindowLog::make(spec.size, spec.span));
      case Algorithm::leaky_bucket: return any(LeakyBucket::make(spec.size, spec.refill, spec.span));
      case Algorithm::sliding_window_counter: return any(SlidingWindowCounter::make(spec.size, spec.span));
      case Algorithm::quota: return any(Quota::make(spec.size, spec.unit, spec.rules));
      case Algorithm::concurrent: return any(Concurrent::make(spec.size, spec.span));
    }
    return std::nullopt;
  }

  AnyAlgorithm algorithm_;
  LimitSpec spec_;  ///< but for its label and zone, which would dangle
  std::string label_;
  std::string zone_;
};

/// A list of one to kMaxLimits limits with distinct labels, valid by construction and immutable.
class Limits {
 public:
  /// None if a limit is not valid, there are too few or too many, or two have the same label.
  [[nodiscard]] static std::optional<Limits> make(std::span<const LimitSpec> specs) {
    if (specs.empty() || specs.size() > kMaxLimits) return std::nullopt;
    Limits limits;
    for (const LimitSpec& spec : specs) {
      std::optional<Limit> limit = Limit::make(spec);
      std::string label = label_of(spec, specs.first(limits.size()));
      if (!limit || limits.find(label)) return std::nullopt;
      const auto slack = static_cast<std::uint64_t>(limit->slack().count());
      limits.end_step_bits_ = std::max(limits.end_step_bits_, static_cast<int>(std::bit_width(slack)) - 1);
      limits.have_leases_ = limits.have_leases_ || limit->has_leases();
      limits.limits_.push_back(std::move(*limit));
      limits.labels_.push_back(std::move(label));
    }
    return limits;
  }

  [[nodiscard]] std::size_t size() const { return limits_.size(); }
  [[nodiscard]] const Limit& operator[](std::size_t i) const { return limits_[i]; }

  /// Whether one of the limits has leases.
  [[nodiscard]] bool have_leases() const { return have_leases_; }

  /// Until when states are kept that are idle at `idle_at`: up to the end of one of the steps into which their limits divide
  /// all time, so that most calls leave it where it was. A step is at least a second, and otherwise at most the longest slack.
  [[nodiscard]] Instant kept_until(Instant idle_at) const {
    const std::int64_t step = idle_at.time_since_epoch().count() >> end_step_bits_;
    return Instant{Span{(step + 1) << end_step_bits_}};
  }

  /// What limit `i` is called: its label, or else its algorithm's name, from the second of its kind with a number.
  [[nodiscard]] std::string_view label(std::size_t i) const { return labels_[i]; }

  /// The limit with that label.
  [[nodiscard]] std::optional<std::size_t> find(std::string_view label) const {
    const auto found = std::find(labels_.begin(), labels_.end(), label);
    if (found == labels_.end()) return std::nullopt;
    return static_cast<std::size_t>(found - labels_.begin());
  }

  /// What a limit is called that stands alone: its label, or else its algorithm's name in lower case.
  [[nodiscard]] static std::string name_of(const LimitSpec& spec) {
    std::string name(spec.label.empty() ? keyword(spec.algorithm) : spec.label);
    if (!spec.label.empty()) return name;
    for (char& c : name) c = static_cast<char>(c - 'A' + 'a');
    return name;
  }

  /// Whether both were written alike.
  friend bool operator==(const Limits& a, const Limits& b) {
    return &a == &b || std::equal(a.limits_.begin(), a.limits_.end(), b.limits_.begin(), b.limits_.end(),
                                  [](const Limit& x, const Limit& y) { return x.matches(y.spec()); });
  }

  /// Whether the limits were written like `specs`.
  [[nodiscard]] bool matches(std::span<const LimitSpec> specs) const {
    return std::equal(limits_.begin(), limits_.end(), specs.begin(), specs.end(),
                      [](const Limit& limit, const LimitSpec& spec) { return limit.matches(spec); });
  }

 private:
  Limits() = default;

  /// The label of `spec` when it comes after `before`.
  [[nodiscard]] static std::string label_of(const LimitSpec& spec, std::span<const LimitSpec> before) {
    std::string label = name_of(spec);
    if (!spec.label.empty()) return label;
    const auto same = std::count_if(before.begin(), before.end(), [&spec](const LimitSpec& other) {
      return keyword(other.algorithm) == keyword(spec.algorithm) && other.label.empty();
    });
    return same == 0 ? label : label + '-' + std::to_string(same + 1);
  }

  static constexpr int kBitsOfASecond = 30;  ///< of 2^30 nanoseconds, to be exact

  std::vector<Limit> limits_;
  std::vector<std::string> labels_;
  int end_step_bits_ = kBitsOfASecond;
  bool have_leases_ = false;
};

/// 16 bytes that hold one state or one change of some algorithm. Which one, the limit knows that it belongs to; whoever
/// owns the cell constructs and destroys the state in it.
class Cell {
 public:
  template <class T>
  [[nodiscard]] T& as() {
    check<T>();
    return *std::launder(reinterpret_cast<T*>(bytes_));
  }
  template <class T>
  [[nodiscard]] const T& as() const {
    check<T>();
    return *std::launder(reinterpret_cast<const T*>(bytes_));
  }
  template <class T>
  void emplace(T value) {
    check<T>();
    std::construct_at(reinterpret_cast<T*>(bytes_), std::move(value));
  }

 private:
  template <class T>
  static constexpr void check() {
    static_assert(sizeof(T) <= sizeof(bytes_) && alignof(T) <= alignof(std::uint64_t));
  }

  alignas(std::uint64_t) std::byte bytes_[16];
};

static_assert(sizeof(Cell) == 16);

/// The state in a cell that belongs to a limit with this algorithm.
template <class A>
[[nodiscard]] const typename A::State& state_in(const Cell& cell, const A&) {
  return cell.as<typename A::State>();
}
template <class A>
[[nodiscard]] typename A::State& state_in(Cell& cell, const A&) {
  return cell.as<typename A::State>();
}

/// Makes `cells`, one for each limit, idle. They must not hold states.
inline void construct_idle(const Limits& limits, std::span<Cell> cells) {
  for (std::size_t i = 0; i < limits.size(); ++i) {
    limits[i].visit([&cell = cells[i]]<class A>(const A&) { cell.emplace(typename A::State{}); });
  }
}

/// Ends the states in `cells`.
inline void destroy(const Limits& limits, std::span<Cell> cells) {
  for (std::size_t i = 0; i < limits.size(); ++i) {
    limits[i].visit([&cell = cells[i]](const auto& algorithm) { std::destroy_at(&state_in(cell, algorithm)); });
  }
}

/// What a list of limits says to one call.
struct Verdict {
  /// That of the binding limit: of those that refuse, the one with the longest wait; if granted, the one with the
  /// fewest units remaining. The wait of a granted call is the longest of all limits.
  Decision decision;
  std::size_t binding = 0;
  Span idle_in{};         ///< granted: until all states are idle
  Span turn{};            ///< granted: how far ahead of now the call was decided, because it waits for its turn
  std::string_view id{};  ///< of the lease that a granted call takes; borrowed
  std::array<Cell, kMaxLimits> changes;
};

/// Whether `a` binds rather than `b`.
[[nodiscard]] inline bool binds_before(const Decision& a, const Decision& b) {
  if (a.outcome != b.outcome) return a.outcome > b.outcome;
  return a.outcome == Outcome::granted ? a.remaining < b.remaining : a.wait > b.wait;
}
static_assert(Outcome::granted < Outcome::denied && Outcome::denied < Outcome::never);

/// Decides a call under all limits: all are charged, or none is. `cells[i]` is the state of limit i.
/// Pure; O(limits * log n).
template <class Cells>
[[nodiscard]] Verdict decide(const Limits& limits, const Cells& cells, const Ask& ask, Instant now) {
  Verdict verdict;
  Span longest_wait{};
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const Limit& limit = limits[i];
    const Decision decision = limit.visit([&](const auto& algorithm) {
      const auto step = algorithm.decide(state_in(std::as_const(cells[i]), algorithm),
                                         Ask{limit.cost_of(ask.cost), ask.id, ask.force}, now);
      verdict.changes[i].emplace(step.change);
      return step.decision;
    });
    verdict.idle_in = std::max(verdict.idle_in, decision.reset);
    longest_wait = std::max(longest_wait, decision.wait);
    if (i == 0 || binds_before(decision, verdict.decision)) {
      verdict.decision = decision;
      verdict.binding = i;
    }
  }
  const bool is_granted = verdict.decision.outcome == Outcome::granted;
  verdict.decision.granted = is_granted ? ask.cost : kNoUnits;
  if (is_granted) verdict.decision.wait = longest_wait;
  verdict.id = ask.id;
  return verdict;
}

/// Whether the changes of a verdict that comes from elsewhere can be applied to these states.
[[nodiscard]] inline bool accepts(const Limits& limits, std::span<const Cell> cells, const Verdict& verdict) {
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const bool accepted = limits[i].visit([&]<class A>(const A& algorithm) {
      return algorithm.accepts(state_in(cells[i], algorithm), verdict.changes[i].as<typename A::Change>(), verdict.id);
    });
    if (!accepted) return false;
  }
  return true;
}

/// Carries out what a granted verdict says.
inline void apply(const Limits& limits, std::span<Cell> cells, const Verdict& verdict) {
  for (std::size_t i = 0; i < limits.size(); ++i) {
    limits[i].visit([&]<class A>(const A& algorithm) {
      algorithm.apply(state_in(cells[i], algorithm), verdict.changes[i].as<typename A::Change>(), verdict.id);
    });
  }
}

/// Whether a state in `cells` is of a clock that was ahead of `now`, or of a larger limit. Such a state denies no
/// longer than one that was used up now, but only once it is clamped: until then it does so again at each instant.
template <class Cells>
[[nodiscard]] bool any_is_ahead(const Limits& limits, const Cells& cells, Instant now) {
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const bool ahead = limits[i].visit(
        [&](const auto& algorithm) { return algorithm.is_ahead(state_in(std::as_const(cells[i]), algorithm), now); });
    if (ahead) return true;
  }
  return false;
}

/// Brings such states back to `now`.
inline void clamp(const Limits& limits, std::span<Cell> cells, Instant now) {
  for (std::size_t i = 0; i < limits.size(); ++i) {
    limits[i].visit([&](const auto& algorithm) { algorithm.clamp(state_in(cells[i], algorithm), now); });
  }
}

/// When all states are idle.
template <class Cells>
[[nodiscard]] Instant idle_at(const Limits& limits, const Cells& cells) {
  Instant latest{};
  for (std::size_t i = 0; i < limits.size(); ++i) {
    limits[i].visit([&](const auto& algorithm) {
      latest = std::max(latest, algorithm.idle_at(state_in(std::as_const(cells[i]), algorithm)));
    });
  }
  return latest;
}

/// The states that a subject has under new limits: what was used stays used.
///
/// A new limit goes on from the old one with its label, else from one with its algorithm, else from the next that is
/// left. Where the state means the same under both it is taken as it is, and otherwise the units that count at `now`
/// count under the new limit, up to its size. Reads the old cells; they change only when `move_into` is called.
class CarriedStates {
 public:
  CarriedStates(const Limits& old_limits, std::span<Cell> old_cells, const Limits& limits, Instant now)
      : limits_(limits) {
    construct_idle(limits_, made_);
    std::array<std::optional<std::size_t>, kMaxLimits> from = predecessors(old_limits, limits_);
    for (std::size_t i = 0; i < limits_.size(); ++i) {
      if (from[i]) carry(old_limits[*from[i]], old_cells[*from[i]], i, now);
    }
  }
  CarriedStates(const CarriedStates&) = delete;
  CarriedStates& operator=(const CarriedStates&) = delete;
  ~CarriedStates() { destroy(limits_, made_); }

  [[nodiscard]] const Cell& operator[](std::size_t i) const { return kept_[i] != nullptr ? *kept_[i] : made_[i]; }

  /// Moves the states into `cells`, which hold states of the new limits; the old ones are left as good as idle.
  void move_into(std::span<Cell> cells) {
    for (std::size_t i = 0; i < limits_.size(); ++i) {
      Cell& source = kept_[i] != nullptr ? *kept_[i] : made_[i];
      limits_[i].visit(
          [&](const auto& algorithm) { state_in(cells[i], algorithm) = std::move(state_in(source, algorithm)); });
    }
  }

 private:
  using Predecessors = std::array<std::optional<std::size_t>, kMaxLimits>;

  /// For each limit the one it goes on from.
  [[nodiscard]] static Predecessors predecessors(const Limits& old_limits, const Limits& limits) {
    Predecessors from;
    std::array<bool, kMaxLimits> taken{};
    const auto claim = [&](auto matches) {
      for (std::size_t i = 0; i < limits.size(); ++i) {
        for (std::size_t j = 0; !from[i] && j < old_limits.size(); ++j) {
          if (taken[j] || !matches(i, j)) continue;
          from[i] = j;
          taken[j] = true;
        }
      }
    };
    claim([&](std::size_t i, std::size_t j) { return limits.label(i) == old_limits.label(j); });
    claim([&](std::size_t i, std::size_t j) { return limits[i].spec().algorithm == old_limits[j].spec().algorithm; });
    claim([](std::size_t, std::size_t) { return true; });
    return from;
  }

  void carry(const Limit& old_limit, Cell& old_cell, std::size_t i, Instant now) {
    old_limit.visit([&]<class Old>(const Old& old_algorithm) {
      limits_[i].visit([&]<class New>(const New& algorithm) {
        if constexpr (std::is_same_v<Old, New>) {
          if (algorithm.keeps_state_of(old_algorithm)) {
            kept_[i] = &old_cell;
            return;
          }
        }
        const Units used = old_algorithm.used(state_in(std::as_const(old_cell), old_algorithm), now);
        state_in(made_[i], algorithm) = algorithm.with_used(std::min(used, algorithm.size()), now);
      });
    });
  }

  const Limits& limits_;
  std::array<Cell*, kMaxLimits> kept_{};
  std::array<Cell, kMaxLimits> made_;
};

}  // namespace ratelimit

#endif  // RATELIMIT_LIMITS_H
