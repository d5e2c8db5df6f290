// SPDX-License-Identifier: MIT
// Which slot of a cluster a key is in, and which node was last seen to have a slot.
//
// The slot is CRC16 (XMODEM) of the key. If the key has a hash tag, that is a text between its first `{` and the next `}`,
// the slot is CRC16 of that text: the specification of Redis Cluster says so. The map is learnt from redirections. Pure;
// std only.
#ifndef RATELIMIT_CLIENT_SLOT_MAP_H
#define RATELIMIT_CLIENT_SLOT_MAP_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ratelimit::client {

inline constexpr std::size_t kSlots = 16384;

[[nodiscard]] constexpr std::uint16_t crc16(std::string_view bytes) {
  std::uint32_t crc = 0;
  for (const char c : bytes) {
    crc ^= static_cast<std::uint32_t>(static_cast<unsigned char>(c)) << 8U;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 0x8000U) != 0 ? (crc << 1U) ^ 0x1021U : crc << 1U;
  }
  return static_cast<std::uint16_t>(crc);
}
static_assert(crc16("123456789") == 0x31C3);  // the check value of CRC-16/XMODEM

[[nodiscard]] constexpr std::size_t slot_of(std::string_view key) {
  const std::size_t open = key.find('{');
  if (open != std::string_view::npos) {
    const std::size_t close = key.find('}', open + 1);
    if (close != std::string_view::npos && close > open + 1) key = key.substr(open + 1, close - open - 1);
  }
  return crc16(key) % kSlots;
}

/// Nodes are numbers, below 65,535.
class SlotMap {
 public:
  /// None if no node was seen to have the slot.
  [[nodiscard]] std::optional<std::size_t> owner_of(std::size_t slot) const {
    const std::uint16_t owner = owners_[slot % kSlots];
    if (owner == 0) return std::nullopt;
    return owner - 1U;
  }
  void learn(std::size_t slot, std::size_t node) { owners_[slot % kSlots] = static_cast<std::uint16_t>(node + 1); }
  void forget(std::size_t slot) { owners_[slot % kSlots] = 0; }

 private:
  std::array<std::uint16_t, kSlots> owners_{};  ///< the node's number plus one; 0: no node was seen yet
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_SLOT_MAP_H
