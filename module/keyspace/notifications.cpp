// SPDX-License-Identifier: MIT
#include "keyspace/notifications.h"

#include <array>
#include <chrono>
#include <cstddef>

#include "ratelimit/algorithms/token_bucket.h"
#include "ratelimit/decision.h"
#include "ratelimit/units.h"

namespace ratelimit {
namespace {

/// What subscribers call the events, in the order of `Event`.
constexpr std::array kNames{"rl.denied", "rl.near", "rl.limits", "rl.blocked", "rl.reset"};
static_assert(kNames.size() == static_cast<std::size_t>(Event::reset) + 1);

constexpr std::uint8_t bit_of(Event event) { return static_cast<std::uint8_t>(1U << static_cast<unsigned>(event)); }

}  // namespace

// A server that carries out what another one has done, or what stands in a file, tells nobody: the other one has. To ask
// the server is the dearest question, so it comes last: a flood of denials does not get there.
void Notifications::note_wanted(Event event, SubjectTable* table) {
  if ((noted_ & bit_of(event)) != 0) return;
  Module& module = call_.module;
  const Units rate{module.settings.notify_rate};
  const auto bucket = TokenBucket::make(rate, rate, std::chrono::seconds{1});
  if (!bucket) return;
  TokenBucket::State& sent = table != nullptr ? table->history().events_sent : module.events_sent;
  bucket->clamp(sent, call_.now);
  const auto step = bucket->decide(sent, Ask{}, call_.now);
  if (step.decision.outcome != Outcome::granted || call_.server.is_replayed()) return;
  TokenBucket::apply(sent, step.change);
  noted_ |= bit_of(event);
}

void Notifications::send() const {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if ((noted_ >> i & 1U) != 0) call_.server.notify(kNames[i], key_);
  }
}

}  // namespace ratelimit
