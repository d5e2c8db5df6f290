// The dense form: many subjects in one key, each known by a keyed hash.
//
// Extendible hashing: the first bits of a hash lead by a directory to a segment, which grows by a quarter at a time, is
// split in two when it is as large as one may be, and shrinks and is merged again as the table is swept. Several
// entries may lead to one segment. Nothing is ever done to all subjects at once: the longest step is a directory that
// doubles, 16 bytes for some hundred subjects.
//
// All subjects go over to new limits at one instant, and what must be done for it is done a segment at a time, before
// anything looks at it: a segment knows how many redefinitions it has seen, the table those that some segment has not.
// What comes out does not depend on when.
//
// Hashes that are made up, as they can come in a payload, make insertions slow, but the table neither wrong nor large:
// a segment is only split while that many segments make sense, and grows on otherwise. Where too many come from a file,
// they are refused.
#ifndef RATELIMIT_MODULE_STORAGE_HASH_TABLE_H
#define RATELIMIT_MODULE_STORAGE_HASH_TABLE_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "ratelimit/units.h"
#include "storage/limits_pool.h"
#include "storage/segment.h"
#include "storage/subject.h"
#include "storage/value.h"

namespace ratelimit {

/// A subject that comes into a table.
struct Entry {
  SubjectHash hash;
  Value::Pointer value;
};

class HashTable {
 public:
  HashTable();
  HashTable& operator=(const HashTable&) = delete;
  ~HashTable();

  /// The same subjects once more. O(n).
  HashTable(const HashTable& other);

  /// Subjects, idle ones that are not forgotten included.
  [[nodiscard]] std::size_t size() const { return size_; }

  /// A subject; none if it is not there. O(1): one or two lines of the cache. All subjects that were found before are
  /// void: what is asked about may have to be brought up to date.
  [[nodiscard]] std::optional<Subject> find(SubjectHash hash) {
    const Segment segment = up_to_date(hash);
    if (const std::optional<std::size_t> at = segment.find(hash)) return segment.subject(*at);
    return std::nullopt;
  }

  /// A new subject, idle, which must not be there. O(1), and a microsecond or three where memory must grow.
  Subject insert(SubjectHash hash, SharedLimits limits);
  /// Puts a subject in place of what is there, or as a new one. If it has room for reservations, it keeps that until it
  /// is found empty when the table is put in order, or must grow.
  Subject put(SubjectHash hash, Value::Pointer value);
  /// Adds subjects in ascending order of whom none is there: quicker than one by one. False, with some of them added, if
  /// more hashes are alike than any that were drawn. O(n).
  [[nodiscard]] bool put_new(std::span<Entry> entries);
  /// Splits what grew too large while most were not there yet. False if more hashes are alike than any that were drawn.
  [[nodiscard]] bool spread();

  /// If memory would have to grow for a new subject: the hashes among which it is worth a look for idle ones first.
  [[nodiscard]] std::optional<HashRange> crowded(SubjectHash hash) const;

  /// At `at` all subjects go over to these limits, keeping what is used then and what is reserved. O(1), unless much is
  /// left to be done of redefinitions before it: then a part of that is done.
  void redefine(SharedLimits limits, Instant at);
  /// Whether something is left to be done of redefinitions; sweeps do it.
  [[nodiscard]] bool has_pending_changes() const { return !pending_.empty(); }

  /// From `first` on to the end of some segment, with about so many subjects between; to the largest hash at the end of
  /// the table. O(subjects).
  [[nodiscard]] HashRange range_from(SubjectHash first, std::size_t subjects) const;

  /// Puts the segments of the range in order: brings them up to date, lets them shrink, takes in who need not be kept
  /// apart. Of the subjects in the range, and of these alone, those are forgotten that are idle at the instant, if
  /// there is one. Returns how many. O(subjects), and O(directory) when it halves.
  std::size_t sweep(const HashRange& range, std::optional<Instant> forget_idle_at);

  /// Calls `visit(hash, subject)` for all from `from` on, in the order of their hashes, until it returns false. It may
  /// change the states of subjects, but not the table.
  template <class Visit>
  void for_each(SubjectHash from, Visit visit) {
    for (;; from = range_at(from).last.next()) {
      const Segment segment = up_to_date(from);
      for (std::size_t at = segment.lower_bound(from); at < segment.slots(); ++at) {
        if (segment.is_taken(at) && !visit(segment.hash(at), segment.subject(at))) return;
      }
      if (range_at(from).last == SubjectHash::largest()) return;
    }
  }

  /// Bytes of segments and directory.
  [[nodiscard]] std::size_t bytes() const;
  /// About how many bytes states and subjects kept out of line have elsewhere: from a sample. Exact while there are fewer
  /// than 64 slots. O(1).
  [[nodiscard]] std::size_t bytes_behind_sampled() const;
  /// About how many allocations there are. O(1).
  [[nodiscard]] std::size_t pieces() const;

  /// Offers the segment of entry `i` of the directory to `move`, which returns the memory that is to be used instead,
  /// having copied the bytes and freed the old, or null to leave it. False if there is no such entry. What states keep
  /// elsewhere, subjects kept out of line and the directory stay where they are: most have nothing elsewhere.
  template <class Move>
  bool relocate_piece(std::size_t i, Move move) {
    if (i >= directory_.size()) return false;
    const Segment segment = directory_[i];
    if (i % entries_of(segment.depth()) != 0) return true;
    if (void* place = move(segment.memory())) lead_to(i, segment.moved_to(place));
    return true;
  }

  /// Whether everything is as it must be. For tests.
  [[nodiscard]] bool is_valid() const;
  /// Entries of the directory. For tests.
  [[nodiscard]] std::size_t directory_size() const { return directory_.size(); }

 private:
  /// That all went over to new limits, and how many segments have seen all redefinitions before it, but not this one.
  struct Redefinition {
    SharedLimits limits;
    Instant at;
    std::size_t behind;
  };

  // What redefine_some keeps to.
  static constexpr std::size_t kMostPending = 24;

  [[nodiscard]] std::size_t entry_of(SubjectHash hash) const {
    return static_cast<std::size_t>(hash.word() >> 1U >> (63 - depth_));
  }
  /// Entries that lead to a segment of that depth.
  [[nodiscard]] std::size_t entries_of(unsigned depth) const { return std::size_t{1} << (depth_ - depth); }
  [[nodiscard]] const Segment& segment_at(SubjectHash hash) const { return directory_[entry_of(hash)]; }
  /// The hashes of the segment in which that one is.
  [[nodiscard]] HashRange range_at(SubjectHash hash) const;

  /// The segment of that hash, after it has seen all redefinitions.
  Segment up_to_date(SubjectHash hash) {
    const Segment& segment = segment_at(hash);
    if (segment.version() == version_) [[likely]]
      return segment;
    rebuild(hash, segment.depth());
    return segment_at(hash);
  }
  [[nodiscard]] std::span<const Redefinition> missed_by(const Segment& segment) const {
    return std::span(pending_).last(static_cast<std::uint16_t>(version_ - segment.version()));
  }

  /// The segment of that hash, up to date and with room for a new subject; if nobody is in it, it has these limits.
  Segment with_room(SubjectHash hash, const SharedLimits& limits);

  void add_to_segment(std::span<Entry> entries);
  [[nodiscard]] std::vector<Segment> segments_in(const HashRange& range) const;
  void rebuild(SubjectHash hash, unsigned depth);
  [[nodiscard]] SharedLimits limits_for(std::span<const Segment> segments) const;
  [[nodiscard]] static Value::Pointer redefined(Value::Pointer value, std::span<const Redefinition> missed);
  static void add_redefined(SortedRun& run, const Segment& segment, std::size_t at,
                            std::span<const Redefinition> missed);
  void move_into(SortedRun& run, const Segment& segment) const;
  void discard(const Segment& segment);
  void place(const SortedRun& run, std::size_t first, std::size_t last, SubjectHash hash, unsigned depth);
  [[nodiscard]] unsigned most_depth() const;

  void lead_to(std::size_t entry, const Segment& segment);
  void double_directory();
  void halve_directory();

  [[nodiscard]] std::size_t forget_idle(const HashRange& part_of_segment, Instant at);
  void compact(SubjectHash hash);
  [[nodiscard]] bool needs_compaction(const Segment& segment) const;
  bool merge(SubjectHash hash);
  void redefine_some();

  template <class Measure>
  [[nodiscard]] std::size_t sampled(Measure measure) const;

  std::vector<Segment> directory_;  ///< 2^depth entries
  unsigned depth_ = 0;              ///< of the directory
  std::uint16_t version_ = 0;       ///< wraps around; no segment is further behind than there are pending redefinitions
  std::size_t size_ = 0;
  std::size_t segments_ = 0;
  std::size_t deepest_ = 0;  ///< segments that only one entry leads to
  std::size_t bytes_ = 0;    ///< of all segments
  std::vector<Redefinition> pending_;
  SubjectHash next_to_redefine_ = SubjectHash::smallest();
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_STORAGE_HASH_TABLE_H
