// SPDX-License-Identifier: MIT
#include <chrono>

#include "ratelimit/algorithms/token_bucket.h"
#include "ratelimit/booking.h"
#include "ratelimit/codec/effects.h"
#include "ratelimit/decision.h"
#include "ratelimit/units.h"

int main() {
  using namespace std::chrono_literals;
  using ratelimit::Outcome;
  const auto bucket = ratelimit::TokenBucket::make(ratelimit::Units(1), ratelimit::Units(1), 1s);
  ratelimit::TokenBucket::State state;
  const ratelimit::Instant now{1'800'000'000s};
  const auto first = bucket->decide(state, {ratelimit::Units(1)}, now);
  bucket->apply(state, first.change);
  const auto second = bucket->decide(state, {ratelimit::Units(1)}, now);
  const bool right = first.decision.outcome == Outcome::granted && second.decision.outcome == Outcome::denied;
  return right ? 0 : 1;
}
