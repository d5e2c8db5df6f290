// SPDX-License-Identifier: MIT
#include "keyspace/propagation.h"

#include <string>

#include "ratelimit/codec/bytes.h"
#include "server/clock.h"

namespace ratelimit {

void Propagation::queue(EffectKind kind, KeyEnd end, std::string_view payload,
                        const std::optional<SubjectHash>& subject) const {
  if (!subject) return call_.server.replicate(kEffectCommand, name_, word_of(kind), end.count(), payload);
  std::string hash;
  Writer(hash).fixed(subject->word());
  call_.server.replicate(kEffectCommand, name_, word_of(kind), end.count(), payload, hash);
}

KeyEnd end_of_key(const Limits& limits, Instant idle_at, Instant now) {
  using std::chrono::ceil;
  return ceil<KeyEnd>(limits.kept_until(idle_at).time_since_epoch()) + ceil<KeyEnd>(wall_clock_lead(now));
}

}  // namespace ratelimit
