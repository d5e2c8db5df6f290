// SPDX-License-Identifier: MIT
// How the rest of the world learns of a change of a key: replicas and the append-only file by an effect, clients that watch
// or cache the key by a signal.
#ifndef RATELIMIT_MODULE_KEYSPACE_PROPAGATION_H
#define RATELIMIT_MODULE_KEYSPACE_PROPAGATION_H

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "keyspace/call_context.h"
#include "ratelimit/codec/effect_kind.h"
#include "ratelimit/limits.h"
#include "server/api.h"
#include "storage/segment.h"

namespace ratelimit {

/// The end of a key as an effect names it: a Unix time. `kKeepEnd` leaves the end of the key as it is.
using KeyEnd = std::chrono::milliseconds;
inline constexpr KeyEnd kKeepEnd{0};

/// What waits for the end of a batch.
struct EffectBatch {
  std::string effects;
  bool is_counted = false;
  bool is_signalled = false;
};

class Propagation {
 public:
  /// For changes of `key`, which has that name. The call and the key outlive this.
  Propagation(const CallContext& call, server::Text name, server::Key& key) : call_(call), name_(name), key_(key) {}

  /// Whether somebody may read effects. If nobody does, `count_change` is all that is to be done.
  [[nodiscard]] bool is_on() const { return call_.module.propagation_switch.is_on(); }

  /// Queues an effect on the key, or on that subject of its table.
  void queue(EffectKind kind, KeyEnd end, std::string_view payload, const std::optional<SubjectHash>& subject = {});
  /// Queues the removal of the key.
  void queue_removal() {
    send_batch();
    call_.server.replicate_removal(name_);
  }
  /// Queues nothing: lets the server count a change that is to be saved.
  void count_change();

  /// Signals to clients that the key has changed.
  void signal();

  /// From now on effects on subjects of the table travel together, the change is counted once, and signalled once: at
  /// the end of the batch, or before any other effect.
  void begin_batch() { batch_.emplace(); }
  void end_batch();

 private:
  /// A batch is sent before it has more bytes, so that no effect is much larger than a large subject.
  static constexpr std::size_t kMostBytes = 64UL * 1024;

  void add_to_batch(EffectKind kind, SubjectHash subject, std::string_view payload);
  void send_batch();

  const CallContext& call_;
  server::Text name_;
  server::Key& key_;
  std::optional<EffectBatch> batch_;
};

/// When the server may end a key whose states are idle at `idle_at`. The server goes by its wall clock, which may have been
/// stepped since the module was loaded; the key ends by whichever clock is later. A key that lingers does no harm, one that
/// ends too early forgets what was used.
[[nodiscard]] KeyEnd end_of_key(const Limits& limits, Instant idle_at, Instant now);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_KEYSPACE_PROPAGATION_H
