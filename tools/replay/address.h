// SPDX-License-Identifier: MIT
// Addresses of IPv4 and IPv6, and the subnets that they are in. Depends on std only.
#ifndef RATELIMIT_TOOLS_REPLAY_ADDRESS_H
#define RATELIMIT_TOOLS_REPLAY_ADDRESS_H

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ratelimit::replay {

struct Address {
  bool is_v6 = false;
  std::array<std::uint8_t, 16> bytes{};  ///< of IPv4 the first four

  friend bool operator==(const Address&, const Address&) = default;
};

/// An address in one of the usual forms; IPv6 also in brackets. An address of IPv4 inside IPv6 is one of IPv4.
[[nodiscard]] std::optional<Address> parse_address(std::string_view text);

/// Appends `203.0.113.0/24` or `2001:db8::/56`: the subnet of so many bits that the address is in; of all bits, the
/// address alone.
void append_subnet(std::string& text, Address address, unsigned bits);

/// All addresses that begin with the same bits.
struct Subnet {
  Address address;
  unsigned bits = 0;
};

/// The first address of a subnet: all other bits are 0.
[[nodiscard]] Address first_of(Subnet subnet);

/// `203.0.113.0/24`, `2001:db8::/56`; an address alone is a subnet of one.
[[nodiscard]] std::optional<Subnet> parse_subnet(std::string_view text);

/// Whether all addresses of `inner` are in `outer`.
[[nodiscard]] bool contains(const Subnet& outer, const Subnet& inner);

}  // namespace ratelimit::replay

#endif  // RATELIMIT_TOOLS_REPLAY_ADDRESS_H
