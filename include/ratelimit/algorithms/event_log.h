// A queue of (tick, units) in the order of time, packed into few bytes: two to four for an entry of one unit, the more
// entries the fewer.
//
// Entries are appended at the back and dropped at the front. Between them stand blocks of variable-length numbers:
// per entry the ticks since the entry before, doubled, plus one if its units follow (they are left out when they
// are 1). Blocks remember what was appended before them, so that sums and positions are found by a binary search
// over the blocks and a scan of one of them. The newest entry stays unpacked, for it may still grow: entries of the
// same tick are one.
//
// Units can be taken back in the middle, too. What remains of a block is then moved together in place, for which there
// is always room: there are fewer units, and the number of a sum is no longer than the numbers of its parts. The first
// step of a block counts from the tick in its header, which may be later than the last entry that still is before the
// block: so no block is written because of what was cut out of another.
//
//     [dead block] [..dead|live..] [live block] [live block]  newest
//                         ^ front_                            ^ newest_
//
// Knows nothing of limits or clocks. Depends on units only.
#ifndef RATELIMIT_ALGORITHMS_EVENT_LOG_H
#define RATELIMIT_ALGORITHMS_EVENT_LOG_H

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "ratelimit/units.h"

namespace ratelimit {

class EventLog {
 public:
  using Tick = std::int64_t;

  struct Entry {
    Tick tick = 0;
    Units units;
  };

  /// A place between two entries: what comes before it, counted since the log began.
  struct Position {
    std::uint32_t block = 0;
    std::uint32_t offset = 0;  ///< in the bytes of that block
    Tick before = 0;           ///< what the next entry's step counts from: no entry before is later
    std::uint64_t units = 0;   ///< these two wrap around: only differences mean something
    std::uint32_t entries = 0;
  };

  EventLog() = default;
  /// Copies the bytes that are in use, block by block: some 1 ms for a million entries.
  EventLog(const EventLog& other) {
    if (other.empty()) return;
    packed_entries_ = other.packed_entries_;
    packed_tick_ = other.packed_tick_;
    packed_units_ = other.packed_units_;
    newest_ = other.newest_;
    front_ = other.front_;
    front_.block = front_.offset = 0;
    blocks_.reserve(other.block_count() - other.front_.block);
    for (std::uint32_t i = other.front_.block; i < other.block_count(); ++i) blocks_.push_back(other.copy_of(i));
  }
  EventLog(EventLog&&) noexcept = default;
  EventLog& operator=(EventLog&&) noexcept = default;
  EventLog& operator=(const EventLog&) = delete;
  ~EventLog() = default;

  [[nodiscard]] bool empty() const { return newest_.units == kNoUnits; }

  /// The last entry; the log must not be empty.
  [[nodiscard]] const Entry& newest() const { return newest_; }

  /// The place before the first entry that lies after `tick`. O(log n).
  [[nodiscard]] Position first_after(Tick tick) const {
    const auto ends_after = [this, tick](std::uint32_t block) { return last_tick(block) > tick; };
    return scan(find_block(front_, ends_after),
                [tick](const Entry& entry, const Position&) { return entry.tick > tick; });
  }

  /// Units of the entries from `position` on; `after` is the tick that the position was found for.
  [[nodiscard]] Units units_from(const Position& position, Tick after) const {
    return Units(static_cast<std::int64_t>(packed_units_ - position.units)) +
           (newest_.tick > after ? newest_.units : kNoUnits);
  }

  /// Number of entries from `position` on, likewise.
  [[nodiscard]] std::uint32_t entries_from(const Position& position, Tick after) const {
    return packed_entries_ - position.entries + (!empty() && newest_.tick > after ? 1U : 0U);
  }

  /// The tick of the entry with which the units counted from `position` on reach `units`, which must be there. O(log n).
  [[nodiscard]] Tick tick_reaching(const Position& position, Units units) const {
    const Position place = place_reaching(position, units);
    return is_end(place) ? newest_.tick : entry_at(place).tick;
  }

  /// Forgets the entries up to and including `tick`. Gives at most a few blocks back at a time: a call that comes
  /// after a long silence does not pay for the whole past.
  void drop_up_to(Tick tick) {
    if (empty()) return;
    if (newest_.tick <= tick) {
      forget_all();
    } else {
      front_ = first_after(tick);
    }
    release_dead_blocks();
  }

  /// Moves the entries that lie after `tick` back to it, where they become one. O(log n), and gives their blocks back:
  /// some 0.2 ms for a million entries, which happens only when the clock went back.
  void clamp_to(Tick tick) {
    if (empty() || newest_.tick <= tick) return;
    const Position cut = first_after(tick - 1);
    newest_ = {tick, units_from(cut, tick - 1)};
    truncate(cut);
    // What was dropped before the first entry, or taken back before a block, may lie after `tick`: the next step must
    // not lead backwards.
    packed_tick_ = std::min(cut.before, tick);
    if (cut.entries == front_.entries) front_.before = packed_tick_;
    if (cut.offset == 0 && !blocks_.empty()) blocks_[cut.block].before = packed_tick_;
  }

  /// Removes up to `units` units: those that were appended just before the newest `newer` ones. An entry that keeps none
  /// disappears. O(log n + blocks), and a block that disappears is given back: some 20 us for a million entries, and a
  /// tenth of a microsecond for each such block.
  void take_back(Units units, Units newer) {
    const Units packed = units_before(end());
    const Units all = packed + newest_.units;
    if (units == kNoUnits || newer >= all) return;
    const Units last = all - newer;
    const Units first = last - std::min(units, last);
    if (first == kNoUnits && last == all) return drop_up_to(newest_.tick);
    if (last > packed) newest_.units -= last - std::max(first, packed);
    if (first < packed) cut_out(first, last);
    if (newest_.units == kNoUnits) unpack_newest();
  }

  /// Appends an entry, which must not lie before the newest one.
  void append(const Entry& entry) {
    assert(empty() || entry.tick >= newest_.tick);
    if (empty()) {
      packed_tick_ = front_.before = entry.tick;
      newest_ = entry;
    } else if (entry.tick == newest_.tick) {
      newest_.units += entry.units;
    } else {
      pack(newest_);
      newest_ = entry;
    }
  }

  /// Calls `visit(entry)` for each entry, oldest first.
  template <class Visit>
  void for_each(Visit visit) const {
    if (empty()) return;
    scan(front_, [&visit](const Entry& entry, const Position&) {
      visit(entry);
      return false;
    });
    visit(newest_);
  }

  /// Number of entries.
  [[nodiscard]] std::uint32_t size() const { return packed_entries_ - front_.entries + (empty() ? 0U : 1U); }

  /// Bytes that the log holds beyond itself, and in how many pieces.
  [[nodiscard]] std::size_t heap_bytes() const {
    std::size_t bytes = blocks_.capacity() * sizeof(Block);
    for (const Block& block : blocks_) bytes += block.capacity;
    return bytes;
  }
  [[nodiscard]] std::size_t heap_pieces() const { return blocks_.size() + 1; }

  /// Offers piece `i` of that memory to `move`, which takes a piece and returns the one that is to be used instead,
  /// having copied it and given the old one back, or null to leave it. False if there is no such piece. The list of
  /// blocks stays where it is: a sixteenth of the whole.
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
  struct Block {
    Tick before = 0;          ///< between the ticks of the entry before and of the block's first
    std::uint64_t units = 0;  ///< units packed before the block
    std::uint32_t entries = 0;
    std::uint16_t size = 0;
    std::uint16_t capacity = 0;
    std::unique_ptr<std::uint8_t[]> bytes;
  };
  static_assert(sizeof(Block) == 32);

  // 512 is a size class of the common allocators, and a scan of one block stays under a microsecond.
  static constexpr std::uint16_t kBlockBytes = 512;
  static constexpr std::uint16_t kFirstBlockBytes = 16;
  static constexpr std::size_t kLongestEntry = 10 + 5;
  // Two tenths of a microsecond a block: a few keep up with any caller, and none waits for thousands.
  static constexpr std::uint32_t kReleasedAtOnce = 16;

  [[nodiscard]] std::uint32_t block_count() const { return static_cast<std::uint32_t>(blocks_.size()); }

  [[nodiscard]] Tick last_tick(std::uint32_t block) const {
    return block + 1 < block_count() ? blocks_[block + 1].before : packed_tick_;
  }
  [[nodiscard]] std::uint64_t units_up_to(std::uint32_t block) const {
    return block + 1 < block_count() ? blocks_[block + 1].units : packed_units_;
  }

  /// The beginning of the first block for which `holds` is true, but not before `from`; the end if there is none.
  /// `holds` must be false, then true, over the blocks.
  template <class Holds>
  [[nodiscard]] Position find_block(const Position& from, Holds holds) const {
    std::uint32_t low = from.block;
    // Most often it is the first one: a look there saves the search.
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
    const Block& b = blocks_[block];
    return {block, 0, b.before, b.units, b.entries};
  }

  /// Where the live entries of a block begin, which must not be dead.
  [[nodiscard]] Position live_start_of(std::uint32_t block) const {
    return block == front_.block ? front_ : start_of(block);
  }

  /// The place after the last packed entry, before the newest.
  [[nodiscard]] Position end() const {
    if (blocks_.empty()) return {0, 0, packed_tick_, packed_units_, packed_entries_};
    return {block_count() - 1, blocks_.back().size, packed_tick_, packed_units_, packed_entries_};
  }

  [[nodiscard]] bool is_end(const Position& position) const { return position.entries == packed_entries_; }

  /// Live units before a place.
  [[nodiscard]] Units units_before(const Position& position) const {
    return Units(static_cast<std::int64_t>(position.units - front_.units));
  }

  /// The place before the packed entry with which the units counted from `position` on reach `units`; the end if it is
  /// none of them.
  [[nodiscard]] Position place_reaching(const Position& position, Units units) const {
    const auto goal = static_cast<std::uint64_t>(units.count());
    const auto reaches = [&](std::uint32_t block) { return units_up_to(block) - position.units >= goal; };
    return scan(find_block(position, reaches), [&](const Entry& entry, const Position& before) {
      return before.units + static_cast<std::uint64_t>(entry.units.count()) - position.units >= goal;
    });
  }

  /// Walks over the packed entries from `position` until `stop(entry, place before it)` holds or they end.
  template <class Stop>
  Position scan(Position position, Stop stop) const {
    while (position.block < block_count()) {
      const Block& block = blocks_[position.block];
      if (position.offset == block.size) {
        if (position.block + 1 == block_count()) break;
        position = start_of(position.block + 1);
        continue;
      }
      std::uint32_t next = position.offset;
      const Entry entry = read_entry(block, position.before, next);
      if (stop(entry, position)) break;
      position = {position.block, next, entry.tick, position.units + static_cast<std::uint64_t>(entry.units.count()),
                  position.entries + 1};
    }
    return position;
  }

  /// The entry that follows a place, which must not be the end.
  [[nodiscard]] Entry entry_at(const Position& position) const {
    std::uint32_t offset = position.offset;
    return read_entry(blocks_[position.block], position.before, offset);
  }

  /// Reads the entry at `offset`, whose step counts from `before`, and moves `offset` behind it.
  static Entry read_entry(const Block& block, Tick before, std::uint32_t& offset) {
    const std::uint64_t head = read_number(block, offset);
    return {before + static_cast<Tick>(head >> 1U),
            Units((head & 1U) != 0 ? static_cast<std::int64_t>(read_number(block, offset)) : 1)};
  }

  static std::uint64_t read_number(const Block& block, std::uint32_t& offset) {
    std::uint64_t number = 0;
    unsigned shift = 0;
    std::uint8_t byte = 0;
    do {
      byte = block.bytes[offset++];
      number |= std::uint64_t{byte & 0x7FU} << shift;
      shift += 7;
    } while ((byte & 0x80U) != 0);
    return number;
  }

  /// Writes an entry at the end of a block; its step counts from `before`.
  static void write_entry(Block& block, Tick before, const Entry& entry) {
    const bool single = entry.units == Units(1);
    write_number(block, (static_cast<std::uint64_t>(entry.tick - before) << 1U) | (single ? 0U : 1U));
    if (!single) write_number(block, static_cast<std::uint64_t>(entry.units.count()));
  }

  static void write_number(Block& block, std::uint64_t number) {
    while (number >= 0x80U) {
      block.bytes[block.size++] = static_cast<std::uint8_t>(number | 0x80U);
      number >>= 7U;
    }
    block.bytes[block.size++] = static_cast<std::uint8_t>(number);
  }

  void pack(const Entry& entry) {
    make_room();
    write_entry(blocks_.back(), packed_tick_, entry);
    packed_tick_ = entry.tick;
    packed_units_ += static_cast<std::uint64_t>(entry.units.count());
    ++packed_entries_;
  }

  /// Makes the last block one that takes another entry: a small one moves its live bytes to its beginning or grows,
  /// a full one is followed by a new one.
  void make_room() {
    if (blocks_.empty()) add_block(kFirstBlockBytes);
    while (blocks_.back().size + kLongestEntry > blocks_.back().capacity) {
      Block& last = blocks_.back();
      const bool only = front_.block + 1 == block_count();
      if (only && front_.offset >= last.capacity / 2) {
        move_front_to_start_of(last);
      } else if (last.capacity < kBlockBytes) {
        grow(last);
      } else {
        add_block(kBlockBytes);
      }
    }
  }

  void add_block(std::uint16_t capacity) {
    blocks_.push_back({packed_tick_, packed_units_, packed_entries_, 0, capacity,
                       std::make_unique_for_overwrite<std::uint8_t[]>(capacity)});
  }

  static void grow(Block& block) {
    const int step = std::max<int>(kFirstBlockBytes, block.capacity / 4 / kFirstBlockBytes * kFirstBlockBytes);
    const auto capacity = static_cast<std::uint16_t>(std::min<int>(block.capacity + step, kBlockBytes));
    auto bytes = std::make_unique_for_overwrite<std::uint8_t[]>(capacity);
    std::memcpy(bytes.get(), block.bytes.get(), block.size);
    block.bytes = std::move(bytes);
    block.capacity = capacity;
  }

  void move_front_to_start_of(Block& block) {
    block.size = static_cast<std::uint16_t>(block.size - front_.offset);
    std::memmove(block.bytes.get(), block.bytes.get() + front_.offset, block.size);
    block.before = front_.before;
    block.units = front_.units;
    block.entries = front_.entries;
    front_.offset = 0;
  }

  /// A block without what is dead of it.
  [[nodiscard]] Block copy_of(std::uint32_t block) const {
    const Position start = live_start_of(block);
    const Block& from = blocks_[block];
    Block copy{start.before,  start.units,
               start.entries, static_cast<std::uint16_t>(from.size - start.offset),
               from.capacity, std::make_unique_for_overwrite<std::uint8_t[]>(from.capacity)};
    std::memcpy(copy.bytes.get(), from.bytes.get() + start.offset, copy.size);
    return copy;
  }

  /// Lets the packed entries end at `place`.
  void truncate(const Position& place) {
    if (!blocks_.empty()) {
      blocks_.resize(place.block + 1);
      blocks_.back().size = static_cast<std::uint16_t>(place.offset);
    }
    packed_tick_ = place.before;
    packed_units_ = place.units;
    packed_entries_ = place.entries;
  }

  /// Makes the last packed entry the newest; there must be one.
  void unpack_newest() {
    const Position place = place_reaching(front_, units_before(end()));
    newest_ = entry_at(place);
    truncate(place);
  }

  /// Removes the units from the `first`, which must be packed, up to and without the `last`, counted from 0 on; those of
  /// the newest entry stay.
  void cut_out(Units first, Units last) {
    const Position from = place_reaching(front_, first + Units(1));
    const Position to = place_reaching(front_, last + Units(1));
    const Entry kept{entry_at(from).tick, first - units_before(from)};
    if (is_end(to)) {
      truncate(from);
      if (kept.units != kNoUnits) pack(kept);
    } else if (from.entries == to.entries) {
      replace(from, {kept.tick, kNoUnits}, to, last - first);
    } else {
      replace(from, kept, to, last - units_before(to));
    }
  }

  /// Removes what lies between two places but for `kept`, if that has units, and `taken` units of the entry at `to`,
  /// which keeps some.
  void replace(const Position& from, const Entry& kept, const Position& to, Units taken) {
    Position start = from;  // what `to` becomes
    Block& head = blocks_[from.block];
    Block& tail = blocks_[to.block];
    const std::uint16_t size = tail.size;
    std::uint32_t next = to.offset;
    Entry rest = read_entry(tail, to.before, next);
    rest.units -= taken;
    head.size = static_cast<std::uint16_t>(from.offset);
    if (kept.units != kNoUnits) {
      write_entry(head, from.before, kept);
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
    write_entry(tail, start.before, rest);
    move_to_end(tail, next, size);
    count_as_removed(to.block + 1, to.units + static_cast<std::uint64_t>(taken.count()) - start.units,
                     to.entries - start.entries);
    join_around(from.block, to.block);
  }

  /// Moves the bytes of a block from `begin` up to `end` to where it ends now, which is not behind them.
  static void move_to_end(Block& block, std::uint32_t begin, std::uint32_t end) {
    assert(block.size <= begin);
    std::memmove(block.bytes.get() + block.size, block.bytes.get() + begin, end - begin);
    block.size = static_cast<std::uint16_t>(block.size + end - begin);
  }

  /// Tells `block` and those that follow that there is less before them.
  void count_as_removed(std::uint32_t block, std::uint64_t units, std::uint32_t entries) {
    for (; block < block_count(); ++block) {
      blocks_[block].units -= units;
      blocks_[block].entries -= entries;
    }
    packed_units_ -= units;
    packed_entries_ -= entries;
  }

  /// Gives the blocks between two back, and joins these two with each other and their neighbours where one block can
  /// hold both. So any two blocks together stay nearly one full one, however much is taken back.
  void join_around(std::uint32_t head, std::uint32_t tail) {
    if (head != tail) {
      blocks_.erase(blocks_.begin() + head + 1, blocks_.begin() + tail);
      join_with_next(head + 1);
    }
    join_with_next(head);
    if (head > front_.block) join_with_next(head - 1);
  }

  /// Moves what the next block holds to the end of this one, if there is such a block and enough room: some is left for
  /// the next entry, or it would soon be two blocks again.
  void join_with_next(std::uint32_t index) {
    if (index + 1 >= block_count()) return;
    Block& block = blocks_[index];
    const Block& next = blocks_[index + 1];
    if (block.size + next.size + kLongestEntry > block.capacity) return;
    const Tick last = tick_at_end_of(index);
    if (next.size != 0) {
      std::uint32_t offset = 0;
      write_entry(block, last, read_entry(next, next.before, offset));
      std::memcpy(block.bytes.get() + block.size, next.bytes.get() + offset, next.size - offset);
      block.size = static_cast<std::uint16_t>(block.size + next.size - offset);
    } else if (index + 2 == block_count()) {
      packed_tick_ = last;
    }
    blocks_.erase(blocks_.begin() + index + 1);
  }

  /// What the step of an entry at the end of a block counts from.
  [[nodiscard]] Tick tick_at_end_of(std::uint32_t block) const {
    const Position start = live_start_of(block);
    Tick tick = start.before;
    for (std::uint32_t offset = start.offset; offset < blocks_[block].size;) {
      tick = read_entry(blocks_[block], tick, offset).tick;
    }
    return tick;
  }

  void forget_all() {
    front_ = end();
    newest_ = {};
  }

  void release_dead_blocks() {
    const std::uint32_t until = std::min(front_.block, released_ + kReleasedAtOnce);
    for (; released_ < until; ++released_) {
      blocks_[released_].bytes.reset();
      blocks_[released_].capacity = 0;
    }
    // Moving the rest forward costs no more than releasing did, once half of them are released.
    if (released_ >= kReleasedAtOnce && released_ * 2 >= block_count()) {
      blocks_.erase(blocks_.begin(), blocks_.begin() + released_);
      front_.block -= released_;
      released_ = 0;
    }
  }

  std::vector<Block> blocks_;
  std::uint32_t released_ = 0;  ///< blocks at the beginning that gave their bytes back
  std::uint32_t packed_entries_ = 0;
  Position front_;  ///< before the first live entry
  Tick packed_tick_ = 0;
  std::uint64_t packed_units_ = 0;
  Entry newest_;  ///< no units: the log is empty
};

}  // namespace ratelimit

#endif  // RATELIMIT_ALGORITHMS_EVENT_LOG_H
