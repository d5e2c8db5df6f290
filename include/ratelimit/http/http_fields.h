// SPDX-License-Identifier: MIT
// The header fields by which an HTTP server tells its client about one decision.
//
//     RateLimit-Policy: "burst";q=10;w=1, "day";q=5000;w=86400       what the limits are
//     RateLimit: "burst";r=0;t=1, "day";r=4200;t=3600                what is left of them
//     RateLimit-Limit: 10                                            the binding limit once more, in the three fields
//     RateLimit-Remaining: 0                                         of the draft up to version 06, which most clients
//     RateLimit-Reset: 1                                             know
//     Retry-After: 1                                                 denied only: when to come again
//
// Sources: draft-ietf-httpapi-ratelimit-headers-10, whose sections are named below, and -11; RFC 9651 for the two lists
// of strings with parameters; RFC 9110, 10.2.3, for Retry-After.
//
//   - q, r (3.1.1, 4.1.1): units. Where units are held at the same time, `qu="concurrent-requests"` says so (3.1.2).
//   - w (3.1.3): whole seconds, at least 1. OPTIONAL; absent where there is no window.
//   - t (4.1.2): "the number of seconds until additional quota [...] is made available". That is not when all of it is
//     back: a bucket gets its next unit long before it is full, and clients may wait for t before they go beyond r (7).
//     Version 11 calls t the time within which no more than r can be used, which is the same span.
//   - A limit that denies a call of several units may have one more unit soon, which does not help that call: its t is
//     when it would let the call pass. So Retry-After is never earlier than the t of a limit that denies (6: it SHOULD
//     NOT). It may be earlier than the t of another limit, which has units left, as in the draft's example B.3. If one
//     limit never lets the call pass, there is no Retry-After, and the t of the others that deny it is the same.
//   - A closed limit has no units at any time: q=0 and r=0, and its t is its window, in which nothing can be used.
//   - Integers of RFC 9651 end at 999,999,999,999,999: a larger number of units is written as that, in the fields of the
//     draft up to version 06 as well, so that all fields agree.
//   - There is no pk (4.1.3): it would tell the client under which name it is known here.
//
// All seconds are rounded up: a client that comes back when a field says so never comes too early. Depends on the
// decision only.
#ifndef RATELIMIT_HTTP_HTTP_FIELDS_H
#define RATELIMIT_HTTP_HTTP_FIELDS_H

#include <algorithm>
#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ratelimit/decision.h"
#include "ratelimit/units.h"

namespace ratelimit {

/// What is left of one limit after a call. No number is negative.
struct LimitStatus {
  std::string_view label;  ///< valid, so that it is written as it is
  Units quota;
  /// The time that the quota is for: the length of a window, or the time in which an empty bucket becomes full. None
  /// where units are held.
  std::optional<Span> window{};
  Units remaining;
  Span more{};  ///< time until more than `remaining` could be taken, if nothing else happens; 0 if all is there
  std::optional<Span> wait{};  ///< only if this limit keeps the call back: time until it would let it go
};

struct HttpField {
  std::string_view name;  ///< a literal
  std::string value;

  friend bool operator==(const HttpField&, const HttpField&) = default;
};

namespace http {

[[nodiscard]] inline std::int64_t seconds_rounded_up(Span span) {
  return std::chrono::ceil<std::chrono::seconds>(span).count();
}

/// The parameter t of a limit.
[[nodiscard]] inline std::int64_t seconds_until_more(const LimitStatus& limit) {
  return seconds_rounded_up(limit.wait.value_or(limit.more));
}

/// A number of units, as large as a field can say.
[[nodiscard]] inline std::int64_t count_in_field(Units units) {
  constexpr std::int64_t kMost = 999'999'999'999'999;  // RFC 9651, 3.3.1
  return std::min(units.count(), kMost);
}

inline void append_parameter(std::string& text, std::string_view key, std::int64_t value) {
  text.append(";").append(key).append("=").append(std::to_string(value));
}

/// A list with one item for each limit: its label as a string, and what `append_parameters(text, limit)` adds. A label
/// contains no character that must be escaped in a string of a structured field.
template <class AppendParameters>
[[nodiscard]] std::string list_of(std::span<const LimitStatus> limits, AppendParameters append_parameters) {
  std::string text;
  for (const LimitStatus& limit : limits) {
    if (!text.empty()) text += ", ";
    text.append("\"").append(limit.label).append("\"");
    append_parameters(text, limit);
  }
  return text;
}

[[nodiscard]] inline std::string policies(std::span<const LimitStatus> limits) {
  return list_of(limits, [](std::string& text, const LimitStatus& limit) {
    append_parameter(text, "q", count_in_field(limit.quota));
    if (limit.window) {
      append_parameter(text, "w", std::max<std::int64_t>(seconds_rounded_up(*limit.window), 1));
    } else {
      text += ";qu=\"concurrent-requests\"";
    }
  });
}

[[nodiscard]] inline std::string service_limits(std::span<const LimitStatus> limits) {
  return list_of(limits, [](std::string& text, const LimitStatus& limit) {
    append_parameter(text, "r", count_in_field(limit.remaining));
    append_parameter(text, "t", seconds_until_more(limit));
  });
}

/// At least a second: 0 would invite the client to come again at once.
[[nodiscard]] inline std::int64_t retry_after(std::span<const LimitStatus> limits, Span wait) {
  std::int64_t seconds = std::max<std::int64_t>(seconds_rounded_up(wait), 1);
  for (const LimitStatus& limit : limits) {
    if (limit.wait) seconds = std::max(seconds, seconds_rounded_up(*limit.wait));
  }
  return seconds;
}

/// What the limits are, and what is left of them; there must be some.
[[nodiscard]] inline std::vector<HttpField> fields_of(std::span<const LimitStatus> limits, std::size_t binding) {
  assert(binding < limits.size());
  const LimitStatus& limit = limits[binding];
  return {
      {"RateLimit-Policy", policies(limits)},
      {"RateLimit", service_limits(limits)},
      {"RateLimit-Limit", std::to_string(count_in_field(limit.quota))},
      {"RateLimit-Remaining", std::to_string(count_in_field(limit.remaining))},
      {"RateLimit-Reset", std::to_string(seconds_until_more(limit))},
  };
}

}  // namespace http

/// The fields of a call that was decided by `limits`; `binding` is the index of the limit that binds. `wait` is how
/// long a denied caller is told to wait; with jitter, that is longer than the limits demand. A call that can never be
/// granted gets no Retry-After: it need not come again. A block may deny a call that names no limits. O(limits).
[[nodiscard]] inline std::vector<HttpField> http_fields(std::span<const LimitStatus> limits, std::size_t binding,
                                                        Outcome outcome, Span wait) {
  std::vector<HttpField> fields;
  if (!limits.empty()) fields = http::fields_of(limits, binding);
  if (outcome == Outcome::denied) fields.push_back({"Retry-After", std::to_string(http::retry_after(limits, wait))});
  return fields;
}

}  // namespace ratelimit

#endif  // RATELIMIT_HTTP_HTTP_FIELDS_H
