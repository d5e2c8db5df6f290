// SPDX-License-Identifier: MIT
#include "ratelimit/client/lease_book.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace ratelimit::client::tests {
namespace {

using namespace std::chrono_literals;
using Kind = LeaseBook::Taken::Kind;

const Time kNow{1000h};

Lease lease_of(std::int64_t left, Time ends, const std::string& key = "k") {
  return {.key = key,
          .subject = "",
          .policy = Policy{token_bucket(100, 1, 1s)},
          .taken = Units(left),
          .left = Units(left),
          .limit = Units(100),
          .label = "tokenbucket",
          .taken_at = kNow,
          .ends = ends,
          .refundable_until = Time::max()};
}

TEST(LeaseBook, ServesUntilTheUnitsAreGone) {
  LeaseBook book(10);
  ASSERT_EQ(book.take("a", Units(1), kNow).kind, Kind::to_take);
  book.put("a", lease_of(5, kNow + 1s));
  EXPECT_EQ(book.take("a", Units(2), kNow).left, Units(3));
  EXPECT_EQ(book.take("a", Units(3), kNow).kind, Kind::served);
  EXPECT_EQ(book.take("a", Units(1), kNow).kind, Kind::to_take);
}

TEST(LeaseBook, ServesNobodyWhenTheLeaseHasEnded) {
  LeaseBook book(10);
  static_cast<void>(book.take("a", Units(1), kNow));
  book.put("a", lease_of(5, kNow + 1s));
  EXPECT_EQ(book.take("a", Units(1), kNow + 1s - 1ns).kind, Kind::served);
  EXPECT_EQ(book.take("a", Units(1), kNow + 1s).kind, Kind::to_take);
  const std::vector<Lease> ended = book.ended(kNow + 1s);
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].left, Units(4));
}

TEST(LeaseBook, LetsOnlyOneTakeAtATime) {
  LeaseBook book(10);
  ASSERT_EQ(book.take("a", Units(1), kNow).kind, Kind::to_take);
  EXPECT_EQ(book.take("a", Units(1), kNow).kind, Kind::not_here);
  EXPECT_EQ(book.take("b", Units(1), kNow).kind, Kind::to_take);
  book.give_up("a");
  EXPECT_EQ(book.take("a", Units(1), kNow).kind, Kind::to_take);
}

TEST(LeaseBook, EndsALeaseThatIsTooSmallForWhoTakesTheNext) {
  LeaseBook book(10);
  static_cast<void>(book.take("a", Units(1), kNow));
  book.put("a", lease_of(2, kNow + 1s));
  EXPECT_EQ(book.take("a", Units(3), kNow).kind, Kind::to_take);
  EXPECT_EQ(book.next_end(), Time::min()) << "there is something to give back";
  EXPECT_EQ(book.ended(kNow).at(0).left, Units(2));
  EXPECT_TRUE(book.ended(kNow).empty()) << "each is told once";
}

TEST(LeaseBook, IsBounded) {
  LeaseBook book(2);
  for (const char* name : {"a", "b"}) {
    static_cast<void>(book.take(name, Units(1), kNow));
    book.put(name, lease_of(5, kNow + 1s));
  }
  EXPECT_EQ(book.take("c", Units(1), kNow).kind, Kind::not_here);
  EXPECT_EQ(book.take("a", Units(1), kNow).kind, Kind::served);
  EXPECT_EQ(book.size(), 2U);
  EXPECT_EQ(book.ended(kNow + 1s).size(), 2U);
  EXPECT_EQ(book.size(), 0U);
  EXPECT_EQ(book.take("c", Units(1), kNow + 1s).kind, Kind::to_take);
}

TEST(LeaseBook, SaysWhenTheNextLeaseEnds) {
  LeaseBook book(10);
  EXPECT_FALSE(book.next_end());
  for (const int i : {3, 1, 2}) {
    const std::string name = std::to_string(i);
    static_cast<void>(book.take(name, Units(1), kNow));
    book.put(name, lease_of(5, kNow + i * 1s));
  }
  EXPECT_EQ(book.next_end(), kNow + 1s);
  EXPECT_EQ(book.ended(kNow + 1s).size(), 1U);
  EXPECT_EQ(book.next_end(), kNow + 2s);
  EXPECT_EQ(book.close().size(), 2U);
  EXPECT_FALSE(book.next_end());
}

TEST(LeaseBook, GivesBackWhatIsPutAfterItWasClosed) {
  LeaseBook book(10);
  static_cast<void>(book.take("a", Units(1), kNow));
  EXPECT_TRUE(book.close().empty());
  book.put("a", lease_of(5, kNow + 1s));
  EXPECT_EQ(book.close().size(), 1U);
}

}  // namespace
}  // namespace ratelimit::client::tests
