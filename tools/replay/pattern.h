// SPDX-License-Identifier: MIT
// What a text must be like, as a user writes it: `*` stands for any text, and a subnet for the addresses in it.
//
//     GET                    this text
//     /api/*  *bot*  4*9     with any text where the * is, also none
//     203.0.113.0/24         an address or a subnet that is in this one; also of IPv6
//     2001:db8::1            this address, however it is written
//
// Depends on addresses.
#ifndef RATELIMIT_TOOLS_REPLAY_PATTERN_H
#define RATELIMIT_TOOLS_REPLAY_PATTERN_H

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "replay/address.h"

namespace ratelimit::replay {

class Pattern {
 public:
  /// None if the text is meant for a subnet and is none, such as 203.0.113.0/33.
  [[nodiscard]] static std::optional<Pattern> parse(std::string_view text);

  /// One pass over the value: each text between two `*` is searched once, behind the one before.
  [[nodiscard]] bool matches(std::string_view value) const;

 private:
  [[nodiscard]] bool matches_pieces(std::string_view value) const;

  std::vector<std::string> pieces_;  ///< what stands between the `*`; one piece: there is no `*`
  std::optional<Subnet> subnet_;
};

}  // namespace ratelimit::replay

#endif  // RATELIMIT_TOOLS_REPLAY_PATTERN_H
