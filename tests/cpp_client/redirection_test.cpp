// SPDX-License-Identifier: MIT
#include "ratelimit/client/redirection.h"

#include <gtest/gtest.h>

namespace ratelimit::client::tests {
namespace {

TEST(Redirection, NamesASlotAndANode) {
  const auto moved = parse_redirection("MOVED 3999 127.0.0.1:6381");
  ASSERT_TRUE(moved);
  EXPECT_FALSE(moved->is_ask);
  EXPECT_EQ(moved->slot, 3999U);
  EXPECT_EQ(moved->host, "127.0.0.1");
  EXPECT_EQ(moved->port, 6381);
  EXPECT_TRUE(parse_redirection("ASK 0 host:1")->is_ask);
  EXPECT_EQ(parse_redirection("MOVED 1 ::1:6381")->host, "::1");
  EXPECT_EQ(parse_redirection("MOVED 1 :6381")->host, "") << "the node that says so";
  EXPECT_EQ(parse_redirection("MOVED 1 ?:6381")->host, "");
}

TEST(Redirection, ThatMakesNoSenseIsNone) {
  for (const char* error :
       {"", "MOVED", "MOVED ", "MOVED 1", "MOVED 1 ", "MOVED 1 host", "MOVED 1 host:", "MOVED 1 host:0",
        "MOVED 1 host:65536", "MOVED 1 host:99999999999999", "MOVED 16384 host:1", "MOVED -1 host:1", "MOVED x host:1",
        "MOVED 1 host:1x", "MOVED :1", "moved 1 host:1", "ERR MOVED 1 host:1"}) {
    EXPECT_FALSE(parse_redirection(error)) << error;
  }
}

}  // namespace
}  // namespace ratelimit::client::tests
