// SPDX-License-Identifier: MIT
#include "replay/address.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <system_error>

namespace ratelimit::replay {
namespace {

using View = std::string_view;

/// Takes a number in this base from the front; none if there is none up to `most`.
[[nodiscard]] std::optional<unsigned> take_number(View& text, int base, unsigned most) {
  unsigned value = 0;
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || value > most) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(at - text.data()));
  return value;
}

[[nodiscard]] std::optional<Address> parse_v4(View text) {
  Address address;
  for (std::size_t i = 0; i < 4; ++i) {
    if (i > 0) {
      if (text.empty() || text.front() != '.') return std::nullopt;
      text.remove_prefix(1);
    }
    const std::optional<unsigned> byte = take_number(text, 10, 255);
    if (!byte) return std::nullopt;
    address.bytes[i] = static_cast<std::uint8_t>(*byte);
  }
  return text.empty() ? std::optional(address) : std::nullopt;
}

/// The bytes that one side of `::` has, or all of them.
struct Groups {
  std::array<std::uint8_t, 16> bytes{};
  std::size_t size = 0;

  [[nodiscard]] bool add(unsigned byte) {
    if (size == bytes.size()) return false;
    bytes[size++] = static_cast<std::uint8_t>(byte);
    return true;
  }
};

[[nodiscard]] std::optional<Groups> parse_groups(View text) {
  Groups groups;
  while (!text.empty()) {
    if (const std::optional<Address> tail = text.find(':') == View::npos ? parse_v4(text) : std::nullopt) {
      for (std::size_t i = 0; i < 4; ++i) {
        if (!groups.add(tail->bytes[i])) return std::nullopt;
      }
      return groups;
    }
    const std::optional<unsigned> group = take_number(text, 16, 0xFFFF);
    if (!group || !groups.add(*group >> 8U) || !groups.add(*group & 0xFFU)) return std::nullopt;
    if (text.empty()) return groups;
    if (text.front() != ':' || text.size() == 1) return std::nullopt;
    text.remove_prefix(1);
  }
  return groups;
}

[[nodiscard]] std::optional<Address> parse_v6(View text) {
  const std::size_t gap = text.find("::");
  const std::optional<Groups> front = parse_groups(text.substr(0, gap));
  const std::optional<Groups> back = parse_groups(gap == View::npos ? View{} : text.substr(gap + 2));
  if (!front || !back) return std::nullopt;
  const std::size_t size = front->size + back->size;
  if (gap == View::npos ? size != 16 : size > 14) return std::nullopt;
  Address address{.is_v6 = true};
  std::copy_n(front->bytes.begin(), front->size, address.bytes.begin());
  std::copy_n(back->bytes.begin(), back->size, address.bytes.end() - static_cast<std::ptrdiff_t>(back->size));
  return address;
}

/// ::ffff:203.0.113.9 is 203.0.113.9
[[nodiscard]] Address unmapped(const Address& address) {
  constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  if (!address.is_v6 || !std::equal(kMapped.begin(), kMapped.end(), address.bytes.begin())) return address;
  Address inner;
  std::copy_n(address.bytes.begin() + 12, 4, inner.bytes.begin());
  return inner;
}

void append_v4(std::string& text, const Address& address) {
  for (std::size_t i = 0; i < 4; ++i) {
    if (i > 0) text += '.';
    text += std::to_string(address.bytes[i]);
  }
}

/// In the form of RFC 5952: the longest run of two and more zeros is left out.
void append_v6(std::string& text, const Address& address) {
  std::array<unsigned, 8> groups{};
  for (std::size_t i = 0; i < 8; ++i) groups[i] = address.bytes[2 * i] * 256U + address.bytes[2 * i + 1];
  std::size_t gap = 8;
  std::size_t longest = 1;
  for (std::size_t i = 0; i < 8; ++i) {
    std::size_t end = i;
    while (end < 8 && groups[end] == 0) ++end;
    if (end - i <= longest) continue;
    longest = end - i;
    gap = i;
  }
  for (std::size_t i = 0; i < 8;) {
    if (i == gap) {
      text += "::";
      i += longest;
      continue;
    }
    if (i > 0 && text.back() != ':') text += ':';
    std::array<char, 4> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), groups[i], 16).ptr;
    text.append(digits.data(), end);
    ++i;
  }
}

[[nodiscard]] unsigned bits_of(const Address& address) { return address.is_v6 ? 128 : 32; }

}  // namespace

std::optional<Address> parse_address(std::string_view text) {
  if (text.size() > 2 && text.front() == '[' && text.back() == ']') text = text.substr(1, text.size() - 2);
  text = text.substr(0, text.find('%'));  // fe80::1%eth0
  const std::optional<Address> address = text.find(':') == View::npos ? parse_v4(text) : parse_v6(text);
  return address ? std::optional(unmapped(*address)) : std::nullopt;
}

void append_subnet(std::string& text, Address address, unsigned bits) {
  bits = std::min(bits, bits_of(address));
  address = first_of({address, bits});
  address.is_v6 ? append_v6(text, address) : append_v4(text, address);
  if (bits == bits_of(address)) return;
  text += '/';
  text += std::to_string(bits);
}

Address first_of(Subnet subnet) {
  for (unsigned bit = subnet.bits; bit < bits_of(subnet.address); ++bit) {
    std::uint8_t& byte = subnet.address.bytes[bit / 8];
    byte = static_cast<std::uint8_t>(byte & ~(0x80U >> bit % 8));
  }
  return subnet.address;
}

std::optional<Subnet> parse_subnet(std::string_view text) {
  const std::size_t slash = text.rfind('/');
  const std::optional<Address> address = parse_address(text.substr(0, slash));
  if (!address) return std::nullopt;
  if (slash == View::npos) return Subnet{*address, bits_of(*address)};
  View digits = text.substr(slash + 1);
  const std::optional<unsigned> bits = take_number(digits, 10, bits_of(*address));
  return bits && digits.empty() ? std::optional(Subnet{*address, *bits}) : std::nullopt;
}

bool contains(const Subnet& outer, const Subnet& inner) {
  return outer.address.is_v6 == inner.address.is_v6 && outer.bits <= inner.bits &&
         first_of(outer) == first_of({inner.address, outer.bits});
}

}  // namespace ratelimit::replay
