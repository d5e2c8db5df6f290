// SPDX-License-Identifier: MIT
// Abseil remembers every name that it was asked for, valid or not, and accepts paths as names. So it is only asked for
// names of files in the zoneinfo folder that are like those of zones: clients cannot make it remember anything else.
// Other files of the folder begin with a small letter: lists, the zone of this machine, and the copies of all zones
// that count leap seconds.
#include "server/zones.h"

#include <absl/time/civil_time.h>
#include <absl/time/time.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <system_error>

namespace ratelimit {
namespace {

using std::chrono::seconds;

class SystemZone final : public Zone {
 public:
  explicit SystemZone(const absl::TimeZone& rules) : rules_(rules) {}

  [[nodiscard]] Span offset_at(Instant instant) const override {
    const seconds since_epoch = std::chrono::floor<seconds>(instant.time_since_epoch());
    return seconds{rules_.At(absl::FromUnixSeconds(since_epoch.count())).offset};
  }

  [[nodiscard]] Instant begin_of(std::chrono::local_days day, Span time) const override {
    absl::CivilSecond civil(absl::CivilDay(1970, 1, 1) + day.time_since_epoch().count());
    if (time != Span{}) civil += std::chrono::floor<seconds>(time).count();
    const absl::TimeZone::TimeInfo begin = rules_.At(civil);
    const bool skipped = begin.kind == absl::TimeZone::TimeInfo::SKIPPED;
    return Instant{seconds{absl::ToUnixSeconds(skipped ? begin.trans : begin.pre)}};
  }

 private:
  absl::TimeZone rules_;
};

using Zones = std::map<std::string, SystemZone, std::less<>>;

/// The zones found so far. The map is made when it is first needed, since nothing may be allocated before the module is
/// loaded. It is never destroyed, since limits point into it.
Zones& known_zones() {
  static auto* const zones = new Zones;
  return *zones;
}

/// Whether the folder where Abseil will look has a file of that name.
bool has_file(std::string_view name) {
  const char* chosen = std::getenv("TZDIR");
  std::string path = chosen != nullptr && *chosen != '\0' ? chosen : "/usr/share/zoneinfo";
  path.append("/").append(name);
  std::error_code error;
  return std::filesystem::is_regular_file(path, error);
}

}  // namespace

const Zone* find_zone(std::string_view name) {
  Zones& zones = known_zones();
  if (const auto known = zones.find(name); known != zones.end()) return &known->second;
  if (!is_zone_name(name) || !has_file(name)) return nullptr;
  absl::TimeZone rules;
  if (!absl::LoadTimeZone(std::string(name), &rules)) return nullptr;
  return &zones.try_emplace(std::string(name), rules).first->second;
}

}  // namespace ratelimit
