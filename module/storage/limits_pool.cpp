// SPDX-License-Identifier: MIT
#include "storage/limits_pool.h"

#include <bit>
#include <cstdint>
#include <functional>
#include <numeric>
#include <optional>
#include <string_view>

namespace ratelimit {
namespace {

/// Mixes `value` into `hash`: a multiplication by a large odd number, and its high bits folded down.
std::size_t mix(std::size_t hash, std::uint64_t value) {
  constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15U;  // 2^64 divided by the golden ratio
  const std::uint64_t product = (hash ^ value) * kOdd;
  return product ^ (product >> 32U);
}

std::size_t hash_of(std::span<const LimitSpec> specs) {
  std::size_t hash = specs.size();
  for (const LimitSpec& spec : specs) {
    const unsigned flags = (spec.aligned ? 1U : 0U) | (spec.per_request ? 2U : 0U);
    hash = mix(hash,
               static_cast<std::uint64_t>(spec.unit) << 16U | static_cast<std::uint64_t>(spec.algorithm) << 8U | flags);
    // A size may have more than 32 bits.
    hash = mix(hash, std::rotl(static_cast<std::uint64_t>(spec.size.count()), 32) ^
                         static_cast<std::uint64_t>(spec.refill.count()));
    hash = mix(hash, static_cast<std::uint64_t>(spec.span.count()));
    if (spec.anchor.is_given()) hash = mix(hash, std::uint64_t{spec.anchor.number()});
    if (!spec.zone.empty()) hash = mix(hash, std::hash<std::string_view>{}(spec.zone));
    if (!spec.label.empty()) hash = mix(hash, std::hash<std::string_view>{}(spec.label));
  }
  return hash;
}

}  // namespace

std::size_t SharedLimits::bytes(std::size_t (*allocated)(const void*)) const {
  if (counted_ == nullptr || number() || counted_->limits.size() == 0) return 0;
  std::size_t bytes = allocated(counted_);
  counted_->limits.for_each_piece([&](const void* piece) { bytes += allocated(piece); });
  return bytes / counted_->references.load(std::memory_order_relaxed);
}

LimitsPool::LimitsPool(FindZone find_zone) : find_zone_(find_zone), free_(kMostShared) {
  std::iota(free_.rbegin(), free_.rend(), LimitsNumber{0});  // the smallest first
}

SharedLimits LimitsPool::get(std::span<const LimitSpec> specs, Limits::Of of) {
  const std::size_t hash = hash_of(specs);
  for (const LimitSpec& spec : specs) {
    if (spec.lacks_rules) missing_zone_ = spec.zone;
  }
  for (auto [it, end] = numbers_.equal_range(hash); it != end; ++it) {
    const SharedLimits& known = shared_[it->second];
    if (!known->matches(specs)) continue;
    return of == Limits::Of::call && known->have_repeated_labels() ? SharedLimits{} : known;
  }
  std::optional<Limits> limits = Limits::make(specs, of);
  if (!limits) return {};
  SharedLimits shared(std::move(*limits));
  if (misses_until_cleanup_-- == 0) forget_unused();
  if (free_.empty()) return shared;
  shared.counted_->number = free_.back();
  free_.pop_back();
  numbers_.emplace(hash, shared.counted_->number);
  return shared_[shared.counted_->number] = shared;
}

void LimitsPool::forget_unused() {
  std::erase_if(numbers_, [this](const auto& entry) {
    SharedLimits& shared = shared_[entry.second];
    if (!shared.is_last()) return false;
    shared = {};
    free_.push_back(entry.second);
    return true;
  });
  misses_until_cleanup_ = kMostShared;
}

}  // namespace ratelimit
