// SPDX-License-Identifier: MIT
// A hash table's limits change: what is pending, and how segments catch up.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "storage/directory.h"
#include "storage/hash_table.h"
#include "storage/limits_pool.h"
#include "storage/redefinitions.h"
#include "storage/segment.h"
#include "storage/subject_hash.h"

namespace ratelimit {

void HashTable::redefine(SharedLimits limits, Instant at, ZonedEnds ends) {
  if (has_too_many_changes()) catch_up_for_one_more();
  const std::size_t work = work_of(size_, limits->size());
  redefinitions_.add(std::move(limits), at, std::move(ends), directory_.segments());
  // A table of a few subjects has nothing pending: to change them now takes no longer than to come back to them.
  constexpr std::size_t kFew = 128;
  if (directory_.segments() == 1 && work <= kFew) up_to_date(SubjectHash::smallest());
}

/// Lets a part of the segments catch up with all changes. When this was done kMost times, all have seen what was
/// pending when it was done first: so never more than twice kMost changes are pending. A primary whose sweep keeps up
/// makes few of these necessary.
void HashTable::catch_up_for_one_more() {
  const std::size_t count = directory_.segments() / Redefinitions::kMost + 1;
  for (std::size_t i = 0; i < count && !redefinitions_.empty(); ++i) {
    up_to_date(next_to_catch_up_);
    const SubjectHash last = directory_.range_at(next_to_catch_up_).last;
    next_to_catch_up_ = last == SubjectHash::largest() ? SubjectHash::smallest() : last.next();
  }
}

std::optional<HashRange> HashTable::catch_up(const HashRange& range, std::size_t work) {
  std::optional<HashRange> done;
  for (SubjectHash from = range.first;; from = from.next()) {
    const Segment segment = directory_.at(from);
    const std::span<const Redefinition> missed = redefinitions_.missed_by(segment);
    const std::size_t changes = changes_within(segment, missed, work);
    const bool is_first = from == range.first;
    const bool is_done = changes == missed.size() || (is_first && missed.size() == 1);
    if (changes > 0 || is_first) catch_up_one(from, std::max<std::size_t>(changes, 1));
    if (!is_done) return done;
    from = std::min(directory_.range_at(from).last, range.last);
    done = {range.first, from};
    if (from >= range.last) return done;
  }
}

/// How many of the changes a segment may catch up with for that much work. Lowers `work` by what they take.
std::size_t HashTable::changes_within(const Segment& segment, std::span<const Redefinition> missed, std::size_t& work) {
  std::size_t changes = 0;
  for (std::size_t before = segment.cells_per_slot(); changes < missed.size(); ++changes) {
    const std::size_t after = missed[changes].limits->size();
    const std::size_t needed = work_of(segment.size(), std::max(before, after));
    if (needed > work) {
      work = 0;
      break;
    }
    work -= needed;
    before = after;
  }
  return changes;
}

/// Lets one segment catch up with the oldest of the changes that it has missed.
void HashTable::catch_up_one(SubjectHash hash, std::size_t changes) {
  const Segment segment = directory_.at(hash);
  const std::span<const Redefinition> missed = redefinitions_.missed_by(segment);
  if (missed.empty()) return;
  const std::span<const Redefinition> next = missed.first(std::min(changes, missed.size()));
  const auto version = static_cast<std::uint16_t>(segment.version() + next.size());
  SortedRun run(next.back().limits, segment.size());
  move_into(run, segment, next);
  const Place where{hash, segment.depth(), version};
  discard(segment);
  place(run, 0, run.size(), where);
}

}  // namespace ratelimit
