// Limits that are equal are kept once, however many keys have them.
//
// A value refers to its limits by a counted pointer of 8 bytes, or by a number of 10 bits. The pool hands out the same
// object for equal limits, up to a number of different ones beyond which sharing no longer pays and limits are simply
// owned by their values.
// The pool belongs to the server's main thread; a reference may be given back by any thread, for the server frees
// large values in the background.
#ifndef RATELIMIT_MODULE_STORAGE_LIMITS_POOL_H
#define RATELIMIT_MODULE_STORAGE_LIMITS_POOL_H

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/limits.h"

namespace ratelimit {

/// What limits are called that a pool keeps: less than LimitsPool::kMostShared.
using LimitsNumber = std::uint16_t;

/// A counted reference to limits, or to none.
class SharedLimits {
 public:
  SharedLimits() = default;
  explicit SharedLimits(Limits limits) : counted_(new Counted{std::move(limits)}) {}
  SharedLimits(const SharedLimits& other) : counted_(other.counted_) {
    if (counted_ != nullptr) counted_->references.fetch_add(1, std::memory_order_relaxed);
  }
  SharedLimits(SharedLimits&& other) noexcept : counted_(std::exchange(other.counted_, nullptr)) {}
  SharedLimits& operator=(const SharedLimits& other) { return *this = SharedLimits(other); }
  SharedLimits& operator=(SharedLimits&& other) noexcept {
    std::swap(counted_, other.counted_);
    return *this;
  }
  ~SharedLimits() {
    if (counted_ != nullptr && counted_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete counted_;
  }

  explicit operator bool() const { return counted_ != nullptr; }
  const Limits& operator*() const { return counted_->limits; }
  const Limits* operator->() const { return &counted_->limits; }

  /// The number by which the pool knows these limits; none if it does not keep them.
  [[nodiscard]] std::optional<LimitsNumber> number() const {
    return counted_->number != kNoNumber ? std::optional(counted_->number) : std::nullopt;
  }
  /// Counts a reference that somebody keeps as a number, and one that is given back. The latter by any thread.
  void keep() const { counted_->references.fetch_add(1, std::memory_order_relaxed); }
  void give_back() const { counted_->references.fetch_sub(1, std::memory_order_acq_rel); }

  /// Whether nobody else refers to these limits. Meaningful where nobody else can begin to.
  [[nodiscard]] bool is_last() const { return counted_->references.load(std::memory_order_acquire) == 1; }

 private:
  friend class LimitsPool;

  static constexpr LimitsNumber kNoNumber = std::numeric_limits<LimitsNumber>::max();

  struct Counted {
    Limits limits;
    std::atomic<std::uint32_t> references{1};
    LimitsNumber number = kNoNumber;
  };

  Counted* counted_ = nullptr;
};

class LimitsPool {
 public:
  // Forgetting unused limits takes some ten microseconds for so many, and happens at most once per as many new ones.
  static constexpr std::size_t kMostShared = 1024;

  LimitsPool();

  /// Limits made as `specs` say, or none if they are not valid.
  [[nodiscard]] SharedLimits get(std::span<const LimitSpec> specs);

  /// The limits with a number that somebody keeps. Where they stand does not move.
  [[nodiscard]] const SharedLimits& operator[](LimitsNumber number) const { return shared_[number]; }

  [[nodiscard]] std::size_t size() const { return numbers_.size(); }

 private:
  void forget_unused();

  std::array<SharedLimits, kMostShared> shared_;
  std::vector<LimitsNumber> free_;
  std::unordered_multimap<std::size_t, LimitsNumber> numbers_;  ///< by the hash of what the limits were made of
  std::size_t misses_until_cleanup_ = kMostShared;
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_STORAGE_LIMITS_POOL_H
