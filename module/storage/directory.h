// SPDX-License-Identifier: MIT
// The directory of a hash table: which segment holds a hash.
//
// Extendible hashing. The directory has 2^depth entries, and the first `depth` bits of a hash are the number of its entry.
// A segment whose hashes have fewer bits in common is in several entries, one after the other. Where segments are split
// beyond the depth of the directory, it doubles; it halves when none needs its last bit any more.
//
// Knows where segments are and how many there are; what happens to the subjects in them is decided by the hash table.
#ifndef RATELIMIT_MODULE_STORAGE_DIRECTORY_H
#define RATELIMIT_MODULE_STORAGE_DIRECTORY_H

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "storage/segment.h"
#include "storage/subject_hash.h"

namespace ratelimit {

/// The hashes that share the first `depth` bits of `hash`.
[[nodiscard]] HashRange range_of(SubjectHash hash, unsigned depth);

/// Owns the memory of its segments.
class Directory {
 public:
  /// One segment without subjects.
  Directory();
  Directory& operator=(const Directory&) = delete;
  /// The same segments once more. O(n).
  Directory(const Directory& other);
  ~Directory();

  /// The segment of a hash. O(1).
  [[nodiscard]] const Segment& at(SubjectHash hash) const { return entries_[entry_of(hash)]; }
  /// The hashes that are in the same segment as that one.
  [[nodiscard]] HashRange range_at(SubjectHash hash) const { return range_of(hash, at(hash).depth()); }
  /// The segments that hold the hashes of a range. O(segments).
  [[nodiscard]] std::vector<Segment> segments_in(const HashRange& range) const;

  /// Puts a segment where `hash` is. Whatever was there for its hashes must have been discarded. Doubles the directory if
  /// the segment is deeper: O(entries) then, and otherwise O(entries of the segment).
  void put(SubjectHash hash, const Segment& segment);
  /// Frees a segment whose subjects were moved out of it. Another one must be put there before anything is looked for.
  void discard(const Segment& segment);
  /// Halves the directory as often as no segment needs all of its bits. O(entries) if it does.
  void shrink();

  [[nodiscard]] std::size_t entries() const { return entries_.size(); }
  /// The segment that entry `i` leads to.
  [[nodiscard]] const Segment& entry(std::size_t i) const { return entries_[i]; }
  [[nodiscard]] std::size_t segments() const { return segments_; }
  /// Bytes of the segments and of the directory itself.
  [[nodiscard]] std::size_t bytes() const { return bytes_ + entries_.capacity() * sizeof(Segment); }

  /// Calls `visit(segment)` for each segment once, in the order of their hashes.
  template <class Visit>
  void for_each(Visit visit) const {
    for (std::size_t i = 0; i < entries_.size();) {
      const Segment segment = entries_[i];  // a copy: the visitor may free what the entry leads to
      i += entries_of(segment.depth());
      visit(segment);
    }
  }

  /// Calls `visit(segment, weight)` for all segments, or if they are more than `most`, for some that are spread evenly.
  /// Together, the weights are about the number of all segments.
  template <class Visit>
  void for_some(std::size_t most, Visit visit) const {
    std::size_t step = 1;
    while (entries_.size() / step > most) step *= 2;
    std::size_t next = 0;  // a segment that has several entries is visited once
    for (std::size_t i = 0; i < entries_.size(); i += step) {
      if (i < next) continue;
      const std::size_t count = entries_of(entries_[i].depth());
      next = (i & ~(count - 1)) + count;
      visit(entries_[i], std::max<std::size_t>(1, step / count));
    }
  }

  /// Offers the segment of entry `i` to `move`, which returns the memory that is to be used instead, having copied the
  /// bytes and freed the old, or null to leave it. False if there is no such entry.
  template <class Move>
  bool relocate_piece(std::size_t i, Move move) {
    if (i >= entries_.size()) return false;
    const Segment segment = entries_[i];
    if (i % entries_of(segment.depth()) != 0) return true;  // it was offered with its first entry
    if (void* place = move(segment.memory())) lead_to(i, segment.moved_to(place));
    return true;
  }

  /// Whether entries and counts are as they must be, and so is each segment. For tests.
  [[nodiscard]] bool is_valid() const;

 private:
  [[nodiscard]] std::size_t entry_of(SubjectHash hash) const {
    return static_cast<std::size_t>(hash.word() >> 1U >> (63 - depth_));
  }
  /// How many entries lead to a segment of that depth.
  [[nodiscard]] std::size_t entries_of(unsigned depth) const { return std::size_t{1} << (depth_ - depth); }

  void lead_to(std::size_t entry, const Segment& segment);
  void double_entries();
  void halve_entries();

  std::vector<Segment> entries_;  ///< 2^depth
  unsigned depth_ = 0;
  std::size_t segments_ = 0;
  std::size_t deepest_ = 0;  ///< segments that have one entry each: as long as there are any, nothing can be halved
  std::size_t bytes_ = 0;    ///< of all segments
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_STORAGE_DIRECTORY_H
