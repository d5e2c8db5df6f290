// SPDX-License-Identifier: MIT
// At most `limit` units per hour, day, week, month, quarter or year of the calendar, in a time zone.
//
// Depends on the counted window, the calendar and limit specs.
//
//     | 31 days | 28 days | 31 days, one of 23 hours | 30 days |      ---> time
#ifndef RATELIMIT_ALGORITHMS_QUOTA_H
#define RATELIMIT_ALGORITHMS_QUOTA_H

#include <optional>
#include <string_view>

#include "ratelimit/algorithms/anchor.h"
#include "ratelimit/algorithms/calendar.h"
#include "ratelimit/algorithms/calendar_unit.h"
#include "ratelimit/algorithms/counted_window.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/algorithms/zone.h"
#include "ratelimit/units.h"

namespace ratelimit {

class Quota : public CountedWindow<CalendarWindows> {
 public:
  static constexpr Algorithm kNumber = Algorithm::quota;
  static constexpr std::string_view kKeyword = "QUOTA";
  static constexpr LimitFields kFields{.calendar = true};

  /// None if the limit or the anchor is out of its range, or there is no such unit. A null zone is UTC; others must
  /// outlive the limit.
  [[nodiscard]] static std::optional<Quota> make(Units limit, CalendarUnit unit, const Zone* zone, Anchor anchor = {}) {
    if (!is_size(limit, kMaxUnits) || keyword(unit).empty() || !anchor.is_valid()) return std::nullopt;
    return Quota(limit, CalendarWindows(unit, zone, anchor));
  }
  [[nodiscard]] static std::optional<Quota> make(const LimitSpec& spec) {
    std::optional<Quota> quota = make(spec.size, spec.unit, spec.rules, spec.anchor);
    if (quota && spec.lacks_rules) {
      quota = Quota(spec.size, CalendarWindows::stand_in(spec.unit, spec.zone, spec.anchor));
    }
    return quota;
  }

 private:
  using CountedWindow::CountedWindow;
};

static_assert(sizeof(Quota::State) == 16);

}  // namespace ratelimit

#endif  // RATELIMIT_ALGORITHMS_QUOTA_H
