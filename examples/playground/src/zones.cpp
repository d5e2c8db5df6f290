// SPDX-License-Identifier: MIT
// The page tells how far a zone's clock is from UTC (page/zones.js). What follows from that is found here, in integers.
#include "zones.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "ratelimit/units.h"

extern "C" {
/// The number of a zone, or less than nothing if there is none of that name.
[[clang::import_module("zones"), clang::import_name("find")]] std::int32_t playground_find_zone(const char* name,
                                                                                                std::size_t bytes);
/// The seconds by which its clock is ahead of UTC.
[[clang::import_module("zones"), clang::import_name("offset")]] std::int32_t playground_offset_of_zone(
    std::int32_t zone, std::int64_t unix_seconds);
}

namespace ratelimit::playground {
namespace {

using std::chrono::seconds;

class PageZone final : public Zone {
 public:
  explicit PageZone(std::int32_t number) : number_(number) {}

  [[nodiscard]] Span offset_at(Instant instant) const override {
    return offset(std::chrono::floor<seconds>(instant.time_since_epoch()));
  }

  // No zone changes its clock twice within these days.
  [[nodiscard]] Instant begin_of(std::chrono::local_days day, Span time) const override {
    const seconds shown = std::chrono::floor<seconds>(day.time_since_epoch() + time);
    const seconds early = shown - std::chrono::days{2}, late = shown + std::chrono::days{2};
    const seconds before = offset(early), after = offset(late);
    if (before == after) return Instant{shown - before};
    const seconds change = change_between(early, late, before);
    return Instant{shown - before < change ? shown - before : std::max(change, shown - after)};
  }

 private:
  [[nodiscard]] seconds offset(seconds at) const { return seconds{playground_offset_of_zone(number_, at.count())}; }

  /// The first second at which the clock is no longer `before` ahead of UTC.
  [[nodiscard]] seconds change_between(seconds early, seconds late, seconds before) const {
    while (late - early > seconds{1}) {
      const seconds middle = early + (late - early) / 2;
      (offset(middle) == before ? early : late) = middle;
    }
    return late;
  }

  std::int32_t number_;
};

}  // namespace

const Zone* find_zone(std::string_view name) {
  static auto* const zones = new std::map<std::string, PageZone, std::less<>>;  // never destroyed: limits point into it
  if (const auto known = zones->find(name); known != zones->end()) return &known->second;
  if (!is_zone_name(name)) return nullptr;
  const std::int32_t number = playground_find_zone(name.data(), name.size());
  if (number < 0) return nullptr;
  return &zones->try_emplace(std::string(name), number).first->second;
}

}  // namespace ratelimit::playground
