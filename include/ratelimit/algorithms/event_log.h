// SPDX-License-Identifier: MIT
// A queue of (tick, units) in the order of time: the log of what was granted.
//
// Entries are appended at the back and dropped at the front. All but the newest are packed; that one stays unpacked,
// for it may still grow: entries of the same tick are one.
//
//     [dead block] [..dead|live..] [live block] [live block]  newest
//     ---------------------- packed_ ----------------------   ^ newest_
//
// Knows nothing of limits or clocks. Depends on packed events and units.
#ifndef RATELIMIT_ALGORITHMS_EVENT_LOG_H
#define RATELIMIT_ALGORITHMS_EVENT_LOG_H

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>

#include "ratelimit/algorithms/packed_events.h"
#include "ratelimit/units.h"

namespace ratelimit {

class EventLog {
 public:
  using Tick = PackedEvents::Tick;
  using Entry = PackedEvents::Entry;
  using Position = PackedEvents::Position;

  EventLog() = default;
  /// Copies the bytes that are in use, block by block: some 1 ms for a million entries.
  EventLog(const EventLog& other) : packed_(other.empty() ? PackedEvents() : other.packed_), newest_(other.newest_) {}
  EventLog(EventLog&&) noexcept = default;
  EventLog& operator=(EventLog&&) noexcept = default;
  EventLog& operator=(const EventLog&) = delete;
  ~EventLog() = default;

  [[nodiscard]] bool empty() const { return newest_.units == kNoUnits; }

  /// The last entry; the log must not be empty.
  [[nodiscard]] const Entry& newest() const { return newest_; }

  /// The place before the first packed entry that lies after `tick`; their end if there is none. O(log n).
  [[nodiscard]] Position first_after(Tick tick) const { return packed_.first_after(tick); }

  /// Units of the entries from `position` on; `after` is the tick that the position was found for.
  [[nodiscard]] Units units_from(const Position& position, Tick after) const {
    return packed_.units_from(position) + (newest_.tick > after ? newest_.units : kNoUnits);
  }

  /// Number of entries from `position` on, likewise.
  [[nodiscard]] std::uint32_t entries_from(const Position& position, Tick after) const {
    return packed_.entries_from(position) + (!empty() && newest_.tick > after ? 1U : 0U);
  }

  /// The tick of the entry with which the units counted from `position` on reach `units`, which must be there. O(log
  /// n).
  [[nodiscard]] Tick tick_reaching(const Position& position, Units units) const {
    const Position place = packed_.place_reaching(position, units);
    return packed_.is_end(place) ? newest_.tick : packed_.entry_at(place).tick;
  }

  /// Forgets the entries up to and including `tick`. Gives at most a few blocks back at a time: a call that comes
  /// after a long silence does not pay for the whole past.
  void drop_up_to(Tick tick) {
    if (empty()) return;
    if (newest_.tick <= tick) {
      packed_.drop_all();
      newest_ = {};
    } else {
      packed_.drop_before(first_after(tick));
    }
  }

  /// Moves the entries that lie after `tick` back to it, where they become one. O(log n), and gives their blocks back:
  /// some 0.2 ms for a million entries, which happens only when the clock went back.
  void clamp_to(Tick tick) {
    if (empty() || newest_.tick <= tick) return;
    const Position cut = first_after(tick - 1);
    newest_ = {tick, units_from(cut, tick - 1)};
    packed_.truncate_to(cut, tick);
  }

  /// Removes up to `units` units: those that were appended just before the newest `newer` ones. An entry without units
  /// disappears, and so does a block without entries. O(log n + blocks): some 20 us for a million entries, and a tenth
  /// of a microsecond for each block that disappears.
  void take_back(Units units, Units newer) {
    const Units packed = packed_.units();
    const Units all = packed + newest_.units;
    if (units == kNoUnits || newer >= all) return;
    const Units last = all - newer;
    const Units first = last - std::min(units, last);
    if (first == kNoUnits && last == all) return drop_up_to(newest_.tick);
    if (last > packed) newest_.units -= last - std::max(first, packed);
    if (first < packed) packed_.cut_out(first, last);
    if (newest_.units == kNoUnits) newest_ = packed_.take_last();
  }

  /// Appends an entry, which must not lie before the newest one.
  void append(const Entry& entry) {
    assert(empty() || entry.tick >= newest_.tick);
    if (empty()) {
      packed_.begin_at(entry.tick);
      newest_ = entry;
    } else if (entry.tick == newest_.tick) {
      newest_.units += entry.units;
    } else {
      packed_.append(newest_);
      newest_ = entry;
    }
  }

  /// Adds units to the newest entry, which moves to `entry.tick`. The log must not be empty, nor end later.
  void absorb(const Entry& entry) {
    assert(!empty() && entry.tick >= newest_.tick);
    newest_ = {entry.tick, newest_.units + entry.units};
  }

  /// Calls `visit(entry)` for each entry, oldest first.
  template <class Visit>
  void for_each(Visit visit) const {
    if (empty()) return;
    packed_.for_each(visit);
    visit(newest_);
  }

  /// See PackedEvents::release_some.
  [[nodiscard]] bool release_some() { return packed_.release_some(); }

  /// Number of entries.
  [[nodiscard]] std::uint32_t size() const { return packed_.size() + (empty() ? 0U : 1U); }

  /// Bytes that the log holds beyond itself, and the number of allocations.
  [[nodiscard]] std::size_t heap_bytes() const { return packed_.heap_bytes(); }
  [[nodiscard]] std::size_t heap_pieces() const { return packed_.heap_pieces(); }

  /// Lets `move` relocate allocation `i`: see PackedEvents::relocate_piece.
  template <class Move>
  bool relocate_piece(std::size_t i, Move move) {
    return packed_.relocate_piece(i, move);
  }

 private:
  PackedEvents packed_;
  Entry newest_;  ///< without units if the log is empty
};

}  // namespace ratelimit

#endif  // RATELIMIT_ALGORITHMS_EVENT_LOG_H
