// At most `limit` units per hour, day, week, month or year of the calendar, in a time zone.
//
// Depends on the counted window and the calendar.
//
//     | 31 days | 28 days | 31 days, one of 23 hours | 30 days |      ---> time
#ifndef RATELIMIT_ALGORITHMS_QUOTA_H
#define RATELIMIT_ALGORITHMS_QUOTA_H

#include <optional>

#include "ratelimit/algorithms/calendar.h"
#include "ratelimit/algorithms/counted_window.h"
#include "ratelimit/units.h"

namespace ratelimit {

class Quota : public CountedWindow<CalendarWindows> {
 public:
  /// None if the limit is out of its range or there is no such unit. The zone, if any, must outlive the limit; null is
  /// UTC.
  [[nodiscard]] static std::optional<Quota> make(Units limit, CalendarUnit unit, const Zone* zone) {
    if (!in_range(limit) || keyword(unit).empty()) return std::nullopt;
    return Quota(limit, CalendarWindows(unit, zone));
  }

 private:
  using CountedWindow::CountedWindow;
};

static_assert(sizeof(Quota::State) == 16);

}  // namespace ratelimit

#endif  // RATELIMIT_ALGORITHMS_QUOTA_H
