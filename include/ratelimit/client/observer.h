// SPDX-License-Identifier: MIT
// A hook that sees every call, for traces, logs and metrics of a program's own. Depends on calls and answers.
#ifndef RATELIMIT_CLIENT_OBSERVER_H
#define RATELIMIT_CLIENT_OBSERVER_H

#include <functional>

#include "ratelimit/client/answer.h"
#include "ratelimit/client/call.h"
#include "ratelimit/client/clock.h"

namespace ratelimit::client {

/// One call, borrowed for the time of the hook. `ask.question.call.trace` is what the program gave the call to find again.
struct Observation {
  const Ask& ask;
  const Answer& answer;
  Time begun;  ///< when the call was made
  Time ended;  ///< when its answer was known
};

/// Called on the thread of the call, before its caller gets the answer. Must not throw.
using Observer = std::function<void(const Observation&)>;

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_OBSERVER_H
