// SPDX-License-Identifier: MIT
// A limit as it is written: an algorithm and its numbers, not checked yet.
//
// All algorithms share this one struct; `LimitFields` says which of its fields an algorithm has. Depends on
// anchors, calendar units, zones and units.
#ifndef RATELIMIT_ALGORITHMS_LIMIT_SPEC_H
#define RATELIMIT_ALGORITHMS_LIMIT_SPEC_H

#include <cstdint>
#include <string_view>

#include "ratelimit/algorithms/anchor.h"
#include "ratelimit/algorithms/calendar_unit.h"
#include "ratelimit/algorithms/zone.h"
#include "ratelimit/bounded_list.h"
#include "ratelimit/units.h"

namespace ratelimit {

/// The algorithms. Their numbers stand in files: never change one, and never use one again.
enum class Algorithm : std::uint8_t {
  token_bucket = 1,
  fixed_window = 2,
  sliding_window_log = 3,
  leaky_bucket = 4,
  sliding_window_counter = 5,
  quota = 6,
  concurrent = 7,
};

/// `label` and `zone` are borrowed; empty means the default.
struct LimitSpec {
  Algorithm algorithm = Algorithm::token_bucket;
  Units size{};                 ///< capacity of a bucket, limit of a window, most units held at once
  Units refill{};               ///< units that flow back into a bucket, or leak out of it, per `span`
  Span span{};                  ///< period of a bucket, length of a window or a lease
  bool aligned = false;         ///< windows begin at multiples of `span` since 1970
  bool per_request = false;     ///< a call costs 1, whatever it says
  CalendarUnit unit{};          ///< length of a calendar window
  Anchor anchor{};              ///< where a calendar window begins
  std::string_view zone{};      ///< name of the time zone of a calendar window; empty means UTC
  const Zone* rules = nullptr;  ///< the rules of that zone; they must outlive the limit
  bool lacks_rules = false;     ///< only in decoded limits: this machine does not know `zone`, so `rules` is null
  std::string_view label{};

  friend bool operator==(const LimitSpec&, const LimitSpec&) = default;
};

using LimitSpecs = BoundedList<LimitSpec, kMaxLimits>;

/// Which fields of a LimitSpec an algorithm has, besides those that every limit has: size, per_request and label.
struct LimitFields {
  bool refill = false;
  bool span = false;
  bool aligned = false;
  bool calendar = false;  ///< `unit`, `anchor`, `zone` and `rules`

  /// Whether `spec` leaves all other fields at their defaults, and has the name and the rules of a zone or neither,
  /// unless this machine lacks the zone.
  [[nodiscard]] constexpr bool cover(const LimitSpec& spec) const {
    if (!refill && spec.refill != kNoUnits) return false;
    if (!span && spec.span != Span{}) return false;
    if (!aligned && spec.aligned) return false;
    if (calendar) return spec.zone.empty() == (spec.rules == nullptr) || spec.lacks_rules;
    return spec.unit == CalendarUnit{} && !spec.anchor.is_given() && spec.zone.empty() && spec.rules == nullptr;
  }
};

}  // namespace ratelimit

#endif  // RATELIMIT_ALGORITHMS_LIMIT_SPEC_H
