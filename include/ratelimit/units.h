// SPDX-License-Identifier: MIT
// The words of the core as types: points in time, lengths of time and counts, with their bounds.
//
// A point is not a span and a count is not a time: the compiler refuses to mix them. The bounds below make every later
// computation total: a limit that passed its `make` can be decided at any instant of [kEarliest, kLatest] without
// overflow. Depends on std only.
#ifndef RATELIMIT_UNITS_H
#define RATELIMIT_UNITS_H

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace ratelimit {

/// A point in Unix time, in nanoseconds.
using Instant = std::chrono::sys_time<std::chrono::nanoseconds>;

/// A length of time, in nanoseconds.
using Span = std::chrono::nanoseconds;

/// A count of whatever a limit limits: requests, bytes, tokens.
class Units {
 public:
  constexpr Units() = default;
  constexpr explicit Units(std::int64_t count) : count_(count) {}

  [[nodiscard]] constexpr std::int64_t count() const { return count_; }

  friend constexpr auto operator<=>(Units, Units) = default;
  friend constexpr Units operator+(Units a, Units b) { return Units(a.count_ + b.count_); }
  friend constexpr Units operator-(Units a, Units b) { return Units(a.count_ - b.count_); }
  constexpr Units& operator+=(Units other) { return *this = *this + other; }
  constexpr Units& operator-=(Units other) { return *this = *this - other; }

 private:
  std::int64_t count_ = 0;
};

inline constexpr Units kNoUnits{0};
inline constexpr Units kMinUnits{1};

/// The largest count: of a limit of FIXED and QUOTA, and of what a call costs or gives back. Up to here each integer is
/// a number of its own for clients whose numbers are doubles.
inline constexpr Units kMaxUnits{(std::int64_t{1} << 53U) - 1};

/// The largest count of all other limits, whose states keep counts in 32 bits (docs/adr/0029).
inline constexpr Units kMax32BitUnits{std::numeric_limits<std::uint32_t>::max()};

inline constexpr Span kMinSpan = std::chrono::milliseconds{1};
inline constexpr Span kMaxSpan = std::chrono::days{3650};

/// The clock's range: 1970-01-01 to 2200-01-01.
inline constexpr Instant kEarliest{};
inline constexpr Instant kLatest{std::chrono::sys_days{std::chrono::year{2200} / 1 / 1}};

/// Upper bounds, each included.
inline constexpr std::size_t kMaxLimits = 8;                ///< limits that are decided together
inline constexpr std::uint32_t kMaxLogEntries = 1U << 20U;  ///< entries of one exact log
inline constexpr std::size_t kMaxHolders = 1U << 16U;       ///< leases of one limit, and holds of one subject
inline constexpr std::size_t kMaxLabelBytes = 64;
inline constexpr std::size_t kMaxIdBytes = 64;            ///< of a lease or a hold
inline constexpr std::size_t kMaxSubjectBytes = 1024;     ///< of the name of a subject
inline constexpr std::size_t kMaxExceptions = 1U << 16U;  ///< subjects of one key with limits of their own
inline constexpr std::size_t kMaxPendingChanges = 24;  ///< of the limits of one key, until all its subjects have them

[[nodiscard]] constexpr bool in_range(Units count, Units most = kMaxUnits) {
  return kMinUnits <= count && count <= most;
}
/// Whether a limit can have that size, which is at most `most`. A limit of size 0 is closed: it never lets a call pass.
[[nodiscard]] constexpr bool is_size(Units count, Units most) { return kNoUnits <= count && count <= most; }
[[nodiscard]] constexpr bool in_range(Span span) { return kMinSpan <= span && span <= kMaxSpan; }
[[nodiscard]] constexpr bool in_range(Instant instant) { return kEarliest <= instant && instant <= kLatest; }

// No algorithm computes an instant further ahead. A limit may be in use for one kMaxSpan and in debt for another, and a
// charge is cut to that only after up to twice as much was added.
static_assert(Instant::max() - kLatest > 5 * kMaxSpan);

}  // namespace ratelimit

#endif  // RATELIMIT_UNITS_H
