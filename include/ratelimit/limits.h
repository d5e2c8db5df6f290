// SPDX-License-Identifier: MIT
// One to eight limits that are decided together: the list that a key stores, or that a call names. Depends on the
// limit.
#ifndef RATELIMIT_LIMITS_H
#define RATELIMIT_LIMITS_H

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/any_algorithm.h"
#include "ratelimit/limit.h"
#include "ratelimit/units.h"

namespace ratelimit {

/// A list of one to kMaxLimits limits with distinct labels, valid by construction and immutable. A subject that was
/// blocked before it was asked under any limit has `none`.
class Limits {
 public:
  /// Whose limits these are: those that one call names, or those of all accounts of a subject.
  enum class Of : bool { call, accounts };

  /// None if a limit is not valid, if there is none or more than kMaxLimits, or if a call gives two the same label.
  /// Accounts may have been given the same label by different calls: then the later one gets a number.
  [[nodiscard]] static std::optional<Limits> make(std::span<const LimitSpec> specs, Of of = Of::call) {
    if (specs.empty() || specs.size() > kMaxLimits) return std::nullopt;
    Limits limits;
    for (const LimitSpec& spec : specs) {
      std::optional<Limit> limit = Limit::make(spec);
      std::string label = label_of(spec, specs.first(limits.size()));
      if (!limit) return std::nullopt;
      if (limits.find(label)) {
        if (of == Of::call) return std::nullopt;
        label = limits.numbered(label);
        limits.has_repeated_labels_ = true;
      }
      const auto slack = static_cast<std::uint64_t>(limit->slack().count());
      limits.end_step_bits_ = std::max(limits.end_step_bits_, static_cast<int>(std::bit_width(slack)) - 1);
      limits.is_any_closed_ = limits.is_any_closed_ || spec.size == kNoUnits;
      limits.have_leases_ = limits.have_leases_ || limit->has_leases();
      limits.have_queue_ = limits.have_queue_ || spec.algorithm == Algorithm::leaky_bucket;
      limits.have_zones_ = limits.have_zones_ || !spec.zone.empty();
      limits.limits_.push_back(std::move(*limit));
      limits.labels_.push_back(std::move(label));
      ++limits.size_;
    }
    return limits;
  }

  [[nodiscard]] static Limits none() { return {}; }

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] const Limit& operator[](std::size_t i) const { return limits_[i]; }

  /// Whether one of the limits names a time zone. What its states become depends on the machine.
  [[nodiscard]] bool have_zones() const { return have_zones_; }

  /// Whether one of the limits is closed: then no call passes, unless it is forced.
  [[nodiscard]] bool is_any_closed() const { return is_any_closed_; }
  /// Whether one of the limits has leases.
  [[nodiscard]] bool have_leases() const { return have_leases_; }
  /// Whether one of the limits is a queue: it tells a call that it grants to wait.
  [[nodiscard]] bool have_queue() const { return have_queue_; }
  /// Whether two limits were given the same label: no call can name these limits in one list.
  [[nodiscard]] bool have_repeated_labels() const { return has_repeated_labels_; }

  /// Calls `visit(pointer)` for each allocation behind this object.
  template <class Visit>
  void for_each_piece(Visit visit) const {
    visit(limits_.data());
    visit(labels_.data());
    for (const Limit& limit : limits_) limit.for_each_piece(visit);
    for (const std::string& label : labels_) {
      if (Limit::is_on_heap(label)) visit(label.data());
    }
  }

  /// When a key may end whose states are idle at `idle_at`: a little later, so that most calls need not move the key's
  /// end.
  ///
  /// Time is divided into steps, and a key ends with the step that contains `idle_at`. A step is a power of two
  /// nanoseconds: the longest one that is not longer than the longest slack of the limits, and at least about a
  /// second.
  [[nodiscard]] Instant kept_until(Instant idle_at) const {
    const std::int64_t step = idle_at.time_since_epoch().count() >> end_step_bits_;
    return Instant{Span{(step + 1) << end_step_bits_}};
  }

  /// The label of limit `i`: the one that was given, else the algorithm's name; the second of its kind gets a `-2`,
  /// and so on.
  [[nodiscard]] std::string_view label(std::size_t i) const { return labels_[i]; }

  /// The limit with that label.
  [[nodiscard]] std::optional<std::size_t> find(std::string_view label) const {
    const auto found = std::find(labels_.begin(), labels_.end(), label);
    if (found == labels_.end()) return std::nullopt;
    return static_cast<std::size_t>(found - labels_.begin());
  }

  /// The label of a limit that stands alone: the one that was given, else the algorithm's name in lower case.
  [[nodiscard]] static std::string name_of(const LimitSpec& spec) {
    std::string name(spec.label.empty() ? keyword(spec.algorithm) : spec.label);
    if (!spec.label.empty()) return name;
    for (char& c : name) c = static_cast<char>(c - 'A' + 'a');
    return name;
  }

  /// Whether both lists were written alike.
  friend bool operator==(const Limits& a, const Limits& b) { return &a == &b || a.limits_ == b.limits_; }

  /// Whether the limits were written like `specs`.
  [[nodiscard]] bool matches(std::span<const LimitSpec> specs) const {
    return std::equal(limits_.begin(), limits_.end(), specs.begin(), specs.end(),
                      [](const Limit& limit, const LimitSpec& spec) { return limit.matches(spec); });
  }

 private:
  Limits() = default;

  /// The label of a limit that follows those in `before`.
  [[nodiscard]] static std::string label_of(const LimitSpec& spec, std::span<const LimitSpec> before) {
    std::string label = name_of(spec);
    if (!spec.label.empty()) return label;
    const auto same = std::count_if(before.begin(), before.end(), [&spec](const LimitSpec& other) {
      return keyword(other.algorithm) == keyword(spec.algorithm) && other.label.empty();
    });
    return same == 0 ? label : label + '-' + std::to_string(same + 1);
  }

  /// The label with the first number that makes it distinct.
  [[nodiscard]] std::string numbered(const std::string& label) const {
    for (int number = 2;; ++number) {
      std::string distinct = label + '-' + std::to_string(number);
      if (!find(distinct)) return distinct;
    }
  }

  static constexpr int kBitsOfASecond = 30;  ///< 2^30 nanoseconds are 1.07 seconds

  std::vector<Limit> limits_;
  std::vector<std::string> labels_;
  std::size_t size_ = 0;  ///< asked often; a vector works it out from two pointers
  int end_step_bits_ = kBitsOfASecond;
  bool have_leases_ = false;
  bool have_queue_ = false;
  bool has_repeated_labels_ = false;
  bool have_zones_ = false;
  bool is_any_closed_ = false;
};

}  // namespace ratelimit

#endif  // RATELIMIT_LIMITS_H
