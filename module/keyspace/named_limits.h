// SPDX-License-Identifier: MIT
// The limits that a call names.
//
// Callers name the same limits again and again, and most subjects have these limits already. The parser therefore lends a
// place where the object is remembered that its words mean. To compare two references takes an instruction, to compare
// two lists of limits takes some fifty.
#ifndef RATELIMIT_MODULE_KEYSPACE_NAMED_LIMITS_H
#define RATELIMIT_MODULE_KEYSPACE_NAMED_LIMITS_H

#include <span>

#include "ratelimit/algorithms/limit_spec.h"
#include "storage/limits_pool.h"

namespace ratelimit {

class NamedLimits {
 public:
  /// None are named.
  NamedLimits() = default;
  /// `remembered` is null, or where the object is remembered that these limits are; it stays with the same limits.
  NamedLimits(std::span<const LimitSpec> specs,  // NOLINT(google-explicit-constructor): limits of a call are named
              SharedLimits* remembered = nullptr)
      : specs_(specs), remembered_(remembered) {}

  [[nodiscard]] std::span<const LimitSpec> specs() const { return specs_; }
  [[nodiscard]] bool empty() const { return specs_.empty(); }

  /// Whether these are the limits that are named.
  [[nodiscard]] bool are(const SharedLimits& limits) const {
    if (remembered_ != nullptr && remembered_->refers_to_same(limits)) return true;
    if (!limits->matches(specs_)) return false;
    remember(limits);
    return true;
  }
  /// The limits, by the reference that all in the pool share; null if two have the same label.
  [[nodiscard]] SharedLimits get(LimitsPool& pool) const {
    if (remembered_ != nullptr && *remembered_) return *remembered_;
    SharedLimits limits = pool.get(specs_);
    if (limits) remember(limits);
    return limits;
  }

 private:
  /// Only limits that the pool shares: others are one object for each subject. And none with a repeated label: those of
  /// accounts may look like limits that no call can name.
  void remember(const SharedLimits& limits) const {
    const bool is_worth_it = limits.number() && !limits->have_repeated_labels();
    if (remembered_ != nullptr && is_worth_it) *remembered_ = limits;
  }

  std::span<const LimitSpec> specs_;
  SharedLimits* remembered_ = nullptr;
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_KEYSPACE_NAMED_LIMITS_H
