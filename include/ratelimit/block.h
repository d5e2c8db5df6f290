// SPDX-License-Identifier: MIT
// A block of a subject (RL.BLOCK): until it ends no call is granted, whatever is left. Depends on units only.
#ifndef RATELIMIT_BLOCK_H
#define RATELIMIT_BLOCK_H

#include <algorithm>
#include <string_view>

#include "ratelimit/units.h"

namespace ratelimit {

/// Default: no block.
struct Block {
  /// What a reply names in place of a limit, if a call is denied by a block.
  static constexpr std::string_view kLabel = "blocked";

  Instant end{};
  Span length{};  ///< from the call that blocked to the end, so that `end` is never further ahead of the clock

  /// A block that begins at `now`. It ends with the clock's range at the latest, so that calls can be decided as of its
  /// end. Without a length there is none.
  [[nodiscard]] static constexpr Block from(Instant now, Span length) {
    const Instant end = std::min(now + length, kLatest);
    return end > now ? Block{end, end - now} : Block{};
  }

  /// How long it lasts from `now` on; nothing if it is over. If the clock was set back, it lasts no longer than it did.
  [[nodiscard]] constexpr Span left(Instant now) const { return end <= now ? Span{} : std::min(end - now, length); }

  /// Whether the clock was set back since.
  [[nodiscard]] constexpr bool is_ahead(Instant now) const { return end > now + length; }
  /// Moves such a block to end `length` after `now`.
  constexpr void clamp(Instant now) {
    if (is_ahead(now)) end = now + length;
  }

  friend constexpr bool operator==(const Block&, const Block&) = default;
};

}  // namespace ratelimit

#endif  // RATELIMIT_BLOCK_H
