// SPDX-License-Identifier: MIT
#include "ratelimit/client/topology.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace ratelimit::client::tests {
namespace {

Reply number(std::int64_t value) { return {.kind = Reply::Kind::integer, .integer = value, .text = {}, .items = {}}; }
Reply text(std::string value) {
  return {.kind = Reply::Kind::text, .integer = 0, .text = std::move(value), .items = {}};
}
Reply list(std::vector<Reply> items) {
  return {.kind = Reply::Kind::list, .integer = 0, .text = {}, .items = std::move(items)};
}

TEST(ClusterSlots, AreRangesWithTheirPrimaries) {
  const Reply reply =
      list({list({number(0), number(99), list({text("10.0.0.1"), number(7000), text("id")}),
                  list({text("10.0.0.9"), number(7009), text("a replica")})}),
            list({number(100), number(16383), list({text("::1"), number(7001), text("id"), list({})})})});
  const std::vector<SlotRange> ranges = parse_cluster_slots(reply, "asked");
  ASSERT_EQ(ranges.size(), 2U);
  EXPECT_EQ(ranges[0].last, 99U);
  EXPECT_EQ(ranges[0].primary, (Endpoint{.host = "10.0.0.1", .port = 7000}));
  EXPECT_EQ(ranges[1].first, 100U);
  EXPECT_EQ(ranges[1].primary, (Endpoint{.host = "::1", .port = 7001}));
}

TEST(ClusterSlots, WithoutAHostAreThoseOfTheNodeThatWasAsked) {
  for (const Reply& none : {text(""), Reply{}}) {
    const auto ranges =
        parse_cluster_slots(list({list({number(5), number(5), list({none, number(7000)})})}), "10.0.0.7");
    ASSERT_EQ(ranges.size(), 1U);
    EXPECT_EQ(ranges[0].primary.host, "10.0.0.7");
  }
}

TEST(ClusterSlots, ThatMakeNoSenseAreLeftOut) {
  const Reply node = list({text("host"), number(7000)});
  const std::vector<Reply> wrong{
      number(1),
      list({}),
      list({number(0), number(1)}),
      list({number(0), number(16384), node}),
      list({number(-1), number(1), node}),
      list({number(2), number(1), node}),
      list({text("0"), number(1), node}),
      list({number(0), number(1), text("host")}),
      list({number(0), number(1), list({text("?"), number(7000)})}),
      list({number(0), number(1), list({text("host"), number(0)})}),
      list({number(0), number(1), list({text("host"), number(65536)})}),
      list({number(0), number(1), list({number(1), number(7000)})}),
  };
  EXPECT_TRUE(parse_cluster_slots(list(wrong), "asked").empty());
  for (const Reply& none : {Reply{}, number(1), text("OK")}) EXPECT_TRUE(parse_cluster_slots(none, "asked").empty());
}

TEST(Sentinel, NamesAPrimaryOrNone) {
  EXPECT_EQ(parse_primary(list({text("10.0.0.1"), text("6380")})), (Endpoint{.host = "10.0.0.1", .port = 6380}));
  for (const Reply& none :
       {Reply{}, text("10.0.0.1:6380"), list({}), list({text("10.0.0.1")}), list({text("10.0.0.1"), text("0")}),
        list({text("10.0.0.1"), text("65536")}), list({text(""), text("6380")}), list({text("host"), number(6380)})}) {
    EXPECT_FALSE(parse_primary(none));
  }
}

TEST(Role, IsThatOfAPrimaryOrNot) {
  EXPECT_TRUE(is_primary(list({text("master"), number(0), list({})})));
  EXPECT_FALSE(is_primary(list({text("slave"), text("host")})));
  EXPECT_FALSE(is_primary(list({})));
  EXPECT_FALSE(is_primary(Reply{}));
}

}  // namespace
}  // namespace ratelimit::client::tests
