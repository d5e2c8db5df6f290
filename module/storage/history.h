// SPDX-License-Identifier: MIT
// What a key with a subject table remembers of the calls that it answered: for operators, and for no decision.
//
// It is saved with the key and written when an append-only file is rewritten (history_codec.h), but it does not travel to
// replicas with each call, and no digest contains it.
#ifndef RATELIMIT_MODULE_STORAGE_HISTORY_H
#define RATELIMIT_MODULE_STORAGE_HISTORY_H

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ratelimit/algorithms/token_bucket.h"
#include "ratelimit/denial_log.h"
#include "ratelimit/heavy_hitters.h"
#include "ratelimit/limiter_counters.h"
#include "ratelimit/units.h"
#include "storage/subject_hash.h"

namespace ratelimit {

/// How much is remembered of a key.
struct HistoryBounds {
  std::int64_t log_length = 1024;  ///< entries of the log of denials
  std::int64_t top_size = 128;     ///< names in each list of RL.TOP
};

/// Who called, and when.
struct Caller {
  SubjectHash hash;
  std::string_view subject;  ///< empty: the key itself, whose hash is not looked at
  Instant at;
};

class History {
 public:
  /// In the log, the hash of the key itself. No subject has it.
  static constexpr std::uint64_t kHashOfKey = 0;

  /// `seed` keeps the log fast whatever its labels are: see DenialLog.
  explicit History(std::uint64_t seed) : log(seed) {}

  /// A call was denied by the limit with that label, or would have been on trial. `wait` is what it was told, or
  /// DenialLog::kNever. The key itself is in the log, but not among those who were denied most.
  void note_denial(const Caller& caller, std::string_view label, Span wait, const HistoryBounds& bounds);
  /// A call was granted, and left a limit with little. Nothing is noted of the key itself.
  void note_near(const Caller& caller, const HistoryBounds& bounds);

  /// Bytes held beyond the object itself, without what an allocator adds. Scans the names in both lists of RL.TOP.
  [[nodiscard]] std::size_t heap_bytes() const {
    return counters.heap_bytes() + log.heap_bytes() + most_denied.heap_bytes() + most_near.heap_bytes();
  }
  /// Allocations, estimated.
  [[nodiscard]] std::size_t pieces() const { return log.pieces() + most_denied.pieces() + most_near.pieces(); }

  LimiterCounters counters;
  DenialLog log;
  HeavyHitters most_denied;
  HeavyHitters most_near;
  TokenBucket::State events_sent;  ///< bounds the events about the key that subscribers are sent; not saved
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_STORAGE_HISTORY_H
