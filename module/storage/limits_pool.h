// SPDX-License-Identifier: MIT
// Equal limits are kept once, however many keys have them.
//
// A value refers to its limits by a counted pointer of 8 bytes, a compact value by a number of 10 bits. The pool gives the
// same object for equal limits, as long as it keeps fewer than kMostShared different ones. Beyond that number values own
// their limits themselves.
//
// The pool belongs to the server's main thread. A reference may be given back by any thread, since the server frees large
// values in the background.
#ifndef RATELIMIT_MODULE_STORAGE_LIMITS_POOL_H
#define RATELIMIT_MODULE_STORAGE_LIMITS_POOL_H

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/algorithms/zone.h"
#include "ratelimit/limits.h"

namespace ratelimit {

/// The number of limits in a pool: less than LimitsPool::kMostShared.
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
  /// Bytes that are counted for one reference: its part of what the limits take, or none if they are in the pool.
  /// `allocated` says what a piece of memory takes.
  [[nodiscard]] std::size_t bytes(std::size_t (*allocated)(const void*)) const;

  /// Whether both refer to the same object.
  [[nodiscard]] bool refers_to_same(const SharedLimits& other) const { return counted_ == other.counted_; }

  /// Counts a reference that somebody keeps as a number.
  void keep() const { counted_->references.fetch_add(1, std::memory_order_relaxed); }
  /// Counts that it was given back. Callable from any thread.
  void give_back() const { counted_->references.fetch_sub(1, std::memory_order_acq_rel); }

  /// Whether nobody else refers to these limits. The answer only holds while nobody else can take a reference.
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
  // To forget unused limits takes some ten microseconds for this many. It happens at most once for this many new limits.
  static constexpr std::size_t kMostShared = 1024;

  /// No zone is known.
  LimitsPool() : LimitsPool([](std::string_view) -> const Zone* { return nullptr; }) {}
  /// `find_zone` looks up the zones that limits name. A decoder asks it with whatever stands in a payload.
  explicit LimitsPool(FindZone find_zone);

  [[nodiscard]] FindZone zone_finder() const { return find_zone_; }

  /// The limits of these specifications; null if they are not valid.
  [[nodiscard]] SharedLimits get(std::span<const LimitSpec> specs, Limits::Of of = Limits::Of::call);

  /// No limits: those of a subject that was blocked before it was asked under any. Always the same object.
  [[nodiscard]] const SharedLimits& none() const { return none_; }

  /// The name of a zone that this machine lacks and that was asked for since this was called last; empty if there is
  /// none.
  [[nodiscard]] std::string take_missing_zone() { return std::exchange(missing_zone_, {}); }

  /// The limits with a number that somebody keeps. The reference stays valid for as long as somebody keeps the number.
  [[nodiscard]] const SharedLimits& operator[](LimitsNumber number) const { return shared_[number]; }

  [[nodiscard]] std::size_t size() const { return numbers_.size(); }

 private:
  void forget_unused();

  FindZone find_zone_;
  SharedLimits none_{Limits::none()};
  std::array<SharedLimits, kMostShared> shared_;
  std::vector<LimitsNumber> free_;
  std::unordered_multimap<std::size_t, LimitsNumber> numbers_;  ///< by the hash of what the limits were made of
  std::size_t misses_until_cleanup_ = kMostShared;
  std::string missing_zone_;
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_STORAGE_LIMITS_POOL_H
