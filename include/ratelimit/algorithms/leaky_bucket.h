// SPDX-License-Identifier: MIT
// A queue that holds `capacity` units, which leave it evenly: `leak` units per `period`.
//
// It is the token bucket seen from the other side. It admits the same calls. But a token bucket lets a burst through
// at once, and a queue tells each call how long to wait for its turn. The state is the same instant: when the queue is
// empty.
//
//     now                   empty_at         now + capacity * interval
//      |---- in the queue ----|---- room left ----|          ---> time
//                             ^ the turn of the next call
//
// Depends on the token bucket.
#ifndef RATELIMIT_ALGORITHMS_LEAKY_BUCKET_H
#define RATELIMIT_ALGORITHMS_LEAKY_BUCKET_H

#include <algorithm>
#include <optional>
#include <string_view>

#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/algorithms/token_bucket.h"

namespace ratelimit {

class LeakyBucket : public TokenBucket {
 public:
  static constexpr Algorithm kNumber = Algorithm::leaky_bucket;
  static constexpr std::string_view kKeyword = "LEAKYBUCKET";

  /// None if a number is out of its range, or if a full queue needs longer than kMaxSpan to empty.
  [[nodiscard]] static constexpr std::optional<LeakyBucket> make(Units capacity, Units leak, Span period) {
    const std::optional<TokenBucket> bucket = TokenBucket::make(capacity, leak, period);
    return bucket ? std::optional(LeakyBucket(*bucket)) : std::nullopt;
  }

  [[nodiscard]] static constexpr std::optional<LeakyBucket> make(const LimitSpec& spec) {
    return make(spec.size, spec.refill, spec.span);
  }

  /// Decides a call. A granted call waits (`Decision::wait`) until the calls before it have left the queue.
  [[nodiscard]] constexpr Step<Change> decide(const State& state, const Ask& ask, Instant now) const {
    Step<Change> step = TokenBucket::decide(state, ask, now);
    if (step.decision.outcome == Outcome::granted && ask.cost > kNoUnits) {
      step.decision.wait = std::max(step.decision.wait, until_full(state, now));
    }
    return step;
  }

 private:
  constexpr explicit LeakyBucket(const TokenBucket& bucket) : TokenBucket(bucket) {}
};

}  // namespace ratelimit

#endif  // RATELIMIT_ALGORITHMS_LEAKY_BUCKET_H
