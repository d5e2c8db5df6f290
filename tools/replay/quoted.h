// SPDX-License-Identifier: MIT
// Where a quoted text ends, in which a backslash hides the byte behind it. Depends on std only.
#ifndef RATELIMIT_TOOLS_REPLAY_QUOTED_H
#define RATELIMIT_TOOLS_REPLAY_QUOTED_H

#include <cstddef>
#include <string_view>

namespace ratelimit::replay {

struct EndOfQuoted {
  std::size_t at = 0;  ///< the place of the closing quote; npos if there is none
  bool has_escapes = false;
};

/// Searches from `begin` on, which is behind the opening quote. O(bytes), by two searches for one byte each: a search for
/// either of two is several times slower.
[[nodiscard]] inline EndOfQuoted find_end_of_quoted(std::string_view text, std::size_t begin) {
  std::size_t quote = text.find('"', begin);
  bool has_escapes = false;
  while (quote != std::string_view::npos) {
    const std::size_t backslash = text.substr(begin, quote - begin).find('\\');
    if (backslash == std::string_view::npos) break;
    has_escapes = true;
    begin += backslash + 2;
    if (begin > quote) quote = text.find('"', begin);
  }
  return {quote, has_escapes};
}

}  // namespace ratelimit::replay

#endif  // RATELIMIT_TOOLS_REPLAY_QUOTED_H
