// SPDX-License-Identifier: MIT
// The names that were noted most often, out of any number of names, with a bounded number of counters.
//
// This is the Space-Saving algorithm (Metwally, Agrawal, El Abbadi: Efficient Computation of Frequent and Top-k
// Elements in Data Streams, 2005). A name without a counter takes over the counter with the lowest count. It counts on
// from there, and remembers that count as its possible overcount. Any number of names that come once cannot push a
// frequent name out.
//
// The counters are in the order of their counts, the highest first. Their hashes are in a list beside them:
//
//     counters_   9  7  7  7  2  1  1          one more for the third 7: it changes places with the first 7,
//                    ^     |                   and the order holds
//                    +-----+
//
// So the counter with the lowest count is the last, and frequent names are found first. Depends on std only.
#ifndef RATELIMIT_HEAVY_HITTERS_H
#define RATELIMIT_HEAVY_HITTERS_H

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace ratelimit {

class HeavyHitters {
 public:
  static constexpr std::size_t kCounters = 128;

  struct Entry {
    std::string_view name;
    std::uint64_t count = 0;
    std::uint64_t error = 0;  ///< possible overcount: the true count is from `count - error` to `count`

    friend bool operator==(const Entry&, const Entry&) = default;
  };

  /// Counts the name with that hash once more. Names are told apart by their hashes alone; the name is copied when it
  /// takes a counter. Scans at most kCounters hashes.
  void note(std::uint64_t hash, std::string_view name) {
    const auto found = std::find(hashes_.begin(), hashes_.end(), hash);
    if (found != hashes_.end()) {
      count_one_more(static_cast<std::size_t>(found - hashes_.begin()));
    } else {
      take_last_counter(hash, name);
      count_one_more(hashes_.size() - 1);
    }
  }

  /// The `most` names with the highest counts: the highest first, equal ones in the order of names. A name with more
  /// than one in kCounters of all notes always has a counter. The names are valid until the next note. Sorts at most
  /// kCounters entries.
  [[nodiscard]] std::vector<Entry> top(std::size_t most) const {
    std::vector<Entry> entries;
    entries.reserve(counters_.size());
    for (const Counter& counter : counters_) entries.push_back({counter.name, counter.count, counter.error});
    std::sort(entries.begin(), entries.end(),
              [](const Entry& a, const Entry& b) { return std::tie(b.count, a.name) < std::tie(a.count, b.name); });
    entries.resize(std::min(most, entries.size()));
    return entries;
  }

  /// Bytes held beyond the object itself, without what an allocator adds. Scans at most kCounters names.
  [[nodiscard]] std::size_t heap_bytes() const {
    std::size_t bytes = hashes_.capacity() * sizeof(std::uint64_t) + counters_.capacity() * sizeof(Counter);
    for (const Counter& counter : counters_) {
      // A short name needs no memory beside the string object.
      if (counter.name.capacity() > std::string().capacity()) bytes += counter.name.capacity() + 1;
    }
    return bytes;
  }

 private:
  struct Counter {
    std::string name;
    std::uint64_t count = 0;
    std::uint64_t error = 0;
  };

  void take_last_counter(std::uint64_t hash, std::string_view name) {
    if (hashes_.size() < kCounters) {
      hashes_.push_back(hash);
      counters_.push_back({std::string(name)});
    } else {
      hashes_.back() = hash;
      counters_.back().name = name;
      counters_.back().error = counters_.back().count;
    }
  }

  /// A count stops at the largest number.
  void count_one_more(std::size_t place) {
    const std::uint64_t count = counters_[place].count;
    if (count == std::numeric_limits<std::uint64_t>::max()) return;
    const auto equal = std::partition_point(counters_.begin(), counters_.end(),
                                            [count](const Counter& counter) { return counter.count > count; });
    const auto first = static_cast<std::size_t>(equal - counters_.begin());
    if (first != place) {
      std::swap(hashes_[first], hashes_[place]);
      std::swap(counters_[first], counters_[place]);
    }
    ++counters_[first].count;
  }

  std::vector<std::uint64_t> hashes_;  ///< of the counters, in a list of their own: every note searches them
  std::vector<Counter> counters_;
};

}  // namespace ratelimit

#endif  // RATELIMIT_HEAVY_HITTERS_H
