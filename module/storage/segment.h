// SPDX-License-Identifier: MIT
// A part of a hash table: the subjects whose hashes begin with the same bits, in one allocation.
//
//     [limits, counts] [hash|cells] [free] [hash|cells] [hash|cells] [free] [hash|cells]
//
// The slots are a sorted array with gaps. Each subject has a home: the slot where its hash would be if hashes were spread
// evenly. All slots from the home of a subject to its place are taken. So a search walks from the home, and ends at the
// subject, at a gap, or at a larger hash. To add a subject, the subjects between its place and the nearest gap move by one
// slot. A subject is therefore only as far from its home as chance puts more subjects there than elsewhere: under two slots
// on average in a segment that is nine tenths full, and about six in a full one. So memory can be nearly full, and a search
// still touches one or two lines of the cache.
//
// Most subjects of a segment have the same limits. The segment keeps these limits once, and the states of such subjects are
// in their slots. Any other subject is out of line: it is a value of its own, and its slot holds a pointer to that.
//
// States are moved by copying their bytes, as defragmentation does it: they own memory by plain pointers only, and nothing
// points to them. Knows hashes, limits and values, but no table.
#ifndef RATELIMIT_MODULE_STORAGE_SEGMENT_H
#define RATELIMIT_MODULE_STORAGE_SEGMENT_H

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <span>

#include "ratelimit/states.h"
#include "storage/limits_pool.h"
#include "storage/subject.h"
#include "storage/subject_hash.h"
#include "storage/value.h"

namespace ratelimit {

/// Subjects on their way into segments: their slots, in ascending order and without gaps. Does not own the subjects: whoever
/// takes them out does, and those that nobody takes out are leaked.
class SortedRun {
 public:
  /// An empty run with room for `most` subjects. `limits` may be null if none is added.
  SortedRun(SharedLimits limits, std::size_t most);

  [[nodiscard]] const SharedLimits& limits() const { return limits_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  /// The cells of a slot.
  [[nodiscard]] std::size_t cells() const { return (stride_ - sizeof(std::uint64_t)) / sizeof(Cell); }
  /// The position of the first subject whose hash is not less than `hash`. O(log n).
  [[nodiscard]] std::size_t find(SubjectHash hash) const;

  /// Adds a subject with the limits of the run. Moves its states out of `cells`.
  void add(SubjectHash hash, std::span<const Cell> cells);
  /// Adds a subject: only its states if it has the limits of the run and nothing reserved, otherwise out of line.
  void add(SubjectHash hash, Value::Pointer value);

 private:
  friend class Segment;

  [[nodiscard]] std::byte* append(std::uint64_t word);

  SharedLimits limits_;
  std::size_t stride_;
  std::size_t size_ = 0;
  std::unique_ptr<std::byte[]> slots_;
};

/// A handle: the pointer to the memory of a segment, and what a search needs to know of it. Copies are handles of the same
/// memory. Whoever calls `create` or `clone` must call `destroy` or `discard`.
class Segment {
 public:
  // A search does not get longer with the size, but an insertion moves up to half of a segment, and a rebuild moves all of
  // it: some hundred subjects. Above this size jemalloc would use a page more than it is asked for.
  static constexpr std::size_t kLargestBytes = 8192;

  /// Bytes of a segment for `subjects` subjects with `limits` limits each, with some gaps for more.
  [[nodiscard]] static std::size_t bytes_for(std::size_t subjects, std::size_t limits);

  /// A segment with the limits of `run` and its subjects [first, last). Their hashes have the first `depth` bits in common.
  /// `version` is that of the last redefinition that they have seen.
  [[nodiscard]] static Segment create(const SortedRun& run, std::size_t first, std::size_t last, unsigned depth,
                                      std::uint16_t version);
  /// A copy of the segment and of its subjects. O(n).
  [[nodiscard]] Segment clone() const;
  /// Destroys the subjects and frees the memory. Callable from any thread.
  void destroy() const;
  /// Frees the memory of a segment whose subjects were moved out of it.
  void discard() const;

  [[nodiscard]] unsigned depth() const { return depth_; }
  [[nodiscard]] std::uint16_t version() const { return version_; }
  [[nodiscard]] std::size_t slots() const { return slots_; }
  [[nodiscard]] std::size_t cells_per_slot() const { return limits_; }
  [[nodiscard]] std::size_t bytes() const;
  /// How many subjects there are.
  [[nodiscard]] std::size_t size() const { return block_->used; }
  /// How many of them are out of line.
  [[nodiscard]] std::size_t out_of_line() const { return block_->out_of_line; }
  /// The limits of the subjects that are not out of line. Null if there never was a subject.
  [[nodiscard]] const SharedLimits& limits() const { return block_->limits; }

  /// How many subjects may have memory outside of the segment.
  [[nodiscard]] std::size_t owners() const;

  /// Whether gaps have become so few that a new subject would move many others.
  [[nodiscard]] bool is_full() const { return block_->used >= slots_ - slots_ / 32; }
  /// Whether much less memory would do.
  [[nodiscard]] bool is_too_large() const;

  /// The slot of a subject; none if it is not there. O(1) for hashes that are spread evenly, O(log n) for any.
  [[nodiscard]] std::optional<std::size_t> find(SubjectHash hash) const {
    __builtin_prefetch(block_);  // the limits are needed next, and are in a cache line of their own
    const std::size_t at = lower_bound(hash);
    if (at == slots_ || key(at) != hash.word()) return std::nullopt;
    return at;
  }
  /// Lets the processor fetch what a search for a hash will read. Inlined, as is whoever calls
  /// it: gcc leaves out calls of functions that do nothing else.
  [[gnu::always_inline]] void prefetch(SubjectHash hash) const {
    constexpr std::ptrdiff_t kLine = 64;
    __builtin_prefetch(block_);
    // Most subjects are some slots away from their homes.
    const std::byte* const at = slot(home(hash.word()));
    for (const std::ptrdiff_t line : {-1, 0, 1, 2}) __builtin_prefetch(at + line * kLine);
  }
  /// The slot where a hash belongs: the subjects before it have smaller hashes, and those from it on do not. The number of
  /// slots if that is behind the last one.
  [[nodiscard]] std::size_t lower_bound(SubjectHash hash) const;

  [[nodiscard]] bool is_taken(std::size_t at) const { return word(at) != 0; }
  // The slot must be taken from here on.
  [[nodiscard]] SubjectHash hash(std::size_t at) const { return SubjectHash::of(word(at)); }
  [[nodiscard]] bool is_out_of_line(std::size_t at) const { return (word(at) & kOutOfLine) != 0; }
  [[nodiscard]] Value* value(std::size_t at) const { return cells(at)[0].as<OutOfLine>().value; }
  [[nodiscard]] Subject subject(std::size_t at) const {
    if (is_out_of_line(at)) return value(at)->subject();
    return {block_->limits, cells(at), nullptr};
  }
  /// The cells of a slot. If the subject is not out of line, they hold its states.
  [[nodiscard]] std::span<Cell> cells(std::size_t at) const {
    return {std::launder(reinterpret_cast<Cell*>(slot(at) + sizeof(std::uint64_t))), limits_};
  }

  /// Opens a slot for a subject that is not there; the segment must have a gap. The caller must put the subject into the slot
  /// at once. Moves the subjects up to the nearest gap: O(size) at worst.
  [[nodiscard]] std::size_t open(SubjectHash hash) const;
  /// Puts an idle subject with the limits of the segment into a slot that holds nothing.
  void put_idle(std::size_t at) const { construct_idle(*block_->limits, cells(at)); }
  /// Puts a subject into a slot that holds nothing: only its states if it has the limits of the segment and no room for
  /// reservations, otherwise out of line.
  void put(std::size_t at, Value::Pointer value) const;
  /// Destroys the subject in a slot. The slot holds nothing then: `put` or `leave` must follow at once.
  void end(std::size_t at) const;
  /// Frees a slot that holds nothing. This leaves a gap on somebody's way home: from now on searches may fail, and the
  /// segment must be rebuilt.
  void leave(std::size_t at) const;

  /// Moves all subjects into a run that has the limits of the segment; none may be out of line. As fast as copying bytes.
  void move_all_into(SortedRun& run) const;

  [[nodiscard]] void* memory() const { return block_; }
  /// The segment after the bytes of its memory were copied to `place` and the memory was freed.
  [[nodiscard]] Segment moved_to(void* place) const;

  /// Whether order, homes and counts are as they must be, and all have hashes in the range. For tests.
  [[nodiscard]] bool is_valid(const HashRange& range) const;

  /// Whether both are handles of the same memory.
  friend bool operator==(const Segment& a, const Segment& b) { return a.block_ == b.block_; }

 private:
  friend class SortedRun;

  struct Block {
    SharedLimits limits;
    std::uint32_t used = 0;
    std::uint32_t out_of_line = 0;
  };
  static_assert(sizeof(Block) == 16);

  /// What the first cell of a slot holds if its subject is out of line.
  struct OutOfLine {
    Value* value;
  };

  // The word of a slot is the hash of its subject, or 0 if the slot is free. The lowest bit is set if the subject is out of
  // line.
  static constexpr std::uint64_t kOutOfLine = 1;

  // Random hashes never need a longer walk. If hashes were chosen by an attacker, a binary search goes on from here.
  static constexpr std::size_t kLongWalk = 32;

  Segment(Block* block, std::size_t slots, std::size_t limits, unsigned depth, std::uint16_t version)
      : block_(block),
        slots_(static_cast<std::uint32_t>(slots)),
        version_(version),
        depth_(static_cast<std::uint8_t>(depth)),
        limits_(static_cast<std::uint8_t>(limits)) {}

  [[nodiscard]] static Segment allocate(std::size_t bytes, std::size_t limits, unsigned depth, std::uint16_t version);
  void fill(const SortedRun& run, std::size_t first, std::size_t last) const;
  void copy_states(std::size_t at, const Segment& copy) const;

  /// The slot where a hash would be if hashes were spread evenly.
  [[nodiscard]] std::size_t home(std::uint64_t word) const {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::size_t>(Wide{word << depth_} * slots_ >> 64U);
  }
  [[nodiscard]] std::size_t stride() const { return sizeof(std::uint64_t) + limits_ * sizeof(Cell); }
  [[nodiscard]] std::byte* slot(std::size_t at) const {
    return reinterpret_cast<std::byte*>(block_ + 1) + at * stride();
  }
  [[nodiscard]] std::uint64_t& word(std::size_t at) const {
    return *std::launder(reinterpret_cast<std::uint64_t*>(slot(at)));
  }
  [[nodiscard]] std::uint64_t key(std::size_t at) const { return word(at) & ~kOutOfLine; }
  [[nodiscard]] bool is_before(std::size_t at, std::uint64_t other) const {
    // A free slot is not before anything: 0 - 1 is the largest number.
    return key(at) - 1 < other - 1;
  }

  [[nodiscard]] std::size_t walk_on(std::size_t at, std::uint64_t word) const;
  [[nodiscard]] std::size_t walk_back(std::size_t at, std::uint64_t word) const;
  [[nodiscard]] std::size_t nearest_gap(std::size_t at) const;
  /// Moves the slots [first, last) so that they begin at `to`.
  void move_slots(std::size_t first, std::size_t last, std::size_t to) const {
    std::memmove(slot(to), slot(first), (last - first) * stride());
  }

  Block* block_;
  std::uint32_t slots_;
  std::uint16_t version_;
  std::uint8_t depth_;
  std::uint8_t limits_;  ///< how many cells a slot has
};

// What a search needs to know is in the directory, beside the pointer. At the front of the segment it would cost one more
// cache miss, all the more since allocators put the fronts of all segments into the same few sets of the cache.
static_assert(sizeof(Segment) == 16);

inline std::size_t Segment::lower_bound(SubjectHash hash) const {
  const std::uint64_t word = hash.word();
  std::size_t at = home(word);
  if (is_before(at, word)) {
    const std::size_t far = std::min<std::size_t>(slots_, at + kLongWalk);
    do ++at;
    while (at < far && is_before(at, word));
    return at < far || far == slots_ ? at : walk_on(at, word);
  }
  const std::size_t far = at - std::min(at, kLongWalk);
  while (at > far && key(at - 1) >= word) --at;
  return at > far || far == 0 ? at : walk_back(at, word);
}

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_STORAGE_SEGMENT_H
