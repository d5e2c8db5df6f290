// SPDX-License-Identifier: MIT
// The subjects of a dense key by the hashes of their names.
//
// The table is a directory of segments. A segment grows by a quarter at a time, and is split in two when it is as large as
// one may be. It shrinks, and is merged again, as the table is swept. Nothing is ever done to all subjects at once: the
// longest step is a directory that doubles, 16 bytes for some hundred subjects.
//
// A change of limits is noted at one instant, and applied to each segment before anything looks at it (redefinitions.h).
//
// An attacker can choose hashes in a payload of RESTORE. Chosen hashes make insertions slow, but the table neither wrong
// nor large: a segment is only split while the number of subjects justifies so many segments, and grows beyond its usual
// size otherwise. A file with too many hashes that are alike is refused.
#ifndef RATELIMIT_MODULE_STORAGE_HASH_TABLE_H
#define RATELIMIT_MODULE_STORAGE_HASH_TABLE_H

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "ratelimit/units.h"
#include "ratelimit/zoned_ends.h"
#include "storage/directory.h"
#include "storage/limits_pool.h"
#include "storage/redefinitions.h"
#include "storage/segment.h"
#include "storage/subject.h"
#include "storage/subject_hash.h"
#include "storage/tally.h"
#include "storage/value.h"

namespace ratelimit {

/// A subject that is added to a table.
struct Entry {
  SubjectHash hash;
  Value::Pointer value;
};

class HashTable {
 public:
  /// How many subjects there are, those included that are idle but not yet forgotten.
  [[nodiscard]] std::size_t size() const { return size_; }

  /// From now on the number of subjects is in that sum, too.
  void tally_in(Tally& sum) { size_.tally_in(sum); }

  /// A subject; none if it is not there. O(1): one or two lines of the cache. All views of subjects that were found before
  /// are void, since the look-up may apply pending redefinitions to a segment.
  [[nodiscard]] std::optional<Subject> find(SubjectHash hash) {
    const Segment segment = up_to_date(hash);
    if (const std::optional<std::size_t> at = segment.find(hash)) return segment.subject(*at);
    return std::nullopt;
  }

  /// Lets the processor fetch what `find` will read. Changes nothing.
  [[gnu::always_inline]] void prefetch(SubjectHash hash) const { directory_.at(hash).prefetch(hash); }

  /// Adds a subject that must not be there, idle. O(1), and one to three microseconds where memory must grow.
  Subject insert(SubjectHash hash, SharedLimits limits);
  /// Puts a subject in place of the one that is there, or adds it. If `value` has room for reservations, the subject is kept
  /// out of line until its segment is rebuilt and nothing is reserved.
  Subject put(SubjectHash hash, Value::Pointer value);
  /// Removes a subject; false if it is not there. All views of subjects are void then. Rebuilds a segment.
  bool remove(SubjectHash hash);
  /// Adds subjects, in ascending order of their hashes, none of which is there: quicker than one by one. False, with some of
  /// them added, if more hashes are alike than random ones ever are. O(n).
  [[nodiscard]] bool put_new(std::span<Entry> entries);
  /// After all subjects were added: splits the segments that grew too large while most subjects were not there yet. False if
  /// more hashes are alike than random ones ever are.
  [[nodiscard]] bool spread();

  /// If memory would have to grow for a new subject: the range of hashes in which to look for idle subjects first.
  [[nodiscard]] std::optional<HashRange> crowded(SubjectHash hash) const;

  /// At `at` all subjects go over to these limits. They keep what is used at that instant, and what is reserved. O(1),
  /// unless too many changes are pending: the primary has made this one all the same, so some segments must catch up
  /// first. The primary may tell the ends of windows.
  void redefine(SharedLimits limits, Instant at, ZonedEnds ends = {});
  /// Changes that some segment has not seen. Sweeps let it catch up.
  [[nodiscard]] std::size_t pending_changes() const { return redefinitions_.size(); }
  [[nodiscard]] bool has_pending_changes() const { return !redefinitions_.empty(); }
  /// Whether so many changes are pending that limits should not change again before some segments have caught up.
  [[nodiscard]] bool has_too_many_changes() const { return redefinitions_.size() >= Redefinitions::kMost; }

  /// The work of one change for so many subjects; `catch_up` is given an amount of such work. Grows with the time that
  /// it takes.
  [[nodiscard]] static constexpr std::size_t work_of(std::size_t subjects, std::size_t limits) {
    return subjects * (1 + limits);
  }
  /// Lets the segments of a range catch up with pending changes, in the order of their hashes, as far as the work goes.
  /// A segment may then have seen some of the changes only. Returns the part of the range that has seen all; none if
  /// already its first segment has not. Does one change of one segment at least. O(work).
  std::optional<HashRange> catch_up(const HashRange& range, std::size_t work);

  /// The range from `first` to the end of some segment that has about so many subjects, or to the largest hash if there are
  /// not so many. O(subjects).
  [[nodiscard]] HashRange range_from(SubjectHash first, std::size_t subjects) const;

  /// Sweeps the segments of the range: applies pending redefinitions, gives memory back, and moves subjects into their slots
  /// that need not be out of line. If there is an instant, the subjects of the range that are idle then are forgotten.
  /// Returns how many were; `leave(subject)` is called before, and may take over what the subject has. O(subjects), and
  /// O(directory) when that halves.
  using Leave = std::function<void(const Subject&)>;
  std::size_t sweep(const HashRange& range, std::optional<Instant> forget_idle_at, const Leave& leave = {});

  /// Calls `visit(hash, subject)` for all from `from` on, in the order of their hashes, until it returns false. It may
  /// change the states of subjects, but not the table.
  template <class Visit>
  void for_each(SubjectHash from, Visit visit) {
    for (;; from = directory_.range_at(from).last.next()) {
      const Segment segment = up_to_date(from);
      for (std::size_t at = segment.lower_bound(from); at < segment.slots(); ++at) {
        if (segment.is_taken(at) && !visit(segment.hash(at), segment.subject(at))) return;
      }
      if (directory_.range_at(from).last == SubjectHash::largest()) return;
    }
  }

  /// Bytes of segments and directory.
  [[nodiscard]] std::size_t bytes() const { return directory_.bytes() + redefinitions_.bytes(); }
  /// How many bytes states, subjects out of line and limits that are not in the pool have elsewhere; `allocated` says
  /// what a piece of memory takes. Exact unless there are very many subjects that have something elsewhere: then from a
  /// sample of some thousands. Takes some milliseconds at most.
  [[nodiscard]] std::size_t bytes_outside(std::size_t (*allocated)(const void*)) const;
  /// About how many allocations there are. O(1).
  [[nodiscard]] std::size_t pieces() const;

  /// Offers the segment of entry `i` of the directory to `move`, as Directory::relocate_piece does. What states keep
  /// elsewhere, subjects out of line and the directory itself stay where they are: most subjects have nothing elsewhere.
  template <class Move>
  bool relocate_piece(std::size_t i, Move move) {
    return directory_.relocate_piece(i, move);
  }

  /// Whether everything is as it must be. For tests.
  [[nodiscard]] bool is_valid() const;
  /// Entries of the directory. For tests.
  [[nodiscard]] std::size_t directory_size() const { return directory_.entries(); }

 private:
  /// The segment of that hash, after it has seen all changes.
  Segment up_to_date(SubjectHash hash) {
    const Segment& segment = directory_.at(hash);
    if (segment.version() == redefinitions_.version()) [[likely]]
      return segment;
    rebuild(hash, segment.depth());
    return directory_.at(hash);
  }

  /// The segment of that hash, up to date and with room for a new subject; if nobody is in it, it has these limits.
  Segment with_room(SubjectHash hash, const SharedLimits& limits);

  void add_to_segment(std::span<Entry> entries);
  void rebuild(SubjectHash hash, unsigned depth);
  [[nodiscard]] SharedLimits limits_for(std::span<const Segment> segments) const;
  static void move_into(SortedRun& run, const Segment& segment, std::span<const Redefinition> missed);
  void discard(const Segment& segment);
  /// Where a part of a run belongs: its subjects share the first `depth` bits of `hash`, and have seen the changes up
  /// to `version`.
  struct Place {
    SubjectHash hash;
    unsigned depth;
    std::uint16_t version;
  };
  void place(const SortedRun& run, std::size_t first, std::size_t last, const Place& where);
  [[nodiscard]] unsigned most_depth() const;

  [[nodiscard]] std::size_t forget_idle(const HashRange& part_of_segment, Instant at, const Leave& leave);
  void compact(SubjectHash hash);
  [[nodiscard]] bool needs_compaction(const Segment& segment) const;
  bool merge(SubjectHash hash);
  void catch_up_one(SubjectHash hash, std::size_t changes);
  [[nodiscard]] static std::size_t changes_within(const Segment& segment, std::span<const Redefinition> missed,
                                                  std::size_t& work);
  void catch_up_for_one_more();

  Directory directory_;
  Redefinitions redefinitions_;
  Tallied size_;
  SubjectHash next_to_catch_up_ = SubjectHash::smallest();  ///< if a primary changes limits too often
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_STORAGE_HASH_TABLE_H
