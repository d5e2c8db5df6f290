// SPDX-License-Identifier: MIT
// How long to leave a server alone that does not answer: twice as long after each failed attempt.
//
// A pause is between half of its step and the whole step. A random number from the caller chooses: processes that lost a
// server at the same time must not all come back at the same time. Pure; depends on units.
#ifndef RATELIMIT_CLIENT_BACKOFF_H
#define RATELIMIT_CLIENT_BACKOFF_H

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "ratelimit/units.h"

namespace ratelimit::client {

class Backoff {
 public:
  struct Settings {
    Span first = std::chrono::milliseconds{50};
    Span longest = std::chrono::seconds{2};
  };

  explicit Backoff(const Settings& settings)
      : longest_(std::clamp(settings.longest, kMinSpan, kMaxSpan / 2)),
        first_(std::clamp(settings.first, kMinSpan, longest_)),
        step_(first_) {}

  /// The next pause. Any number is good as `random`.
  [[nodiscard]] Span next(std::uint64_t random) {
    const Span half = step_ / 2;
    const auto choices = static_cast<std::uint64_t>((step_ - half).count()) + 1;
    step_ = std::min(step_ * 2, longest_);
    return half + Span{static_cast<std::int64_t>(random % choices)};
  }

  /// The server answered: the next pause is a first one.
  void reset() { step_ = first_; }

 private:
  Span longest_;
  Span first_;
  Span step_;
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_BACKOFF_H
