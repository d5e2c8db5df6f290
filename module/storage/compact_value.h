// What most keys hold: one token bucket and nothing else, in 16 bytes.
//
// A value with one limit takes 32 bytes, and a key of the server much more: the small form makes a key a tenth smaller. And
// it is of the size of what the server allocates with it, so that all of that often lies in one line of the cache. It
// remembers what a value does, but for counters that stop earlier; whatever does not fit makes it a value again.
#ifndef RATELIMIT_MODULE_STORAGE_COMPACT_VALUE_H
#define RATELIMIT_MODULE_STORAGE_COMPACT_VALUE_H

#include <cstdint>

#include "ratelimit/algorithms/token_bucket.h"
#include "storage/limits_pool.h"
#include "storage/value.h"

namespace ratelimit {

class CompactValue {
 public:
  /// Whether `stored`, which the server holds for a key, is a small value; else it is a value.
  [[nodiscard]] static bool is(const void* stored);

  /// The same as `value` in the small form, on its own; null if it does not fit.
  [[nodiscard]] static CompactValue* make(const Value& value);
  /// The same once more, with counters at zero.
  [[nodiscard]] CompactValue* copy(const LimitsPool& pool) const;
  /// Ends one. Callable from any thread.
  static void destroy(CompactValue* value, const LimitsPool& pool);

  CompactValue(const CompactValue&) = delete;
  CompactValue& operator=(const CompactValue&) = delete;

  [[nodiscard]] const SharedLimits& limits(const LimitsPool& pool) const {
    return pool[static_cast<LimitsNumber>(limits_)];
  }
  [[nodiscard]] TokenBucket::State state() const { return {full_at_, static_cast<std::uint32_t>(fraction_), 0}; }
  /// Whether the form has room for a state of its limit.
  [[nodiscard]] static bool fits(const TokenBucket::State& state) { return state.debt == 0; }
  void set_state(const TokenBucket::State& state);
  [[nodiscard]] std::uint32_t granted_calls() const { return static_cast<std::uint32_t>(granted_calls_); }
  [[nodiscard]] std::uint32_t denied_calls() const { return static_cast<std::uint32_t>(denied_calls_); }
  void count_call(Outcome outcome);
  /// As of a value.
  [[nodiscard]] bool has_end() const { return has_end_ != 0; }
  void note_end() { has_end_ = 1; }

  /// The same as a value.
  [[nodiscard]] Value::Pointer promoted(const LimitsPool& pool) const;

 private:
  static constexpr int kFractionBits = 12;
  static constexpr int kLimitsBits = 10;
  static constexpr int kGrantedBits = 20;
  static constexpr int kDeniedBits = 20;
  static_assert(LimitsPool::kMostShared == 1U << kLimitsBits);

  CompactValue(LimitsNumber limits, const Value& value, const TokenBucket::State& state);
  ~CompactValue() = default;

  // A value begins with a pointer, which is even. Never read by its name, but as the first bit.
  [[maybe_unused]] std::uint64_t is_compact_ : 1 = 1;
  std::uint64_t has_end_ : 1 = 0;
  std::uint64_t limits_ : kLimitsBits;
  std::uint64_t fraction_ : kFractionBits;
  std::uint64_t granted_calls_ : kGrantedBits;
  std::uint64_t denied_calls_ : kDeniedBits;
  Instant full_at_;
};

static_assert(sizeof(CompactValue) == 16);

/// A value as the server is to hold it: in the small form, if it fits.
[[nodiscard]] void* stored_form(Value::Pointer value);
/// Ends what the server held.
void destroy_stored(void* stored, const LimitsPool& pool);

/// What the server holds for a key as a value, for the time of this object: it is one, or is read from the small form.
class AsValue {
 public:
  AsValue(const void* stored, const LimitsPool& pool)
      : promoted_(CompactValue::is(stored) ? static_cast<const CompactValue*>(stored)->promoted(pool) : nullptr),
        value_(promoted_ ? promoted_.get() : static_cast<const Value*>(stored)) {}

  [[nodiscard]] const Value& operator*() const { return *value_; }
  [[nodiscard]] const Value* operator->() const { return value_; }

 private:
  Value::Pointer promoted_;
  const Value* value_;
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_STORAGE_COMPACT_VALUE_H
