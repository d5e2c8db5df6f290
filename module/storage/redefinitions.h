// SPDX-License-Identifier: MIT
// Changes of a table's limits that some of its segments have not seen yet.
//
// All subjects of a table go over to new limits at one instant, but the work is done later, a segment at a time. Before
// anything looks at a segment, it catches up with all changes; the background sweep may let it catch up with some of
// them. Each change has a version. A segment knows the version that it is at, and this list keeps the changes after
// that of the segment which is furthest behind. What a subject has in the end does not depend on when the work is done.
#ifndef RATELIMIT_MODULE_STORAGE_REDEFINITIONS_H
#define RATELIMIT_MODULE_STORAGE_REDEFINITIONS_H

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ratelimit/units.h"
#include "ratelimit/zoned_ends.h"
#include "storage/limits_pool.h"
#include "storage/segment.h"
#include "storage/value.h"

namespace ratelimit {

/// All subjects of a table went over to `limits` at an instant.
struct Redefinition {
  SharedLimits limits;
  Instant at;
  ZonedEnds ends;      ///< of the limits, as the primary knows them; empty if this server made the change
  std::size_t behind;  ///< segments that have seen all changes before this one, but not this one
};

class Redefinitions {
 public:
  // While so many are pending, clients cannot change the limits. A primary may: see HashTable::redefine.
  static constexpr std::size_t kMost = kMaxPendingChanges;

  /// The version of a segment that has seen all changes. Wraps around; no segment is further behind than there are changes
  /// pending.
  [[nodiscard]] std::uint16_t version() const { return version_; }
  [[nodiscard]] std::size_t size() const { return pending_.size(); }
  [[nodiscard]] bool empty() const { return pending_.empty(); }
  [[nodiscard]] std::size_t bytes() const { return pending_.capacity() * sizeof(Redefinition); }

  /// The changes that a segment has not seen, the oldest first.
  [[nodiscard]] std::span<const Redefinition> missed_by(const Segment& segment) const {
    return std::span(pending_).last(static_cast<std::uint16_t>(version_ - segment.version()));
  }

  /// A change, of a table with so many segments.
  void add(SharedLimits limits, Instant at, ZonedEnds ends, std::size_t segments);
  /// A segment is discarded. `note_placed` must follow for what takes its place.
  void note_discarded(const Segment& segment);
  /// A segment is new. Forgets the changes that all segments have seen.
  void note_placed(const Segment& segment);

  /// Whether the counts are right if for `behind[i]` segments, pending change i is the oldest that they have not seen. For
  /// tests.
  [[nodiscard]] bool is_valid(std::span<const std::size_t> behind) const;

 private:
  std::vector<Redefinition> pending_;  ///< the oldest first
  std::uint16_t version_ = 0;
};

/// A subject that is kept out of line, after the changes that it has missed.
[[nodiscard]] Value::Pointer redefined(Value::Pointer value, std::span<const Redefinition> missed);

/// Adds to a run the subject in slot `at`, after the changes that it has missed. Its states are moved out of the slot.
void add_redefined(SortedRun& run, const Segment& segment, std::size_t at, std::span<const Redefinition> missed);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_STORAGE_REDEFINITIONS_H
