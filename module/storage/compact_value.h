// SPDX-License-Identifier: MIT
// What most keys hold: one token bucket and nothing else, in 16 bytes.
//
// A value with one limit takes 32 bytes, and the key around it much more: a compact value makes a key a tenth smaller. It also
// has the size of what the server allocates with it, so that all of these often lie in one line of the cache. It remembers
// what a value does, but its counters stop earlier. A state that does not fit makes it a value: it is promoted.
#ifndef RATELIMIT_MODULE_STORAGE_COMPACT_VALUE_H
#define RATELIMIT_MODULE_STORAGE_COMPACT_VALUE_H

#include <cstdint>

#include "ratelimit/algorithms/token_bucket.h"
#include "storage/limits_pool.h"
#include "storage/value.h"

namespace ratelimit {

class CompactValue {
 public:
  /// Whether `stored`, which the server holds for a key, is a compact value.
  [[nodiscard]] static bool is(const void* stored) { return (*static_cast<const unsigned char*>(stored) & 1U) != 0; }

  /// A compact value with the content of `value`, which stays as it is; null if that does not fit, or may reserve.
  [[nodiscard]] static CompactValue* make(const Value& value);
  /// The same of a value that may reserve; null if something is reserved.
  [[nodiscard]] static CompactValue* make_without_room(const Value& value);
  /// A copy with counters at zero.
  [[nodiscard]] CompactValue* copy(const LimitsPool& pool) const;
  /// Frees a compact value. Callable from any thread.
  static void destroy(CompactValue* value, const LimitsPool& pool);

  CompactValue(const CompactValue&) = delete;
  CompactValue& operator=(const CompactValue&) = delete;

  [[nodiscard]] const SharedLimits& limits(const LimitsPool& pool) const {
    return pool[static_cast<LimitsNumber>(limits_)];
  }
  [[nodiscard]] TokenBucket::State state() const { return {full_at_, static_cast<std::uint32_t>(fraction_), 0}; }
  /// Whether a compact value has room for a state of its limit.
  [[nodiscard]] static bool fits(const TokenBucket::State& state) { return state.debt == 0; }
  void set_state(const TokenBucket::State& state);
  [[nodiscard]] std::uint32_t granted_calls() const { return static_cast<std::uint32_t>(granted_calls_); }
  [[nodiscard]] std::uint32_t denied_calls() const { return static_cast<std::uint32_t>(denied_calls_); }
  void count_call(Outcome outcome);
  static constexpr int kGrantedBits = 20;
  static constexpr int kDeniedBits = 20;
  static constexpr std::uint32_t kMostGranted = (1U << kGrantedBits) - 1U;
  static constexpr std::uint32_t kMostDenied = (1U << kDeniedBits) - 1U;
  /// See Value::has_end.
  [[nodiscard]] bool has_end() const { return has_end_ != 0; }
  void note_end() { has_end_ = 1; }

  /// A value with the same content.
  [[nodiscard]] Value::Pointer promoted(const LimitsPool& pool) const;

 private:
  static constexpr int kFractionBits = 12;
  static constexpr int kLimitsBits = 10;
  static_assert(LimitsPool::kMostShared == 1U << kLimitsBits);

  CompactValue(LimitsNumber limits, const Value& value, const TokenBucket::State& state);
  ~CompactValue() = default;

  // The mark: a value begins with a pointer, which is even. Read as the first bit, never by its name.
  [[maybe_unused]] std::uint64_t is_compact_ : 1 = 1;
  std::uint64_t has_end_ : 1 = 0;
  std::uint64_t limits_ : kLimitsBits;
  std::uint64_t fraction_ : kFractionBits;
  std::uint64_t granted_calls_ : kGrantedBits;
  std::uint64_t denied_calls_ : kDeniedBits;
  Instant full_at_;
};

static_assert(sizeof(CompactValue) == 16);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_STORAGE_COMPACT_VALUE_H
