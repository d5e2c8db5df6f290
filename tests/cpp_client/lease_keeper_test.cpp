// SPDX-License-Identifier: MIT
#include "ratelimit/client/lease_keeper.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <future>
#include <string>
#include <thread>
#include <vector>

namespace ratelimit::client::tests {
namespace {

using namespace std::chrono_literals;
using Kind = LeaseBook::Taken::Kind;

Lease lease_of(std::int64_t units, Span length) {
  const Time now = std::chrono::steady_clock::now();
  return {.key = "key",
          .subject = "",
          .policy = Policy{token_bucket(100, 1, 1s)},
          .taken = Units(units),
          .left = Units(units),
          .limit = Units(100),
          .label = "tokenbucket",
          .taken_at = now,
          .ends = now + length,
          .refundable_until = Time::max()};
}

/// What a keeper has had refunded.
struct Refunds {
  std::atomic<int> leases{0};
  std::atomic<std::int64_t> units{0};

  LeaseKeeper::Refund into() {
    return [this](const Lease& lease) {
      units += lease.left.count();
      ++leases;
    };
  }
};

TEST(LeaseKeeper, ServesFromALeaseAndRefundsTheRestWhenItIsClosed) {
  Refunds refunds;
  LeaseKeeper keeper(10, refunds.into());
  ASSERT_EQ(keeper.take("a", Units(1)).kind, Kind::to_take);
  LeaseKeeper::Claim(keeper, "a").put(lease_of(10, 1h));
  EXPECT_EQ(keeper.take("a", Units(3)).left, Units(7));
  EXPECT_EQ(refunds.leases, 0);
  keeper.close();
  EXPECT_EQ(refunds.leases, 1);
  EXPECT_EQ(refunds.units, 7);
  EXPECT_EQ(keeper.take("a", Units(1)).kind, Kind::not_here) << "it takes no more leases";
  keeper.close();
  EXPECT_EQ(refunds.leases, 1) << "each is refunded once";
}

TEST(LeaseKeeper, RefundsALeaseThatEndsWithoutBeingAsked) {
  std::promise<std::int64_t> refunded;
  LeaseKeeper keeper(10, [&](const Lease& lease) { refunded.set_value(lease.left.count()); });
  ASSERT_EQ(keeper.take("a", Units(1)).kind, Kind::to_take);
  LeaseKeeper::Claim(keeper, "a").put(lease_of(10, 1ms));
  std::future<std::int64_t> units = refunded.get_future();
  ASSERT_EQ(units.wait_for(30s), std::future_status::ready);
  EXPECT_EQ(units.get(), 10);
}

TEST(LeaseKeeper, RefundsALeaseThatServesNobody) {
  Refunds refunds;
  {
    LeaseKeeper keeper(10, refunds.into());
    ASSERT_EQ(keeper.take("a", Units(5)).kind, Kind::to_take);
    LeaseKeeper::Claim(keeper, "a").put_ended(lease_of(4, 1h));
    EXPECT_EQ(keeper.take("a", Units(1)).kind, Kind::to_take) << "another call may try";
  }
  EXPECT_EQ(refunds.units, 4);
}

TEST(LeaseKeeper, LetsAnotherCallTryWhenAClaimEndsWithoutALease) {
  Refunds refunds;
  LeaseKeeper keeper(10, refunds.into());
  ASSERT_EQ(keeper.take("a", Units(1)).kind, Kind::to_take);
  {
    const LeaseKeeper::Claim claim(keeper, "a");
    EXPECT_EQ(keeper.take("a", Units(1)).kind, Kind::not_here);
  }
  EXPECT_EQ(keeper.take("a", Units(1)).kind, Kind::to_take);
}

TEST(LeaseKeeper, RefundsALeaseThatWasTakenWhileItWasClosed) {
  Refunds refunds;
  {
    LeaseKeeper keeper(10, refunds.into());
    ASSERT_EQ(keeper.take("a", Units(1)).kind, Kind::to_take);
    keeper.close();
    LeaseKeeper::Claim(keeper, "a").put(lease_of(10, 1h));
    EXPECT_EQ(keeper.take("a", Units(1)).kind, Kind::not_here);
  }
  EXPECT_EQ(refunds.units, 10);
}

TEST(LeaseKeeper, CanBeClosedByManyThreads) {
  Refunds refunds;
  LeaseKeeper keeper(10, refunds.into());
  ASSERT_EQ(keeper.take("a", Units(1)).kind, Kind::to_take);
  LeaseKeeper::Claim(keeper, "a").put(lease_of(10, 1h));
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) threads.emplace_back([&] { keeper.close(); });
  threads.clear();
  EXPECT_EQ(refunds.units, 10);
}

TEST(LeaseKeeper, LosesNoUnitsWithManyThreads) {
  Refunds refunds;
  std::atomic<std::int64_t> taken{0};
  std::atomic<std::int64_t> served{0};
  {
    LeaseKeeper keeper(3, refunds.into());
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 2000; ++i) {
          const std::string name = std::to_string((i + t) % 5);
          const Units cost(1 + i % 3);
          const LeaseBook::Taken had = keeper.take(name, cost);
          if (had.kind == Kind::served) served += cost.count();
          if (had.kind != Kind::to_take) continue;
          LeaseKeeper::Claim claim(keeper, name);
          if (i % 7 == 0) continue;
          taken += 20;
          claim.put(lease_of(20, i % 2 == 0 ? 1ms : 1h));
        }
      });
    }
  }
  EXPECT_EQ(taken, served + refunds.units);
}

}  // namespace
}  // namespace ratelimit::client::tests
