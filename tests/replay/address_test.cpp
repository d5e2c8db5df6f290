// SPDX-License-Identifier: MIT
#include "replay/address.h"

#include <gtest/gtest.h>

#include <string>

namespace ratelimit::replay::tests {
namespace {

std::string subnet(std::string_view text, unsigned bits) {
  const std::optional<Address> address = parse_address(text);
  std::string result;
  if (address) append_subnet(result, *address, bits);
  return result;
}

TEST(Address, IsInASubnet) {
  EXPECT_EQ(subnet("203.0.113.9", 24), "203.0.113.0/24");
  EXPECT_EQ(subnet("203.0.113.9", 32), "203.0.113.9");
  EXPECT_EQ(subnet("203.0.113.255", 25), "203.0.113.128/25");
  EXPECT_EQ(subnet("2001:db8:1:2:3:4:5:6", 56), "2001:db8:1::/56");
  EXPECT_EQ(subnet("2001:db8::1", 128), "2001:db8::1");
  EXPECT_EQ(subnet("::", 64), "::/64");
}

TEST(Address, MayBeWrittenInSeveralWays) {
  EXPECT_EQ(subnet("::ffff:203.0.113.9", 24), "203.0.113.0/24");
  EXPECT_EQ(subnet("[2001:DB8::1]", 64), "2001:db8::/64");
  EXPECT_EQ(subnet("fe80::1%eth0", 64), "fe80::/64");
}

TEST(Address, IsNotAnythingElse) {
  for (const char* text : {"", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.4x", "a", ":", ":::", "1::2::3",
                           "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "1:2:3:4:5:6:7:1.2.3.4", "/api/v1"}) {
    EXPECT_FALSE(parse_address(text)) << text;
  }
}

}  // namespace
}  // namespace ratelimit::replay::tests
