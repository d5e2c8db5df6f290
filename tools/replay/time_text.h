// SPDX-License-Identifier: MIT
// The times of logs. One function reads all of their forms; nothing here knows the clock or the zone of this machine.
//
//     10/Oct/2000:13:55:36 -0700        nginx and Apache
//     2026-11-30T13:26:40.123+01:00     RFC 3339; also with a blank for the T, and without a zone: then UTC
//     1700000000  1700000000.123        seconds since 1970
//     1700000000123                     milliseconds; microseconds and nanoseconds likewise, known by their digits
#ifndef RATELIMIT_TOOLS_REPLAY_TIME_TEXT_H
#define RATELIMIT_TOOLS_REPLAY_TIME_TEXT_H

#include <optional>
#include <string>
#include <string_view>

#include "ratelimit/units.h"

namespace ratelimit::replay {

/// The instant of a time in one of the forms above; none if it has another form or is out of the clock's range.
[[nodiscard]] std::optional<Instant> parse_time(std::string_view text);

/// The same, fast for logs whose lines share a second: equal text is not read again.
class TimeReader {
 public:
  [[nodiscard]] std::optional<Instant> read(std::string_view text) {
    if (text != last_text_) {
      last_text_ = text;
      last_ = parse_time(text);
    }
    return last_;
  }

 private:
  std::string last_text_;
  std::optional<Instant> last_;
};

/// `2026-11-30 13:26:40` in UTC, with three digits of the second if it has a fraction.
[[nodiscard]] std::string text_of_instant(Instant instant);

/// A span for people: `90 ms`, `12.5 s`, `1 h 5 min`, `2 d 3 h`.
[[nodiscard]] std::string text_of_length(Span span);

}  // namespace ratelimit::replay

#endif  // RATELIMIT_TOOLS_REPLAY_TIME_TEXT_H
