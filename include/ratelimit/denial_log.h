// SPDX-License-Identifier: MIT
// Who was denied lately: a bounded list, folded by subject and label.
//
// All denials of a subject by one limit are one entry, however many they are. So who is denied without a pause takes one
// entry, and pushes nobody else out. When the log is full, the entry goes whose last denial is oldest.
//
//     oldest                                  newest
//     alice/daily <-> carol/burst <-> bob/daily          one more denial of alice by `daily`:
//     carol/burst <-> bob/daily <-> alice/daily          the entry is counted, and moves to the end
//
// The order is that in which denials were noted. A clock that stepped back, or an entry of a file from a clock that was
// ahead, does not change it.
//
// Entries are kept in one array, and link to their neighbours by position. A table of positions finds them: open
// addressing, at most half full. So an entry takes 96 to 192 bytes, by how far both have just grown, and its texts if
// they have more than 15 bytes together. Depends on units only.
#ifndef RATELIMIT_DENIAL_LOG_H
#define RATELIMIT_DENIAL_LOG_H

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ratelimit/units.h"

namespace ratelimit {

class DenialLog {
 public:
  static constexpr std::size_t kMostEntries = 65'536;
  /// In place of a wait: the call is never granted.
  static constexpr Span kNever = Span::max();
  /// A count of denials stops here: a reply has no larger integers.
  static constexpr std::uint64_t kMostTimes = std::numeric_limits<std::int64_t>::max();

  struct Denial {
    std::uint64_t hash = 0;    ///< of the subject. Subjects are told apart by their hashes alone
    std::string_view subject;  ///< copied when its entry is made
    std::string_view label;    ///< of the limit that denied
    Instant at{};
    Span wait{};  ///< what the caller was told
  };

  struct Entry {
    std::string_view subject;  ///< valid, as the label is, until the next change of the log
    std::string_view label;
    Instant first;  ///< never later than `last`
    Instant last;
    std::uint64_t times = 0;
    Span wait{};  ///< what the last call was told

    friend bool operator==(const Entry&, const Entry&) = default;
  };

  /// Whoever does not know the seed cannot choose labels that make the log slow.
  explicit DenialLog(std::uint64_t seed = 0) : seed_(seed) {}

  [[nodiscard]] std::size_t size() const { return nodes_.size(); }
  [[nodiscard]] bool empty() const { return nodes_.empty(); }

  /// Notes a denial in a log of at most `length` entries, which may be 0, and at most kMostEntries. O(1), if the length is
  /// that of the last note; O(entries) when it has become smaller.
  void note(const Denial& denial, std::size_t length) {
    length = std::min(length, kMostEntries);
    if (length == 0) return keep_newest(0);
    const std::uint32_t key = key_of(denial.hash, denial.label);
    const std::uint32_t found = find(key, denial.hash, denial.label);
    if (found == kNone) {
      const Entry entry{denial.subject, denial.label, denial.at, denial.at, 1, denial.wait};
      put(node_of(key, denial.hash, entry), length);
    } else {
      count_again(nodes_[found], denial);
      unlink(found);
      link_as_newest(found);
    }
    keep_newest(length);
  }

  /// Adds an entry as the newest, as it was written. False if it is there, or if there are kMostEntries. O(1).
  [[nodiscard]] bool restore(std::uint64_t hash, const Entry& entry) {
    const std::uint32_t key = key_of(hash, entry.label);
    if (nodes_.size() == kMostEntries || find(key, hash, entry.label) != kNone) return false;
    put(node_of(key, hash, entry), kMostEntries);
    return true;
  }

  /// The newest entries, the newest first, at most so many. O(most).
  [[nodiscard]] std::vector<Entry> newest(std::size_t most) const {
    std::vector<Entry> entries;
    entries.reserve(std::min(most, nodes_.size()));
    for (std::uint32_t i = newest_; i != kNone && entries.size() < most; i = nodes_[i].older) {
      entries.push_back(nodes_[i].entry());
    }
    return entries;
  }

  /// Calls `visit(entry)` for all entries, the oldest first: `restore` in this order makes the same log.
  template <class Visit>
  void for_each(Visit visit) const {
    for (std::uint32_t i = oldest_; i != kNone; i = nodes_[i].newer) visit(nodes_[i].entry());
  }

  /// Bytes held beyond the object itself, without what an allocator adds. O(1).
  [[nodiscard]] std::size_t heap_bytes() const {
    return nodes_.capacity() * sizeof(Node) + slots_.capacity() * sizeof(slots_[0]) + bytes_of_texts_;
  }
  /// Allocations, or a few more. O(1).
  [[nodiscard]] std::size_t pieces() const { return nodes_.empty() ? 0 : nodes_.size() + 2; }

 private:
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

  struct Node {
    std::string text;  ///< the subject, and the label behind it
    std::uint64_t hash = 0;
    Instant first;
    Instant last;
    std::uint64_t times = 0;
    Span wait{};
    std::uint32_t older = kNone;
    std::uint32_t newer = kNone;
    std::uint32_t key = 0;           ///< decides where the table of positions is searched
    std::uint32_t subject_size = 0;  ///< bytes of the text

    [[nodiscard]] std::string_view subject() const { return std::string_view(text).substr(0, subject_size); }
    [[nodiscard]] std::string_view label() const { return std::string_view(text).substr(subject_size); }
    [[nodiscard]] Entry entry() const { return {subject(), label(), first, last, times, wait}; }
    /// A short text needs no memory beside the node.
    [[nodiscard]] std::size_t bytes_of_text() const {
      return text.capacity() > std::string().capacity() ? text.capacity() + 1 : 0;
    }
  };

  static void count_again(Node& node, const Denial& denial) {
    node.last = denial.at;
    node.first = std::min(node.first, node.last);
    node.wait = denial.wait;
    if (node.times < kMostTimes) ++node.times;
  }

  // ---- The order

  void link_as_newest(std::uint32_t i) {
    nodes_[i].older = newest_;
    nodes_[i].newer = kNone;
    (newest_ != kNone ? nodes_[newest_].newer : oldest_) = i;
    newest_ = i;
  }

  void unlink(std::uint32_t i) {
    const Node& node = nodes_[i];
    (node.older != kNone ? nodes_[node.older].newer : oldest_) = node.newer;
    (node.newer != kNone ? nodes_[node.newer].older : newest_) = node.older;
  }

  [[nodiscard]] static Node node_of(std::uint32_t key, std::uint64_t hash, const Entry& entry) {
    Node node;
    node.text.reserve(entry.subject.size() + entry.label.size());
    node.text.append(entry.subject).append(entry.label);
    node.hash = hash;
    node.first = entry.first;
    node.last = entry.last;
    node.times = entry.times;
    node.wait = entry.wait;
    node.key = key;
    node.subject_size = static_cast<std::uint32_t>(entry.subject.size());
    return node;
  }

  /// Adds a node as the newest; it takes the place of the oldest one, if there are `length`.
  void put(Node&& node, std::size_t length) {
    std::uint32_t place = oldest_;
    if (nodes_.size() < length) {
      place = static_cast<std::uint32_t>(nodes_.size());
      nodes_.emplace_back();
      if (2 * nodes_.size() > slots_.size()) grow_slots();
    } else {
      remove_slot(place);
      unlink(place);
      bytes_of_texts_ -= nodes_[place].bytes_of_text();
    }
    nodes_[place] = std::move(node);
    bytes_of_texts_ += nodes_[place].bytes_of_text();
    fill_slot(place);
    link_as_newest(place);
  }

  /// Drops all but so many of the newest entries, if there are more, and gives their memory back.
  void keep_newest(std::size_t length) {
    if (nodes_.size() <= length) return;
    DenialLog kept(seed_);
    kept.nodes_.reserve(length);
    std::uint32_t i = oldest_;
    for (std::size_t dropped = nodes_.size() - length; dropped > 0; --dropped) i = nodes_[i].newer;
    while (i != kNone) {
      const std::uint32_t newer = nodes_[i].newer;
      kept.put(std::move(nodes_[i]), length);
      i = newer;
    }
    *this = std::move(kept);
  }

  // ---- The table of positions: that of an entry, plus 1, in the first free slot from the one on that its key says

  [[nodiscard]] std::uint32_t key_of(std::uint64_t hash, std::string_view label) const {
    std::uint64_t mixed = mix(hash ^ seed_ ^ label.size());
    while (!label.empty()) {
      std::uint64_t word = 0;
      const std::size_t size = std::min(label.size(), sizeof word);
      for (std::size_t i = 0; i < size; ++i) word = word << 8U | static_cast<std::uint8_t>(label[i]);
      mixed = mix(mixed ^ word);
      label.remove_prefix(size);
    }
    return static_cast<std::uint32_t>(mixed >> 32U);
  }
  /// Both halves of a product of 128 bits: each bit of the result depends on many of the number.
  [[nodiscard]] static std::uint64_t mix(std::uint64_t number) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = Wide{number} * 0x9e37'79b9'7f4a'7c15U;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
  }

  [[nodiscard]] std::size_t mask() const { return slots_.size() - 1; }

  [[nodiscard]] std::uint32_t find(std::uint32_t key, std::uint64_t hash, std::string_view label) const {
    if (slots_.empty()) return kNone;
    for (std::size_t slot = key & mask(); slots_[slot] != 0; slot = (slot + 1) & mask()) {
      const Node& node = nodes_[slots_[slot] - 1];
      if (node.key == key && node.hash == hash && node.label() == label) return slots_[slot] - 1;
    }
    return kNone;
  }

  void fill_slot(std::uint32_t place) {
    std::size_t slot = nodes_[place].key & mask();
    while (slots_[slot] != 0) slot = (slot + 1) & mask();
    slots_[slot] = place + 1;
  }

  /// Empties the slot of a node. Those behind it that would not be found any more move up.
  void remove_slot(std::uint32_t place) {
    std::size_t hole = nodes_[place].key & mask();
    while (slots_[hole] != place + 1) hole = (hole + 1) & mask();
    for (std::size_t slot = (hole + 1) & mask(); slots_[slot] != 0; slot = (slot + 1) & mask()) {
      const std::size_t from_home = (slot - nodes_[slots_[slot] - 1].key) & mask();
      if (from_home < ((slot - hole) & mask())) continue;
      slots_[hole] = slots_[slot];
      hole = slot;
    }
    slots_[hole] = 0;
  }

  /// Doubles the table. The newest node is not in it yet.
  void grow_slots() {
    slots_.assign(std::max<std::size_t>(2 * slots_.size(), 8), 0);
    for (std::uint32_t place = 0; place + 1 < nodes_.size(); ++place) fill_slot(place);
  }

  std::vector<Node> nodes_;
  std::vector<std::uint32_t> slots_;  ///< as many as a power of two; 0 is a free one
  std::uint32_t oldest_ = kNone;
  std::uint32_t newest_ = kNone;
  std::size_t bytes_of_texts_ = 0;
  std::uint64_t seed_;
};

}  // namespace ratelimit

#endif  // RATELIMIT_DENIAL_LOG_H
