// How long to leave a server alone that does not answer: twice as long after each attempt, and never the same for all.
//
// A pause is between half of its step and all of it, as the random number says that the caller brings: processes that
// lost a server together do not come back together. Pure; depends on units.
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

  /// The next pause; any `random` will do.
  [[nodiscard]] Span next(std::uint64_t random) {
    const Span half = step_ / 2;
    const auto choices = static_cast<std::uint64_t>((step_ - half).count()) + 1;
    step_ = std::min(step_ * 2, longest_);
    return half + Span{static_cast<std::int64_t>(random % choices)};
  }

  /// There was an answer: the next pause is a first one.
  void reset() { step_ = first_; }

 private:
  Span longest_;
  Span first_;
  Span step_;
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_BACKOFF_H
