// SPDX-License-Identifier: MIT
// A time zone, as far as the calendar must know it: how far its clock is from UTC, and when it shows a time.
//
// The rules of the world's zones change several times a year. They come from the system, which the core does not know:
// the shell implements this interface. Everywhere in the core a null `const Zone*` is UTC. Depends on units only.
#ifndef RATELIMIT_ALGORITHMS_ZONE_H
#define RATELIMIT_ALGORITHMS_ZONE_H

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string_view>

#include "ratelimit/units.h"

namespace ratelimit {

/// Equal zones are the same object: they are compared by their addresses.
class Zone {
 public:
  Zone() = default;
  Zone(const Zone&) = delete;
  Zone& operator=(const Zone&) = delete;
  virtual ~Zone() = default;

  /// By how much the local clock is ahead of UTC at `instant`.
  [[nodiscard]] virtual Span offset_at(Instant instant) const = 0;

  /// The first instant at which the local clock shows that time of that day: whole minutes from midnight on, less than
  /// 24 hours. If the clock leaves the time out, it is the end of that gap. An earlier time never begins later.
  [[nodiscard]] virtual Instant begin_of(std::chrono::local_days day, Span time) const = 0;
};

/// Whether `name` is a name of UTC itself. UTC needs no Zone: a limit without one counts in UTC.
[[nodiscard]] constexpr bool is_utc(std::string_view name) { return name == "UTC" || name == "Etc/UTC"; }

/// Whether a zone could have that name. All names of IANA begin with a capital letter. UTC needs no zone: its names are
/// none of these.
[[nodiscard]] constexpr bool is_zone_name(std::string_view name) {
  constexpr std::size_t kMaxBytes = 64;
  const auto is_upper = [](char c) { return 'A' <= c && c <= 'Z'; };
  const auto is_in_names = [&](char c) {
    return is_upper(c) || ('a' <= c && c <= 'z') || ('0' <= c && c <= '9') || c == '_' || c == '+' || c == '-' ||
           c == '/';
  };
  if (name.empty() || name.size() > kMaxBytes || !is_upper(name.front()) || name.back() == '/') return false;
  if (is_utc(name)) return false;
  return std::all_of(name.begin(), name.end(), is_in_names) && name.find("//") == std::string_view::npos;
}

/// Finds a zone by its name; null if it is unknown. A zone that was found is never destroyed.
using FindZone = const Zone* (*)(std::string_view name);

}  // namespace ratelimit

#endif  // RATELIMIT_ALGORITHMS_ZONE_H
