// SPDX-License-Identifier: MIT
#include "replay/numbers.h"

#include <array>
#include <cstdio>

namespace ratelimit::replay {
namespace {

/// Three significant digits, and none behind the point that say nothing.
[[nodiscard]] std::string in_three_digits(double value) {
  std::array<char, 64> text{};
  const int behind = value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : value >= 0.1 ? 3 : 4;
  const int written = std::snprintf(text.data(), text.size(), "%.*f", behind, value);
  std::string trimmed(text.data(), static_cast<std::size_t>(written));
  if (behind == 0) return trimmed;
  trimmed.erase(trimmed.find_last_not_of('0') + 1);
  if (trimmed.back() == '.') trimmed.pop_back();
  return trimmed;
}

}  // namespace

std::string percent(std::uint64_t part, std::uint64_t whole) {
  if (part == 0 || whole == 0) return "0 %";
  const double share = 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  if (share < 0.0001) return "under 0.0001 %";
  if (part < whole && share > 99.95) return "over 99.9 %";
  return in_three_digits(share) + " %";
}

std::string text_of_bytes(std::uint64_t bytes) {
  constexpr std::array kUnits{" kB", " MB", " GB", " TB"};
  if (bytes < 1000) return std::to_string(bytes) + " B";
  double value = static_cast<double>(bytes) / 1000;
  std::size_t unit = 0;
  for (; value >= 1000 && unit + 1 < kUnits.size(); ++unit) value /= 1000;
  return in_three_digits(value) + kUnits[unit];
}

}  // namespace ratelimit::replay
