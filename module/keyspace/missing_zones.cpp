// SPDX-License-Identifier: MIT
#include "keyspace/missing_zones.h"

#include <utility>

namespace ratelimit {
namespace {

/// A name of a key as it can stand in a log, between quotation marks.
std::string printable(std::string_view name) {
  constexpr std::size_t kMost = 128;
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const char c : name.substr(0, kMost)) {
    const auto byte = static_cast<unsigned char>(c);
    if (' ' <= c && c <= '~' && c != '"' && c != '\\') {
      text.push_back(c);
    } else {
      text.append("\\x").append({kDigits[byte >> 4U], kDigits[byte & 0xFU]});
    }
  }
  if (name.size() > kMost) text.append("...");
  return text;
}

}  // namespace

std::string MissingZones::note(std::string_view zone, std::string_view key, Time now) {
  std::erase_if(noted_, [now](const auto& entry) { return entry.second + kPause <= now; });
  if (noted_.size() >= kMost) return {};
  const std::string text = printable(key);
  if (!noted_.emplace(std::pair(std::string(zone), text), now).second) return {};
  return "this machine has no time zone " + std::string(zone) + ", which the key \"" + text +
         "\" names: it is kept, and its new windows are those of UTC until the zone is installed and the server "
         "restarted";
}

}  // namespace ratelimit
