// SPDX-License-Identifier: MIT
// What a table knows its subjects by: 63 bits of a keyed hash of their names. And ranges of such hashes.
#ifndef RATELIMIT_MODULE_STORAGE_SUBJECT_HASH_H
#define RATELIMIT_MODULE_STORAGE_SUBJECT_HASH_H

#include <algorithm>
#include <compare>
#include <cstdint>
#include <limits>

namespace ratelimit {

/// A hash of a subject's name: 63 bits, of which one at least is set.
class SubjectHash {
 public:
  /// Drops the lowest bit. If no other bit is set then, the result is the smallest hash.
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

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_STORAGE_SUBJECT_HASH_H
