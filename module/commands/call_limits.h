// SPDX-License-Identifier: MIT
// The limits that a call names. They are those that are known from earlier calls, or those that were read from its words.
#ifndef RATELIMIT_MODULE_COMMANDS_CALL_LIMITS_H
#define RATELIMIT_MODULE_COMMANDS_CALL_LIMITS_H

#include <cstddef>
#include <span>

#include "commands/known_limits.h"
#include "keyspace/named_limits.h"
#include "ratelimit/algorithms/limit_spec.h"

namespace ratelimit {

/// A list of at most kMaxLimits. Limits that are known are used where they are remembered. They are copied only if more
/// follows them: another limit, or an option of the last one.
class CallLimits {
 public:
  [[nodiscard]] NamedLimits named() const { return known_ != nullptr ? known_->limits() : NamedLimits(read_.span()); }
  [[nodiscard]] std::span<const LimitSpec> span() const { return named().specs(); }
  [[nodiscard]] std::size_t size() const { return span().size(); }
  [[nodiscard]] bool empty() const { return span().empty(); }
  [[nodiscard]] bool full() const { return size() == kMaxLimits; }

  /// The call names these first. They stay as they are as long as nothing else is remembered.
  void begin_with(const KnownLimits::Entry& known) { known_ = &known; }
  LimitSpec& push_back(const LimitSpec& spec) {
    own();
    return read_.push_back(spec);
  }
  /// The last limit, to be changed.
  [[nodiscard]] LimitSpec& back() {
    own();
    return read_.back();
  }

 private:
  void own() {
    if (known_ == nullptr) return;
    for (const LimitSpec& spec : known_->specs()) read_.push_back(spec);
    known_ = nullptr;
  }

  LimitSpecs read_;
  const KnownLimits::Entry* known_ = nullptr;
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_COMMANDS_CALL_LIMITS_H
