// SPDX-License-Identifier: MIT
// A queue of (tick, units) in the order of time, packed into blocks of bytes.
//
// Each block remembers what was packed before it. So sums and places are found by a binary search over the blocks and a
// scan of one of them.
//
//     [dead block] [..dead|live..] [live block] [live block]
//                         ^ front_
//
// Units can be taken back in the middle, too. The rest of a block is then moved together in place. There is always
// room for it: there are fewer units, and the number of a sum is no longer than the numbers of its parts. The first
// step of a block counts from the tick in its header. That tick may be later than the last entry before the block, if
// some were cut out there: so a cut writes no block but those that it cuts.
//
// Knows nothing of limits or clocks. Depends on the event block and units.
#ifndef RATELIMIT_ALGORITHMS_PACKED_EVENTS_H
#define RATELIMIT_ALGORITHMS_PACKED_EVENTS_H

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "ratelimit/algorithms/event_block.h"
#include "ratelimit/units.h"

namespace ratelimit {

class PackedEvents {
 public:
  using Tick = EventBlock::Tick;
  using Entry = EventBlock::Entry;

  /// A place between two entries, with what comes before it, counted since the queue was new.
  struct Position {
    std::uint32_t block = 0;
    std::uint32_t offset = 0;   ///< in the bytes of that block
    Tick before = 0;            ///< the next entry's step counts from here: no entry before is later
    std::uint64_t units = 0;    ///< wraps around: only differences have a meaning
    std::uint32_t entries = 0;  ///< likewise
  };

  PackedEvents() = default;
  /// Copies the bytes that are in use, block by block: some 1 ms for a million entries.
  PackedEvents(const PackedEvents& other)
      : entries_(other.entries_), front_(other.front_), tick_(other.tick_), units_(other.units_) {
    front_.block = front_.offset = 0;
    blocks_.reserve(other.block_count() - other.front_.block);
    for (std::uint32_t i = other.front_.block; i < other.block_count(); ++i) blocks_.push_back(other.copy_of(i));
  }
  PackedEvents(PackedEvents&&) noexcept = default;
  PackedEvents& operator=(PackedEvents&&) noexcept = default;
  PackedEvents& operator=(const PackedEvents&) = delete;
  ~PackedEvents() = default;

  /// The place behind the last entry.
  [[nodiscard]] Position end() const {
    if (blocks_.empty()) return {0, 0, tick_, units_, entries_};
    return {block_count() - 1, blocks_.back().size, tick_, units_, entries_};
  }
  [[nodiscard]] bool is_end(const Position& position) const { return position.entries == entries_; }

  /// The place before the first entry that lies after `tick`. O(log n).
  [[nodiscard]] Position first_after(Tick tick) const {
    const auto ends_after = [this, tick](std::uint32_t block) { return last_tick(block) > tick; };
    return scan(find_block(front_, ends_after),
                [tick](const Entry& entry, const Position&) { return entry.tick > tick; });
  }

  /// Counts units from `position` on: the place before the entry with which they reach `units`; the end if they do not.
  /// O(log n).
  [[nodiscard]] Position place_reaching(const Position& position, Units units) const {
    const auto goal = static_cast<std::uint64_t>(units.count());
    const auto reaches = [&](std::uint32_t block) { return units_up_to(block) - position.units >= goal; };
    return scan(find_block(position, reaches), [&](const Entry& entry, const Position& before) {
      return before.units + static_cast<std::uint64_t>(entry.units.count()) - position.units >= goal;
    });
  }

  /// The entry that follows a place, which must not be the end.
  [[nodiscard]] Entry entry_at(const Position& position) const {
    std::uint32_t offset = position.offset;
    return blocks_[position.block].read(position.before, offset);
  }

  /// Units before a place, from a place on, and of all entries.
  [[nodiscard]] Units units_before(const Position& position) const {
    return Units(static_cast<std::int64_t>(position.units - front_.units));
  }
  [[nodiscard]] Units units_from(const Position& position) const {
    return Units(static_cast<std::int64_t>(units_ - position.units));
  }
  [[nodiscard]] Units units() const { return units_from(front_); }

  /// Number of entries from a place on, and of all.
  [[nodiscard]] std::uint32_t entries_from(const Position& position) const { return entries_ - position.entries; }
  [[nodiscard]] std::uint32_t size() const { return entries_from(front_); }

  /// Calls `visit(entry)` for each entry, oldest first.
  template <class Visit>
  void for_each(Visit&& visit) const {
    scan(front_, [&visit](const Entry& entry, const Position&) {
      visit(entry);
      return false;
    });
  }

  /// Lets the next entry of an empty queue be the first: its step counts from `tick`.
  void begin_at(Tick tick) { tick_ = front_.before = tick; }

  /// Appends an entry, which must not lie before the last one.
  void append(const Entry& entry) {
    make_room();
    blocks_.back().write(tick_, entry);
    tick_ = entry.tick;
    units_ += static_cast<std::uint64_t>(entry.units.count());
    ++entries_;
  }

  /// Removes the last entry, which must be there, and returns it.
  [[nodiscard]] Entry take_last() {
    const Position place = place_reaching(front_, units());
    const Entry last = entry_at(place);
    truncate(place);
    return last;
  }

  /// Forgets the entries before a place, or all. Gives at most a few blocks back at a time: a call that comes after a
  /// long silence does not pay for the whole past.
  void drop_before(const Position& position) {
    front_ = position;
    release_dead_blocks();
  }
  void drop_all() { drop_before(end()); }

  /// Forgets the entries behind a place. The next entry will have `tick` or a later one. What was dropped before the
  /// first entry, or taken back before a block, may have been later than `tick`: the next step must not count from
  /// there.
  void truncate_to(const Position& place, Tick tick) {
    truncate(place);
    tick_ = std::min(place.before, tick);
    if (place.entries == front_.entries) front_.before = tick_;
    if (place.offset == 0 && !blocks_.empty()) blocks_[place.block].before = tick_;
  }

  /// Numbers the units of all entries from 0 on, and removes those from `first` up to and without `last`. Unit `first`
  /// must be there. O(log n + blocks), and each block that disappears is freed.
  void cut_out(Units first, Units last) {
    const Position from = place_reaching(front_, first + Units(1));
    const Position to = place_reaching(front_, last + Units(1));
    const Entry kept{entry_at(from).tick, first - units_before(from)};
    if (is_end(to)) {
      truncate(from);
      if (kept.units != kNoUnits) append(kept);
    } else if (from.entries == to.entries) {
      replace(from, {kept.tick, kNoUnits}, to, last - first);
    } else {
      replace(from, kept, to, last - units_before(to));
    }
  }

  /// Frees some blocks; false once there are none. For a queue that is only to be destroyed.
  [[nodiscard]] bool release_some() {
    blocks_.resize(blocks_.size() - std::min<std::size_t>(blocks_.size(), kReleasedAtOnce));
    return !blocks_.empty();
  }

  /// Bytes that the queue holds beyond itself, and the number of allocations.
  [[nodiscard]] std::size_t heap_bytes() const {
    std::size_t bytes = blocks_.capacity() * sizeof(EventBlock);
    for (const EventBlock& block : blocks_) bytes += block.capacity;
    return bytes;
  }
  [[nodiscard]] std::size_t heap_pieces() const { return blocks_.size() + 1; }

  /// Lets `move` relocate allocation `i`. `move(pointer)` copies the allocation to a new place, frees the old one and
  /// returns the new place; or it returns null and does nothing. False if there is no such allocation. The list of
  /// blocks, a sixteenth of the whole, stays where it is.
  template <class Move>
  bool relocate_piece(std::size_t i, Move move) {
    if (i >= heap_pieces()) return false;
    if (i == 0 || blocks_[i - 1].bytes == nullptr) return true;
    std::unique_ptr<std::uint8_t[]>& bytes = blocks_[i - 1].bytes;
    if (void* place = move(bytes.get())) {
      static_cast<void>(bytes.release());
      bytes.reset(static_cast<std::uint8_t*>(place));
    }
    return true;
  }

 private:
  // 0.2 us a block. This many keep up with any caller, and no caller waits for thousands.
  static constexpr std::uint32_t kReleasedAtOnce = 16;

  [[nodiscard]] std::uint32_t block_count() const { return static_cast<std::uint32_t>(blocks_.size()); }

  [[nodiscard]] Tick last_tick(std::uint32_t block) const {
    return block + 1 < block_count() ? blocks_[block + 1].before : tick_;
  }
  [[nodiscard]] std::uint64_t units_up_to(std::uint32_t block) const {
    return block + 1 < block_count() ? blocks_[block + 1].units : units_;
  }

  /// The beginning of the first block for which `holds` is true, but not before `from`; the end if there is none.
  /// Along the blocks, `holds` must first be false and then true.
  template <class Holds>
  [[nodiscard]] Position find_block(const Position& from, Holds holds) const {
    std::uint32_t low = from.block;
    // Most often it is the first block: a look there saves the search.
    if (low >= block_count() || holds(low)) return from;
    std::uint32_t high = block_count();
    ++low;
    while (low < high) {
      const std::uint32_t middle = low + (high - low) / 2;
      if (holds(middle)) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low < block_count() ? start_of(low) : end();
  }

  [[nodiscard]] Position start_of(std::uint32_t block) const {
    const EventBlock& b = blocks_[block];
    return {block, 0, b.before, b.units, b.entries};
  }

  /// The place before the first live entry of a block that is not dead.
  [[nodiscard]] Position live_start_of(std::uint32_t block) const {
    return block == front_.block ? front_ : start_of(block);
  }

  /// Walks over the entries from `position` until `stop(entry, place before it)` holds or they end.
  template <class Stop>
  Position scan(Position position, Stop stop) const {
    while (position.block < block_count()) {
      const EventBlock& block = blocks_[position.block];
      if (position.offset == block.size) {
        if (position.block + 1 == block_count()) break;
        position = start_of(position.block + 1);
        continue;
      }
      std::uint32_t next = position.offset;
      const Entry entry = block.read(position.before, next);
      if (stop(entry, position)) break;
      position = {position.block, next, entry.tick, position.units + static_cast<std::uint64_t>(entry.units.count()),
                  position.entries + 1};
    }
    return position;
  }

  /// Makes room for an entry in the last block. A small block moves its live bytes to its beginning, or grows; a large
  /// block is followed by a new one.
  void make_room() {
    if (blocks_.empty()) add_block(EventBlock::kFirstBytes);
    while (!blocks_.back().has_room()) {
      EventBlock& last = blocks_.back();
      const bool only = front_.block + 1 == block_count();
      if (only && front_.offset >= last.capacity / 2) {
        move_front_to_start_of(last);
      } else if (last.capacity < EventBlock::kBytes) {
        last.grow();
      } else {
        add_block(EventBlock::kBytes);
      }
    }
  }

  void add_block(std::uint16_t capacity) {
    blocks_.push_back({tick_, units_, entries_, 0, capacity, std::make_unique_for_overwrite<std::uint8_t[]>(capacity)});
  }

  void move_front_to_start_of(EventBlock& block) {
    block.drop_front(front_.offset);
    block.before = front_.before;
    block.units = front_.units;
    block.entries = front_.entries;
    front_.offset = 0;
  }

  /// A copy of the live part of a block.
  [[nodiscard]] EventBlock copy_of(std::uint32_t block) const {
    const Position start = live_start_of(block);
    EventBlock copy = blocks_[block].copy_from(start.offset);
    copy.before = start.before;
    copy.units = start.units;
    copy.entries = start.entries;
    return copy;
  }

  /// Lets the entries end at `place`.
  void truncate(const Position& place) {
    if (!blocks_.empty()) {
      blocks_.resize(place.block + 1);
      blocks_.back().size = static_cast<std::uint16_t>(place.offset);
    }
    tick_ = place.before;
    units_ = place.units;
    entries_ = place.entries;
  }

  /// Removes the entries between two places, and `taken` units of the entry at `to`, which keeps some. Puts `kept` in
  /// their place, if it has units.
  void replace(const Position& from, const Entry& kept, const Position& to, Units taken) {
    Position start = from;  // what `to` becomes
    EventBlock& head = blocks_[from.block];
    EventBlock& tail = blocks_[to.block];
    const std::uint16_t size = tail.size;
    std::uint32_t next = to.offset;
    Entry rest = tail.read(to.before, next);
    rest.units -= taken;
    head.size = static_cast<std::uint16_t>(from.offset);
    if (kept.units != kNoUnits) {
      head.write(from.before, kept);
      start.before = kept.tick;
      start.units += static_cast<std::uint64_t>(kept.units.count());
      ++start.entries;
    }
    if (from.block != to.block) {
      start.before = tail.before;
      tail.units = start.units;
      tail.entries = start.entries;
      tail.size = 0;
    }
    tail.write(start.before, rest);
    tail.move_to_end(next, size);
    count_as_removed(to.block + 1, to.units + static_cast<std::uint64_t>(taken.count()) - start.units,
                     to.entries - start.entries);
    join_around(from.block, to.block);
  }

  /// Lowers what `block` and all later blocks remember to be before them.
  void count_as_removed(std::uint32_t block, std::uint64_t units, std::uint32_t entries) {
    for (; block < block_count(); ++block) {
      blocks_[block].units -= units;
      blocks_[block].entries -= entries;
    }
    units_ -= units;
    entries_ -= entries;
  }

  /// Frees the blocks between `head` and `tail`. Joins these two with each other and with their neighbours, where both
  /// fit into one block. So two neighbours always fill nearly one block, however much is taken back.
  void join_around(std::uint32_t head, std::uint32_t tail) {
    if (head != tail) {
      blocks_.erase(blocks_.begin() + head + 1, blocks_.begin() + tail);
      join_with_next(head + 1);
    }
    join_with_next(head);
    if (head > front_.block) join_with_next(head - 1);
  }

  /// Moves the entries of the next block to the end of this one, if there is a next block, and room.
  void join_with_next(std::uint32_t index) {
    if (index + 1 >= block_count()) return;
    EventBlock& block = blocks_[index];
    const EventBlock& next = blocks_[index + 1];
    if (!block.has_room_for(next)) return;
    const Tick last = tick_at_end_of(index);
    if (next.size != 0) {
      block.append_all(last, next);
    } else if (index + 2 == block_count()) {
      tick_ = last;
    }
    blocks_.erase(blocks_.begin() + index + 1);
  }

  /// The tick that the step of an entry at the end of a block would count from.
  [[nodiscard]] Tick tick_at_end_of(std::uint32_t block) const {
    const Position start = live_start_of(block);
    Tick tick = start.before;
    for (std::uint32_t offset = start.offset; offset < blocks_[block].size;) {
      tick = blocks_[block].read(tick, offset).tick;
    }
    return tick;
  }

  void release_dead_blocks() {
    const std::uint32_t until = std::min(front_.block, released_ + kReleasedAtOnce);
    for (; released_ < until; ++released_) {
      blocks_[released_].bytes.reset();
      blocks_[released_].capacity = 0;
    }
    // Once half of the blocks are released, moving the others forward costs no more than releasing did.
    if (released_ >= kReleasedAtOnce && released_ * 2 >= block_count()) {
      blocks_.erase(blocks_.begin(), blocks_.begin() + released_);
      front_.block -= released_;
      released_ = 0;
    }
  }

  std::vector<EventBlock> blocks_;
  std::uint32_t released_ = 0;  ///< blocks at the beginning that gave their bytes back
  std::uint32_t entries_ = 0;
  Position front_;  ///< before the first live entry
  Tick tick_ = 0;   ///< the step of the next entry counts from here
  std::uint64_t units_ = 0;
};

}  // namespace ratelimit

#endif  // RATELIMIT_ALGORITHMS_PACKED_EVENTS_H
