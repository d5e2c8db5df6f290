// SPDX-License-Identifier: MIT
// How many requests gRPC holds, from their first header until nothing of them is left, so that there is a bound of them. gRPC
// 1.51 knows none: it begins requests as fast as it can read them, also those that their client takes back at once
// (RST_STREAM), and they wait for a thread that calls us. It does not count the memory of what waits in its quota. std only.
#ifndef RATELIMIT_SERVICE_ENVOY_HELD_CALLS_H
#define RATELIMIT_SERVICE_ENVOY_HELD_CALLS_H

#include <algorithm>
#include <atomic>
#include <cstddef>

namespace ratelimit::service::envoy {

/// Any thread may call these functions.
class HeldCalls {
 public:
  /// `memory` is how many MiB requests may hold.
  explicit HeldCalls(std::size_t memory) : most_((memory << 20U) / kBytes), limit_(most_) {}

  /// A request begins; `end` must follow. True if there are too many, so that somebody who sends many of them must go. It is
  /// not said again before there are some more, because those that wait take their time.
  [[nodiscard]] bool begin() {
    const std::size_t held = ++held_;
    std::size_t limit = limit_;
    return held > limit && limit_.compare_exchange_strong(limit, held + std::max<std::size_t>(most_ / kSteps, 1));
  }
  void end() {
    if (--held_ == most_ / 2) limit_ = most_;
  }

  [[nodiscard]] std::size_t held() const { return held_; }
  /// Whether there is no room for more of them.
  [[nodiscard]] bool is_full() const { return held_ > most_; }

 private:
  /// Of a small request. Measured with a flood: gRPC allocates 13,000 for each, and the process grows by so many.
  static constexpr std::size_t kBytes = 24'000;
  static constexpr std::size_t kSteps = 64;

  const std::size_t most_;
  std::atomic<std::size_t> held_{0};
  std::atomic<std::size_t> limit_;
};

}  // namespace ratelimit::service::envoy

#endif  // RATELIMIT_SERVICE_ENVOY_HELD_CALLS_H
