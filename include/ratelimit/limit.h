// One limit: `LimitSpec` as it was written, `Limit` the same checked and ready to decide. Depends on the algorithms.
#ifndef RATELIMIT_LIMIT_H
#define RATELIMIT_LIMIT_H

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "ratelimit/algorithms/calendar.h"
#include "ratelimit/algorithms/concurrent.h"
#include "ratelimit/algorithms/fixed_window.h"
#include "ratelimit/algorithms/leaky_bucket.h"
#include "ratelimit/algorithms/quota.h"
#include "ratelimit/algorithms/sliding_window_counter.h"
#include "ratelimit/algorithms/sliding_window_log.h"
#include "ratelimit/algorithms/token_bucket.h"
#include "ratelimit/algorithms/zone.h"
#include "ratelimit/bounded_list.h"
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

}  // namespace ratelimit

#endif  // RATELIMIT_LIMIT_H
