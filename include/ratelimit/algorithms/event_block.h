// SPDX-License-Identifier: MIT
// One block of an event log: entries of (tick, units), packed into the bytes of one allocation.
//
// An entry is one or two numbers of variable length, 7 bits a byte. The first is the number of ticks since the entry
// before, doubled; plus one, if the second follows, which is the units. Units of 1 are left out. So an entry of one
// unit takes two to four bytes: the more entries there are, the fewer. Depends on units only.
#ifndef RATELIMIT_ALGORITHMS_EVENT_BLOCK_H
#define RATELIMIT_ALGORITHMS_EVENT_BLOCK_H

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include "ratelimit/units.h"

namespace ratelimit {

struct EventBlock {
  using Tick = std::int64_t;

  struct Entry {
    Tick tick = 0;
    Units units;
  };

  // 512 is a size class of the common allocators, and a scan of one block stays under a microsecond.
  static constexpr std::uint16_t kBytes = 512;
  static constexpr std::uint16_t kFirstBytes = 16;
  static constexpr std::size_t kLongestEntry = 10 + 5;

  Tick before = 0;            ///< the step of the block's first entry counts from here: no entry before is later
  std::uint64_t units = 0;    ///< units packed before the block
  std::uint32_t entries = 0;  ///< entries packed before the block
  std::uint16_t size = 0;
  std::uint16_t capacity = 0;
  std::unique_ptr<std::uint8_t[]> bytes;

  [[nodiscard]] bool has_room() const { return size + kLongestEntry <= capacity; }

  /// Reads the entry at `offset`, whose step counts from `previous`, and moves `offset` behind it.
  [[nodiscard]] Entry read(Tick previous, std::uint32_t& offset) const {
    const std::uint64_t head = read_number(offset);
    return {previous + static_cast<Tick>(head >> 1U),
            Units((head & 1U) != 0 ? static_cast<std::int64_t>(read_number(offset)) : 1)};
  }

  /// Writes an entry at the end, where there must be room; its step counts from `previous`.
  void write(Tick previous, const Entry& entry) {
    const bool single = entry.units == Units(1);
    write_number((static_cast<std::uint64_t>(entry.tick - previous) << 1U) | (single ? 0U : 1U));
    if (!single) write_number(static_cast<std::uint64_t>(entry.units.count()));
  }

  /// Makes a block that has less than kBytes larger.
  void grow() {
    const int step = std::max<int>(kFirstBytes, capacity / 4 / kFirstBytes * kFirstBytes);
    const auto larger = static_cast<std::uint16_t>(std::min<int>(capacity + step, kBytes));
    auto place = std::make_unique_for_overwrite<std::uint8_t[]>(larger);
    std::memcpy(place.get(), bytes.get(), size);
    bytes = std::move(place);
    capacity = larger;
  }

  /// Removes the bytes before `offset`; those behind it move to the beginning.
  void drop_front(std::uint32_t offset) {
    size = static_cast<std::uint16_t>(size - offset);
    std::memmove(bytes.get(), bytes.get() + offset, size);
  }

  /// Moves the bytes from `begin` up to `limit` to where the block ends now, which is not behind them.
  void move_to_end(std::uint32_t begin, std::uint32_t limit) {
    assert(size <= begin);
    std::memmove(bytes.get() + size, bytes.get() + begin, limit - begin);
    size = static_cast<std::uint16_t>(size + limit - begin);
  }

  /// Whether all entries of `next` fit behind those of this block, and one more: else it would soon be two blocks
  /// again.
  [[nodiscard]] bool has_room_for(const EventBlock& next) const { return size + next.size + kLongestEntry <= capacity; }

  /// Appends the entries of the block that follows, for which there must be room. `last` is what a step counts from at
  /// the end of this block.
  void append_all(Tick last, const EventBlock& next) {
    std::uint32_t offset = 0;
    write(last, next.read(next.before, offset));
    std::memcpy(bytes.get() + size, next.bytes.get() + offset, next.size - offset);
    size = static_cast<std::uint16_t>(size + next.size - offset);
  }

  /// A block with the bytes from `offset` on; whoever asks corrects what comes before it.
  [[nodiscard]] EventBlock copy_from(std::uint32_t offset) const {
    EventBlock copy{.size = static_cast<std::uint16_t>(size - offset),
                    .capacity = capacity,
                    .bytes = std::make_unique_for_overwrite<std::uint8_t[]>(capacity)};
    std::memcpy(copy.bytes.get(), bytes.get() + offset, copy.size);
    return copy;
  }

 private:
  [[nodiscard]] std::uint64_t read_number(std::uint32_t& offset) const {
    std::uint64_t number = 0;
    unsigned shift = 0;
    std::uint8_t byte = 0;
    do {
      byte = bytes[offset++];
      number |= std::uint64_t{byte & 0x7FU} << shift;
      shift += 7;
    } while ((byte & 0x80U) != 0);
    return number;
  }

  void write_number(std::uint64_t number) {
    while (number >= 0x80U) {
      bytes[size++] = static_cast<std::uint8_t>(number | 0x80U);
      number >>= 7U;
    }
    bytes[size++] = static_cast<std::uint8_t>(number);
  }
};

static_assert(sizeof(EventBlock) == 32);

}  // namespace ratelimit

#endif  // RATELIMIT_ALGORITHMS_EVENT_BLOCK_H
