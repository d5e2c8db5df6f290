// SPDX-License-Identifier: MIT
// Bytes as people write them.
#ifndef RATELIMIT_TESTS_HEX_H
#define RATELIMIT_TESTS_HEX_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ratelimit::tests {

/// Two digits a byte; blanks may stand between bytes.
inline std::string from_hex(std::string_view hex) {
  std::string bytes;
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    if (hex[i] == ' ') ++i;
    bytes.push_back(static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1])));
  }
  return bytes;
}

inline std::string to_hex(std::string_view bytes) {
  std::string hex;
  for (const char c : bytes) {
    const auto byte = static_cast<std::uint8_t>(c);
    hex += {"0123456789abcdef"[byte >> 4U], "0123456789abcdef"[byte & 15U]};
  }
  return hex;
}

}  // namespace ratelimit::tests

#endif  // RATELIMIT_TESTS_HEX_H
