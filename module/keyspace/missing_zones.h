// SPDX-License-Identifier: MIT
// Keys that name a time zone which this machine does not have: they are kept, and the log says so.
#ifndef RATELIMIT_MODULE_KEYSPACE_MISSING_ZONES_H
#define RATELIMIT_MODULE_KEYSPACE_MISSING_ZONES_H

#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace ratelimit {

class MissingZones {
 public:
  using Time = std::chrono::steady_clock::time_point;

  static constexpr std::chrono::seconds kPause{30};
  // A payload can name zones that nobody has, and very many keys may name one.
  static constexpr std::size_t kMost = 32;

  /// A key names a zone that is missing. Returns what the log should say: nothing if it did not long ago, for that zone
  /// and key or for many others.
  [[nodiscard]] std::string note(std::string_view zone, std::string_view key, Time now);

 private:
  std::map<std::pair<std::string, std::string>, Time> noted_;  ///< by zone and key
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_KEYSPACE_MISSING_ZONES_H
