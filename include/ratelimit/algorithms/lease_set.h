// SPDX-License-Identifier: MIT
// Holders with an id that end by themselves: the leases of a limit, and the holds of a subject.
//
// An index finds a holder by its id, and a line of slots keeps the holders in the order in which they end:
//
//     slots_   [dead] [dead] [end, units, mark | end, units, mark | ...]     in the order of (end, id)
//                            ^ front_          |                  |
//     index_                       id -> end         id -> end               in the order of ids
//
// The line is contiguous memory. So a scan adds up units quickly, and a binary search finds a place. Holders mostly
// end in the order in which they came: they are appended at the back, and leave at the front. The index is a tree. A
// hash table would not do: the ids come from clients, who could fill one of its buckets, and it stops to grow as a
// whole.
//
// In the costs below, n is the number of holders, at most kMaxHolders. Depends on units only.
#ifndef RATELIMIT_ALGORITHMS_LEASE_SET_H
#define RATELIMIT_ALGORITHMS_LEASE_SET_H

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ratelimit/units.h"

namespace ratelimit {

class LeaseSet {
 public:
  struct Holder {
    Instant end{};
    Units units;
    std::uint64_t mark = 0;  ///< a number of the owner
    std::uint32_t tag = 0;   ///< and another one

    friend constexpr bool operator==(const Holder&, const Holder&) = default;
  };

  LeaseSet() = default;
  /// O(n log n): some ten milliseconds for the most holders.
  LeaseSet(const LeaseSet& other)
      : index_(other.index_), units_(other.units_), id_bytes_(other.id_bytes_), marks_in_order_(other.marks_in_order_) {
    slots_.reserve(index_.size());
    for (auto slot = other.front(); slot != other.slots_.end(); ++slot) {
      slots_.push_back({slot->end, slot->units, slot->mark, slot->tag, index_.find(slot->name->first)});
    }
  }
  /// Leaves an empty lease set behind.
  LeaseSet(LeaseSet&& other) noexcept { swap(other); }
  LeaseSet& operator=(const LeaseSet& other) { return *this = LeaseSet(other); }
  LeaseSet& operator=(LeaseSet&& other) noexcept {
    LeaseSet moved(std::move(other));
    swap(moved);
    return *this;
  }
  ~LeaseSet() = default;

  /// Number of holders, including those that have ended and are not forgotten yet.
  [[nodiscard]] std::size_t size() const { return index_.size(); }
  [[nodiscard]] bool empty() const { return index_.empty(); }

  /// The holder with that id. O(log n).
  [[nodiscard]] std::optional<Holder> find(std::string_view id) const {
    const auto name = index_.find(id);
    return name == index_.end() ? std::nullopt : std::optional(holder_of(*slot_of(name)));
  }

  /// Adds a holder, or replaces the one with that id. O(log n) if it ends last. Else the slots behind it move, or those
  /// before it if they are fewer.
  void put(std::string_view id, const Holder& holder) {
    auto name = index_.lower_bound(id);
    if (name != index_.end() && name->first == id) {
      remove_slot(slot_of(name));
      name->second = holder.end;
    } else {
      name = index_.emplace_hint(name, id, holder.end);
      id_bytes_ += heap_bytes_of(name->first);
    }
    insert_slot({holder.end, holder.units, holder.mark, holder.tag, name});
  }

  /// Forgets the holder with that id. False if there is none. O(log n) near both ends of the line; else slots move as
  /// above.
  bool erase(std::string_view id) {
    const auto name = index_.find(id);
    if (name == index_.end()) return false;
    remove_slot(slot_of(name));
    forget(name);
    return true;
  }

  /// Units of all holders. This sum and the next one must fit into Units: those of leases do, those of holds may not.
  [[nodiscard]] Units units() const { return units_of(units_); }

  /// Units of the holders that end after `instant`. Scans these holders, or the others if they are fewer.
  [[nodiscard]] Units units_after(Instant instant) const {
    const auto place = first_after(instant);
    if (slots_.end() - place < place - front()) return units_of(sum(place, slots_.end()));
    return units_of(units_ - sum(front(), place));
  }

  /// Number of the holders that end after `instant`. O(log n).
  [[nodiscard]] std::size_t count_after(Instant instant) const {
    return static_cast<std::size_t>(slots_.end() - first_after(instant));
  }

  /// The instant by which holders with `units` units in all have ended, of those that end after `after`. They must
  /// have so many. Scans the holders up to that instant.
  [[nodiscard]] Instant end_reaching(Units units, Instant after) const {
    Units reached;
    for (auto slot = first_after(after); slot != slots_.end(); ++slot) {
      reached += slot->units;
      if (reached >= units) return slot->end;
    }
    assert(false);
    return last_end();
  }

  /// The instant when only `count` of the holders are left that end after `after`; `after` itself if they are no more
  /// now. O(log n).
  [[nodiscard]] Instant end_leaving(std::size_t count, Instant after) const {
    const auto place = first_after(after);
    const auto live = static_cast<std::size_t>(slots_.end() - place);
    return live <= count ? after : (slots_.end() - 1 - static_cast<std::ptrdiff_t>(count))->end;
  }

  /// When the last holder ends; `Instant{}` if there is none.
  [[nodiscard]] Instant last_end() const { return empty() ? Instant{} : slots_.back().end; }
  [[nodiscard]] bool any_ends_after(Instant instant) const { return !empty() && last_end() > instant; }

  /// The holder that ends first; the one with the least id, if several do. There must be one. The id is borrowed from
  /// the holder.
  [[nodiscard]] std::string_view first_id() const {
    assert(!empty());
    return front()->name->first;
  }
  [[nodiscard]] Holder first() const {
    assert(!empty());
    return holder_of(*front());
  }

  /// Forgets at most `at_most` holders that have ended at `now`, in the order of their ends.
  void forget_ended(Instant now, std::size_t at_most) {
    const std::size_t ended = size() - count_after(now);
    for (std::size_t left = std::min(ended, at_most); left > 0; --left) {
      units_ -= number_of(front()->units);
      forget(front()->name);
      drop_front_slot();
    }
    release_dead_slots();
  }

  /// Moves the ends of holders that end later than `latest` to `latest`. O(1) if there are none. There are some only
  /// after the clock was set back or leases became shorter: then O(log n) for each, some milliseconds for kMaxHolders.
  void clamp_ends(Instant latest) {
    if (!any_ends_after(latest)) return;
    const auto place = std::lower_bound(front(), slots_.end(), latest,
                                        [](const Slot& slot, Instant instant) { return slot.end < instant; });
    const bool in_order = place->end == last_end();
    for (auto slot = place; slot != slots_.end(); ++slot) slot->end = slot->name->second = latest;
    if (in_order) return;
    std::sort(place, slots_.end(), precedes);
    marks_in_order_ = false;
  }

  /// Calls `change(units, mark, tag)` for each holder. It may change the mark, but not the order of the marks, which may
  /// wrap around, and the tag. It returns false if no holder with an equal or higher mark needs a change. Then the scan
  /// stops, if the holders end in the order of their marks.
  template <class Change>
  void change_numbers(Change change) {
    for (auto slot = front(); slot != slots_.end(); ++slot) {
      if (!change(slot->units, slot->mark, slot->tag) && marks_in_order_) return;
    }
  }

  /// Calls `visit(id, holder)` for each holder in the order of (end, id). The order does not depend on how the set came
  /// about.
  template <class Visit>
  void for_each(Visit visit) const {
    for (auto slot = front(); slot != slots_.end(); ++slot)
      visit(std::string_view(slot->name->first), holder_of(*slot));
  }

  /// Calls `visit(id, holder)` for the first `count` of those that end after `instant`, in the order of (end, id). O(log n
  /// + count).
  template <class Visit>
  void for_first_after(Instant instant, std::size_t count, Visit visit) const {
    for (auto slot = first_after(instant); slot != slots_.end() && count > 0; ++slot, --count)
      visit(std::string_view(slot->name->first), holder_of(*slot));
  }
  /// The same for the first `count` of all.
  template <class Visit>
  void for_first(std::size_t count, Visit visit) const {
    for_first_after(Instant::min(), count, visit);
  }

  /// Forgets those that end first, so that the others have at most `most` units. The last of these may lose a part.
  void cap_units(Units most) {
    while (units() > most) {
      const Holder holder = first();
      const Units too_many = std::min(units() - most, holder.units);
      if (too_many == holder.units) {
        const std::string id(first_id());
        erase(id);
      } else {
        front()->units -= too_many;
        units_ -= number_of(too_many);
      }
    }
  }

  /// Writes the holders in the order of (end, id). `write_numbers(holder)` writes what is to be kept of mark and tag;
  /// `Out` and `In` are the Writer and the Reader of codec/bytes.h.
  template <class Out, class WriteNumbers>
  void write(Out& out, WriteNumbers write_numbers) const {
    out.u32(static_cast<std::uint32_t>(size()));
    for_each([&](std::string_view id, const Holder& holder) {
      out.instant(holder.end);
      out.units(holder.units);
      write_numbers(holder);
      out.text(id);
    });
  }
  /// Reads what `write` wrote; `read_numbers(holder)` sets mark and tag. Empty if the bytes are anything else: then
  /// `in` is not ok.
  template <class In, class ReadNumbers>
  [[nodiscard]] static LeaseSet read(In& in, ReadNumbers read_numbers) {
    LeaseSet holders;
    const std::uint32_t count = in.u32();
    in.require(count <= kMostWritten);
    std::pair<Instant, std::string_view> before{Instant::min(), {}};
    for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
      Holder holder{.end = in.instant(), .units = in.units(), .mark = 0};
      read_numbers(holder);
      const std::string_view id = in.text();
      in.require(kEarliest <= holder.end && holder.end <= kLatest + kMaxSpan && id.size() <= kMaxIdBytes);
      in.require(before < std::pair(holder.end, id) && !holders.find(id));
      if (!in.require(kNoUnits <= holder.units && holder.units <= kMaxUnits)) break;
      holders.put(id, holder);
      before = {holder.end, id};
    }
    return holders;
  }

  /// Bytes that the lease set holds beyond itself, and the largest number of allocations: a node and an id for each
  /// holder, and the line. O(1).
  [[nodiscard]] std::size_t heap_bytes() const {
    return slots_.capacity() * sizeof(Slot) + size() * kNodeBytes + id_bytes_;
  }
  [[nodiscard]] std::size_t heap_pieces() const { return 2 * size() + 1; }

 private:
  using Index = std::map<std::string, Instant, std::less<>>;

  /// A holder in the line. The index has its end, too: the end leads from the id to the slot.
  struct Slot {
    Instant end{};
    Units units;
    std::uint64_t mark = 0;
    std::uint32_t tag = 0;
    Index::iterator name{};
  };
  using Slots = std::vector<Slot>;

  // Holders that have ended may not be forgotten yet.
  static constexpr std::uint32_t kMostWritten = 2 * kMaxHolders;

  // Allocators round sizes up to steps of 16 bytes.
  [[nodiscard]] static constexpr std::size_t in_steps(std::size_t bytes) { return (bytes + 15) / 16 * 16; }
  // A tree's node begins with a colour and three pointers.
  static constexpr std::size_t kNodeBytes = (4 * sizeof(void*) + sizeof(Index::value_type) + 15) / 16 * 16;
  // Memory for so few slots is not given back.
  static constexpr std::size_t kSlotsKept = 16;

  [[nodiscard]] static std::size_t heap_bytes_of(const std::string& id) {
    // A short id needs no memory beside the string object.
    return id.capacity() > std::string().capacity() ? in_steps(id.capacity() + 1) : 0;
  }

  [[nodiscard]] static Holder holder_of(const Slot& slot) { return {slot.end, slot.units, slot.mark, slot.tag}; }

  [[nodiscard]] static bool precedes(const Slot& a, const Slot& b) {
    return a.end != b.end ? a.end < b.end : a.name->first < b.name->first;
  }

  [[nodiscard]] static std::uint64_t number_of(Units units) { return static_cast<std::uint64_t>(units.count()); }
  [[nodiscard]] static Units units_of(std::uint64_t sum) { return Units(static_cast<std::int64_t>(sum)); }

  [[nodiscard]] static std::uint64_t sum(Slots::const_iterator slot, Slots::const_iterator end) {
    std::uint64_t units = 0;
    for (; slot != end; ++slot) units += number_of(slot->units);
    return units;
  }

  [[nodiscard]] Slots::iterator front() { return slots_.begin() + static_cast<std::ptrdiff_t>(front_); }
  [[nodiscard]] Slots::const_iterator front() const { return slots_.begin() + static_cast<std::ptrdiff_t>(front_); }

  [[nodiscard]] Slots::const_iterator first_after(Instant instant) const {
    return std::upper_bound(front(), slots_.end(), instant,
                            [](Instant point, const Slot& slot) { return point < slot.end; });
  }

  [[nodiscard]] Slots::const_iterator slot_of(Index::const_iterator name) const {
    return std::lower_bound(front(), slots_.end(), *name, [](const Slot& slot, const Index::value_type& wanted) {
      return slot.end != wanted.second ? slot.end < wanted.second : slot.name->first < wanted.first;
    });
  }

  [[nodiscard]] static bool is_lower(std::uint64_t mark, std::uint64_t other) {
    return static_cast<std::int64_t>(mark - other) < 0;
  }

  void insert_slot(const Slot& slot) {
    units_ += number_of(slot.units);
    if (front() == slots_.end()) {
      marks_in_order_ = true;
    } else if (!precedes(slots_.back(), slot) || is_lower(slot.mark, slots_.back().mark)) {
      marks_in_order_ = false;
    }
    const auto place = std::lower_bound(front(), slots_.end(), slot, precedes);
    if (front_ > 0 && place - front() < slots_.end() - place) {
      *std::move(front(), place, front() - 1) = slot;
      --front_;
    } else {
      slots_.insert(place, slot);
    }
  }

  void remove_slot(Slots::const_iterator slot) {
    units_ -= number_of(slot->units);
    const auto place = slots_.begin() + (slot - slots_.cbegin());
    if (place - front() < slots_.end() - place) {
      std::move_backward(front(), place, place + 1);
      drop_front_slot();
    } else {
      slots_.erase(place);
    }
    release_dead_slots();
  }

  /// A dead slot refers to no name.
  void drop_front_slot() {
    *front() = {};
    ++front_;
  }

  void forget(Index::iterator name) {
    id_bytes_ -= heap_bytes_of(name->first);
    index_.erase(name);
  }

  void release_dead_slots() {
    // Once half of the slots are dead, moving the others forward costs no more than killing them did.
    if (front_ * 2 >= slots_.size()) {
      slots_.erase(slots_.begin(), front());
      front_ = 0;
    }
    if (slots_.capacity() > std::max(4 * slots_.size(), kSlotsKept)) slots_.shrink_to_fit();
  }

  void swap(LeaseSet& other) noexcept {
    index_.swap(other.index_);
    slots_.swap(other.slots_);
    std::swap(front_, other.front_);
    std::swap(units_, other.units_);
    std::swap(marks_in_order_, other.marks_in_order_);
    std::swap(id_bytes_, other.id_bytes_);
  }

  Index index_;
  Slots slots_;
  std::size_t front_ = 0;       ///< slots at the beginning that are dead
  std::uint64_t units_ = 0;     ///< the sum wraps around
  std::size_t id_bytes_ = 0;    ///< of the ids, beyond the nodes
  bool marks_in_order_ = true;  ///< the marks are known to ascend along the line
};

}  // namespace ratelimit

#endif  // RATELIMIT_ALGORITHMS_LEASE_SET_H
