// SPDX-License-Identifier: MIT
// The names that were noted most often lately, out of any number of names, with a bounded number of counters.
//
// This is the Space-Saving algorithm (Metwally, Agrawal, El Abbadi: Efficient Computation of Frequent and Top-k
// Elements in Data Streams, 2005). A name without a counter takes over the counter with the lowest count. It counts on
// from there, and that count is its possible overcount. Any number of names that come once cannot push a frequent name
// out.
//
// The counters are in the order of their counts, the highest first. Their hashes are in a list beside them:
//
//     counters_   9  7  7  7  2  1  1          one more for the third 7: it changes places with the first 7,
//                    ^     |                   and the order holds
//                    +-----+
//
// So the counter with the lowest count is the last, and frequent names are found first.
//
// Every hour all counts are halved and rounded down. The true count of a name is how often it was noted, halved and
// rounded down at the same instants. Then for each name, at any time:
//
//     count - error <= true count <= count             a name that has a counter
//     true count <= lowest count                       a name that has none, if all counters are taken; else it is 0
//     lowest count <= W / size                         W: the sum of all notes, each halved once for every halving since
//
// Halving and rounding down keeps an order, so it keeps the first two. It never makes the sum of the counts more than W,
// so it keeps the third. If the number of counters is raised, `size` is the smaller one, and a name without a counter may
// have a true count until the halvings have made it 0. Depends on units only.
#ifndef RATELIMIT_HEAVY_HITTERS_H
#define RATELIMIT_HEAVY_HITTERS_H

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "ratelimit/units.h"

namespace ratelimit {

class HeavyHitters {
 public:
  static constexpr std::size_t kMostCounters = 1024;
  static constexpr Span kHalfLife = std::chrono::hours{1};
  /// A count stops here: a reply has no larger integers.
  static constexpr std::uint64_t kMostCount = std::numeric_limits<std::int64_t>::max();

  struct Entry {
    std::string_view name;
    std::uint64_t count = 0;
    std::uint64_t error = 0;  ///< possible overcount: the true count is from `count - error` to `count`

    friend bool operator==(const Entry&, const Entry&) = default;
  };

  /// What is remembered beside the counters.
  struct Age {
    Instant halved_at;            ///< when all counts were halved last, or the first name was noted
    std::uint64_t untracked = 0;  ///< no name without a counter has a larger true count

    friend bool operator==(const Age&, const Age&) = default;
  };

  [[nodiscard]] bool empty() const { return counters_.empty(); }
  [[nodiscard]] std::size_t size() const { return counters_.size(); }

  /// Counts the name with that hash once more, with at most `size` counters, from 1 to kMostCounters. If there are more,
  /// those with the lowest counts go. Names are told apart by their hashes alone; the name is copied when it takes a
  /// counter. Scans at most `size` hashes.
  void note(std::uint64_t hash, std::string_view name, Instant now, std::size_t size) {
    size = std::clamp<std::size_t>(size, 1, kMostCounters);
    halve(now);
    trim(size);
    const std::size_t found = find(hash);
    if (found == hashes_.size()) take_last_counter(hash, name, size);
    count_one_more(std::min(found, hashes_.size() - 1));
  }

  /// The `most` names with the highest counts as of now: the highest first, equal ones in the order of names. The names
  /// are valid until the next note. Sorts at most kMostCounters entries.
  [[nodiscard]] std::vector<Entry> top(std::size_t most, Instant now) const {
    const unsigned times = halvings(now);
    std::vector<Entry> entries;
    entries.reserve(counters_.size());
    for (const Counter& counter : counters_) {
      if (counter.count >> times == 0) break;
      entries.push_back(entry_of(counter, times));
    }
    std::sort(entries.begin(), entries.end(),
              [](const Entry& a, const Entry& b) { return std::tie(b.count, a.name) < std::tie(a.count, b.name); });
    entries.resize(std::min(most, entries.size()));
    return entries;
  }

  // ---- What is written to files

  [[nodiscard]] const Age& age() const { return age_; }
  /// Calls `visit(entry)` for all counters in their order, the highest count first, as of the last halving.
  template <class Visit>
  void for_each(Visit visit) const {
    for (const Counter& counter : counters_) visit(entry_of(counter, 0));
  }

  /// Adds a counter behind those that are there, as `for_each` gave it; `age` is that of all. False if no list can be so:
  /// too many counters, one with that hash, a count of 0, one that is out of order, or an error that is larger than it.
  [[nodiscard]] bool restore(std::uint64_t hash, const Entry& entry, const Age& age) {
    const std::uint64_t most = counters_.empty() ? kMostCount : counters_.back().count;
    if (counters_.size() == kMostCounters || find(hash) != hashes_.size()) return false;
    if (entry.count < std::max<std::uint64_t>(age.untracked, 1) || entry.count > most || entry.error > entry.count)
      return false;
    age_ = age;
    hashes_.push_back(hash);
    counters_.push_back({std::string(entry.name), entry.count, entry.count - entry.error});
    return true;
  }

  /// Bytes held beyond the object itself, without what an allocator adds. Scans at most kMostCounters names.
  [[nodiscard]] std::size_t heap_bytes() const {
    std::size_t bytes = hashes_.capacity() * sizeof(std::uint64_t) + counters_.capacity() * sizeof(Counter);
    for (const Counter& counter : counters_) {
      // A short name needs no memory beside the string object.
      if (counter.name.capacity() > std::string().capacity()) bytes += counter.name.capacity() + 1;
    }
    return bytes;
  }
  /// Allocations, or a few more. O(1).
  [[nodiscard]] std::size_t pieces() const { return counters_.empty() ? 0 : counters_.size() + 2; }

 private:
  struct Counter {
    std::string name;
    std::uint64_t count = 0;
    std::uint64_t least = 0;  ///< the true count is no less
  };

  [[nodiscard]] static Entry entry_of(const Counter& counter, unsigned halvings) {
    const std::uint64_t count = counter.count >> halvings;
    return {counter.name, count, count - (counter.least >> halvings)};
  }

  [[nodiscard]] std::size_t find(std::uint64_t hash) const {
    return static_cast<std::size_t>(std::find(hashes_.begin(), hashes_.end(), hash) - hashes_.begin());
  }

  /// How often counts are to be halved by now; 63 times leave nothing.
  [[nodiscard]] unsigned halvings(Instant now) const {
    if (now < age_.halved_at) return 0;
    return static_cast<unsigned>(std::min<std::int64_t>((now - age_.halved_at) / kHalfLife, 63));
  }

  /// Halves what was not halved yet. A file may come from a clock that was ahead: then the next hour begins now.
  void halve(Instant now) {
    const bool is_same_hour = age_.halved_at <= now && now - age_.halved_at < kHalfLife;
    if (is_same_hour && !counters_.empty()) [[likely]]
      return;
    const unsigned times = halvings(now);
    if (now < age_.halved_at || counters_.empty()) age_.halved_at = now;
    if (times == 0 || counters_.empty()) return;
    age_.halved_at = now - (now - age_.halved_at) % kHalfLife;
    age_.untracked >>= times;
    for (Counter& counter : counters_) {
      counter.count >>= times;
      counter.least >>= times;
    }
    while (!counters_.empty() && counters_.back().count == 0) drop_last();
    if (counters_.empty()) age_.halved_at = now;
  }

  void drop_last() {
    hashes_.pop_back();
    counters_.pop_back();
  }

  void trim(std::size_t size) {
    if (counters_.size() <= size) return;
    age_.untracked = counters_[size].count;
    while (counters_.size() > size) drop_last();
    hashes_.shrink_to_fit();
    counters_.shrink_to_fit();
  }

  void take_last_counter(std::uint64_t hash, std::string_view name, std::size_t size) {
    if (counters_.size() < size) {
      hashes_.push_back(hash);
      counters_.push_back({std::string(name), age_.untracked});
    } else {
      age_.untracked = counters_.back().count;
      hashes_.back() = hash;
      counters_.back().name = name;
      counters_.back().least = 0;
    }
  }

  void count_one_more(std::size_t place) {
    const std::uint64_t count = counters_[place].count;
    if (count == kMostCount) return;
    const auto equal = std::partition_point(counters_.begin(), counters_.end(),
                                            [count](const Counter& counter) { return counter.count > count; });
    const auto first = static_cast<std::size_t>(equal - counters_.begin());
    if (first != place) {
      std::swap(hashes_[first], hashes_[place]);
      std::swap(counters_[first], counters_[place]);
    }
    ++counters_[first].count;
    ++counters_[first].least;
  }

  std::vector<std::uint64_t> hashes_;  ///< of the counters, in a list of their own: every note searches them
  std::vector<Counter> counters_;
  Age age_;
};

}  // namespace ratelimit

#endif  // RATELIMIT_HEAVY_HITTERS_H
