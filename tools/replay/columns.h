// SPDX-License-Identifier: MIT
// Columns of a text for people. Depends on numbers only.
#ifndef RATELIMIT_TOOLS_REPLAY_COLUMNS_H
#define RATELIMIT_TOOLS_REPLAY_COLUMNS_H

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "replay/numbers.h"

namespace ratelimit::replay {

inline constexpr std::size_t kNameWidth = 28;

/// How many characters a terminal shows for this text: bytes that go on with a character of UTF-8 take no room.
[[nodiscard]] inline std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

[[nodiscard]] inline std::string padded(std::string text, std::size_t width) {
  const std::size_t shown = width_of(text);
  if (shown < width) text.append(width - shown, ' ');
  return text;
}

[[nodiscard]] inline std::string to_the_right(const std::string& text, std::size_t width) {
  const std::size_t shown = width_of(text);
  return shown < width ? std::string(width - shown, ' ') + text : text;
}

[[nodiscard]] inline std::string shortened(const std::string& name) {
  if (name.size() <= kNameWidth) return name;
  return name.substr(0, kNameWidth - 3) + "...";
}

/// `1 call`, `2 calls`
[[nodiscard]] inline std::string counted(std::uint64_t count, const char* what) {
  return with_commas(count) + ' ' + what + (count == 1 ? "" : "s");
}

}  // namespace ratelimit::replay

#endif  // RATELIMIT_TOOLS_REPLAY_COLUMNS_H
