// A part of a table: the subjects whose hashes begin with the same bits, in one allocation.
//
//     [limits, counts] [hash|cells] [free] [hash|cells] [hash|cells] [free] [hash|cells]
//
// The slots are a sorted array with gaps. A subject has a home, which is where it would stand if hashes were spread
// evenly, and all slots from its home to where it stands are taken: so it is found by a walk from its home, which ends
// with it, with a gap, or with one that stands beyond it. A new subject moves those between its place and the nearest
// gap by one slot. So a subject stands only as far from home as chance makes some slots more wanted than others: under
// two slots on average in a segment that is nine tenths full, and some six if none is free. Memory can be as good as
// full, and one walk still touches one or two lines of the cache.
//
// Most subjects of a segment have the same limits, which are kept once, and their states stand in the slot. Others are
// kept out of line, as values: the first cell of their slot holds a pointer.
//
// States are moved by copies of their bytes, as defragmentation does it: what they own they own by plain pointers, and
// nothing points to them. Knows hashes, limits and values, but no table.
#ifndef RATELIMIT_MODULE_STORAGE_SEGMENT_H
#define RATELIMIT_MODULE_STORAGE_SEGMENT_H

#include <algorithm>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <span>

#include "ratelimit/states.h"
#include "storage/limits_pool.h"
#include "storage/subject.h"
#include "storage/value.h"

namespace ratelimit {

/// By what a table knows a subject: 63 bits of a hash that are not all 0.
class SubjectHash {
 public:
  /// The lowest bit is not used; a hash of nothing else is taken for another one.
  [[nodiscard]] static constexpr SubjectHash of(std::uint64_t bits) {
    return SubjectHash(std::max(bits & ~std::uint64_t{1}, std::uint64_t{2}));
  }
  [[nodiscard]] static constexpr SubjectHash smallest() { return of(0); }
  [[nodiscard]] static constexpr SubjectHash largest() { return of(std::numeric_limits<std::uint64_t>::max()); }

  /// The bits, of which the lowest is 0. Never 0.
  [[nodiscard]] constexpr std::uint64_t word() const { return word_; }
  /// The one that follows; the largest is followed by itself.
  [[nodiscard]] constexpr SubjectHash next() const { return *this == largest() ? *this : SubjectHash(word_ + 2); }

  friend constexpr auto operator<=>(SubjectHash, SubjectHash) = default;

 private:
  constexpr explicit SubjectHash(std::uint64_t word) : word_(word) {}

  std::uint64_t word_;
};

/// Hashes from `first` to `last`, both included.
struct HashRange {
  SubjectHash first;
  SubjectHash last;

  [[nodiscard]] constexpr bool contains(SubjectHash hash) const { return first <= hash && hash <= last; }
  friend constexpr bool operator==(const HashRange&, const HashRange&) = default;
};

/// Subjects on their way into segments: their slots, in ascending order and without gaps. What is in it when it ends is
/// forgotten, not ended: whoever takes it out owns it.
class SortedRun {
 public:
  /// Room for so many subjects. Limits may be null if nobody is added.
  SortedRun(SharedLimits limits, std::size_t most);

  [[nodiscard]] const SharedLimits& limits() const { return limits_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  /// The place of the first subject that does not stand before `hash`. O(log n).
  [[nodiscard]] std::size_t find(SubjectHash hash) const;

  /// Adds a subject with the limits of the run, whose states are moved out of `cells`.
  void add(SubjectHash hash, std::span<const Cell> cells);
  /// Adds a subject: its states, if it has the limits of the run and nothing reserved, and otherwise as it is.
  void add(SubjectHash hash, Value::Pointer value);

 private:
  friend class Segment;

  [[nodiscard]] std::byte* append(std::uint64_t word);

  SharedLimits limits_;
  std::size_t stride_;
  std::size_t size_ = 0;
  std::unique_ptr<std::byte[]> slots_;
};

/// A segment, by what must be known to find a subject in it. Copies mean the same memory: whoever created it ends it.
class Segment {
 public:
  // A walk does not get longer with the size, but an insertion moves up to half of a segment, and what is done to a
  // segment at once is some hundred subjects. From here on jemalloc would take a page more than it is asked for.
  static constexpr std::size_t kLargestBytes = 8192;

  /// Bytes of a segment that is to hold so many subjects, and some more, until it is full; with `limits` limits each.
  [[nodiscard]] static std::size_t bytes_for(std::size_t subjects, std::size_t limits);

  /// A segment with the subjects from `first` up to and without `last` of `run`, and its limits. `depth` is how many
  /// bits their hashes have in common, and `version` how often limits were redefined before.
  [[nodiscard]] static Segment create(const SortedRun& run, std::size_t first, std::size_t last, unsigned depth,
                                      std::uint16_t version);
  /// The same subjects once more.
  [[nodiscard]] Segment clone() const;
  /// Ends the subjects and frees the memory. Callable from any thread.
  void destroy() const;
  /// Frees the memory; its subjects were moved out of it.
  void discard() const;

  [[nodiscard]] unsigned depth() const { return depth_; }
  [[nodiscard]] std::uint16_t version() const { return version_; }
  [[nodiscard]] std::size_t slots() const { return slots_; }
  [[nodiscard]] std::size_t cells_per_slot() const { return limits_; }
  [[nodiscard]] std::size_t bytes() const;
  /// Subjects, and how many of them are kept out of line.
  [[nodiscard]] std::size_t size() const { return block_->used; }
  [[nodiscard]] std::size_t out_of_line() const { return block_->out_of_line; }
  /// Those of the subjects that are not kept out of line. Null if there never was a subject.
  [[nodiscard]] const SharedLimits& limits() const { return block_->limits; }

  /// Whether another subject would have too few gaps near.
  [[nodiscard]] bool is_full() const { return block_->used >= slots_ - slots_ / 32; }
  /// Whether much less memory would do.
  [[nodiscard]] bool is_too_large() const;

  /// Where a subject stands; none if it does not. O(1) for hashes that are spread evenly, O(log n) for any.
  [[nodiscard]] std::optional<std::size_t> find(SubjectHash hash) const {
    __builtin_prefetch(block_);  // its limits are needed next, and stand in a line apart
    const std::size_t at = lower_bound(hash);
    if (at == slots_ || key(at) != hash.word()) return std::nullopt;
    return at;
  }
  /// The first slot at or behind which all stand that do not stand before `hash`; the number of slots if there is none.
  [[nodiscard]] std::size_t lower_bound(SubjectHash hash) const;

  [[nodiscard]] bool is_taken(std::size_t at) const { return word(at) != 0; }
  /// Of the subject in a slot that is taken.
  [[nodiscard]] SubjectHash hash(std::size_t at) const { return SubjectHash::of(word(at)); }
  [[nodiscard]] bool is_out_of_line(std::size_t at) const { return (word(at) & kOutOfLine) != 0; }
  [[nodiscard]] Value* value(std::size_t at) const { return cells(at)[0].as<OutOfLine>().value; }
  [[nodiscard]] Subject subject(std::size_t at) const {
    if (is_out_of_line(at)) return value(at)->subject();
    return {block_->limits, cells(at), nullptr};
  }
  /// The cells of a slot: the states of a subject that is not kept out of line.
  [[nodiscard]] std::span<Cell> cells(std::size_t at) const {
    return {std::launder(reinterpret_cast<Cell*>(slot(at) + sizeof(std::uint64_t))), limits_};
  }

  /// Makes room for a subject that is not there, in a segment that is not full: its slot, which it must be put into at
  /// once. Moves others: O(size) at worst, those up to the nearest gap.
  [[nodiscard]] std::size_t open(SubjectHash hash) const;
  /// Puts an idle subject with the limits of the segment into a slot in which nothing is.
  void put_idle(std::size_t at) const { construct_idle(*block_->limits, cells(at)); }
  /// Puts a subject into a slot in which nothing is: its states, if it has the limits of the segment and no room to
  /// reserve, and otherwise as it is.
  void put(std::size_t at, Value::Pointer value) const;
  /// Ends what is in a slot, which must be put into or left at once.
  void end(std::size_t at) const;
  /// Gives a slot back in which nothing is. No one is found from then on, but all can be moved into a run.
  void leave(std::size_t at) const;

  /// Moves all subjects into a run that has the limits of the segment; none may be kept out of line. As quick as a copy.
  void move_all_into(SortedRun& run) const;

  /// The memory, which may be copied to another place and freed.
  [[nodiscard]] void* memory() const { return block_; }
  [[nodiscard]] Segment moved_to(void* place) const;

  /// Whether order, homes and counts are as they must be, and all have hashes in the range. For tests.
  [[nodiscard]] bool is_valid(const HashRange& range) const;

  /// Whether they are the same memory.
  friend bool operator==(const Segment& a, const Segment& b) { return a.block_ == b.block_; }

 private:
  friend class SortedRun;

  struct Block {
    SharedLimits limits;
    std::uint32_t used = 0;
    std::uint32_t out_of_line = 0;
  };
  static_assert(sizeof(Block) == 16);

  /// What the first cell holds of a subject that is kept out of line.
  struct OutOfLine {
    Value* value;
  };

  // The lowest bit of a word says that the subject is kept out of line. The others are its hash; none: the slot is free.
  static constexpr std::uint64_t kOutOfLine = 1;

  // So many steps a walk takes at most for hashes that are not made up; then it pays to halve what is left.
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

  /// Where a subject stands if hashes are spread evenly.
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
    // What is free is not before anything: 0 - 1 is the largest number.
    return key(at) - 1 < other - 1;
  }

  [[nodiscard]] std::size_t walk_on(std::size_t at, std::uint64_t word) const;
  [[nodiscard]] std::size_t walk_back(std::size_t at, std::uint64_t word) const;
  [[nodiscard]] std::size_t nearest_gap(std::size_t at) const;
  /// Moves the slots from `first` up to and without `last` so that they begin at `to`.
  void move_slots(std::size_t first, std::size_t last, std::size_t to) const {
    std::memmove(slot(to), slot(first), (last - first) * stride());
  }

  Block* block_;
  std::uint32_t slots_;
  std::uint16_t version_;
  std::uint8_t depth_;
  std::uint8_t limits_;  ///< how many cells a slot has
};

// What a walk needs to know stands in the directory, beside the pointer. At the front of the segment it would be one
// more line that is not in the cache, the more so as allocators put all segments on the same few sets of it.
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
