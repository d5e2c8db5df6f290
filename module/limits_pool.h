// Limits that are equal are kept once, however many keys have them.
//
// A value refers to its limits by a counted pointer of 8 bytes. The pool hands out the same object for equal limits,
// up to a number of different ones beyond which sharing no longer pays and limits are simply owned by their values.
// The pool belongs to the server's main thread; a reference may be given back by any thread, for the server frees
// large values in the background.
#ifndef RATELIMIT_MODULE_LIMITS_POOL_H
#define RATELIMIT_MODULE_LIMITS_POOL_H

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <utility>

#include "ratelimit/limits.h"

namespace ratelimit {

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

  /// Whether nobody else refers to these limits. Meaningful where nobody else can begin to.
  [[nodiscard]] bool is_last() const { return counted_->references.load(std::memory_order_acquire) == 1; }

 private:
  struct Counted {
    Limits limits;
    std::atomic<std::uint32_t> references{1};
  };

  Counted* counted_ = nullptr;
};

class LimitsPool {
 public:
  /// Limits made as `specs` say, or none if they are not valid.
  [[nodiscard]] SharedLimits get(std::span<const LimitSpec> specs);

  [[nodiscard]] std::size_t size() const { return pool_.size(); }

 private:
  // Forgetting unused limits takes some ten microseconds for so many, and happens at most once per as many new ones.
  static constexpr std::size_t kMostShared = 1024;

  void forget_unused();

  std::unordered_multimap<std::size_t, SharedLimits> pool_;  ///< by the hash of what they were made of
  std::size_t misses_until_cleanup_ = kMostShared;
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_LIMITS_POOL_H
