// SPDX-License-Identifier: MIT
// Effects, replayed: a replica, or a server that loads a file, does to a key what the primary decided. Nothing is decided
// again, and nothing is propagated from here: the command that carries an effect travels on as it is.
#ifndef RATELIMIT_MODULE_KEYSPACE_REPLAY_H
#define RATELIMIT_MODULE_KEYSPACE_REPLAY_H

#include <optional>
#include <string_view>

#include "keyspace/call_context.h"
#include "keyspace/open_key.h"
#include "ratelimit/codec/effect_kind.h"
#include "server/api.h"
#include "storage/segment.h"

namespace ratelimit {

struct Effect {
  EffectKind kind{};
  KeyEnd end{};
  std::string_view payload;
  std::optional<SubjectHash> subject;
};

/// What became of a replay. `done` is the only one after which the key has changed, except that of a malformed
/// `fill`, `each` or `history` the first subjects or records may have.
enum class Replayed : std::uint8_t { done, wrong_type, malformed };

/// Replays an effect on a key. The payload may be anything.
[[nodiscard]] Replayed replay(const CallContext& call, server::Text name, const Effect& effect);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_KEYSPACE_REPLAY_H
