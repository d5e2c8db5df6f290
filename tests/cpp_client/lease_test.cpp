// SPDX-License-Identifier: MIT
#include "ratelimit/client/lease.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <string>

#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/booking.h"
#include "ratelimit/limits.h"
#include "ratelimit/operation.h"
#include "ratelimit/request.h"
#include "ratelimit/reservations.h"
#include "ratelimit/states.h"
#include "ratelimit/turn.h"
#include "ratelimit/verdict.h"

namespace ratelimit::client::tests {
namespace {

using namespace std::chrono_literals;

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

const Limits& limits_of(const Policy& policy) { return *policy.limits(); }

// --- what may be leased ------------------------------------------------------------------------------

TEST(Lease, IsTakenOnlyWhereItNeverAdmitsMore) {
  EXPECT_TRUE(may_lease(limits_of({token_bucket(9, 1, 1s)})));
  EXPECT_TRUE(may_lease(limits_of({sliding(9, 1s), token_bucket(9, 1, 1s)})));
  EXPECT_TRUE(may_lease(limits_of({fixed(9, 1s)})));
  EXPECT_TRUE(may_lease(limits_of({quota(9, CalendarUnit::day)})));
  EXPECT_FALSE(may_lease(limits_of({fixed(9, 1s), token_bucket(9, 1, 1s)}))) << "nobody says when the window ends";
  EXPECT_FALSE(may_lease(limits_of({token_bucket(9, 1, 1s), per_request(sliding(9, 1s))}))) << "each call counts";
  EXPECT_FALSE(may_lease(limits_of({leaky_bucket(9, 1, 1s)}))) << "each call is told when to go";
  EXPECT_FALSE(may_lease(limits_of({concurrent(9, 1s)})));
}

TEST(Lease, EndsBeforeItsWindow) {
  Lease lease = lease_of(5, {});
  lease.policy = Policy{fixed(9, 1s)};
  set_times(lease, kNow, 100ms, 40ms);
  EXPECT_EQ(lease.ends, kNow + 39ms) << "the server has rounded up";
  EXPECT_EQ(lease.refundable_until, kNow + 39ms);
  set_times(lease, kNow, 100ms, 1000ms);
  EXPECT_EQ(lease.ends, kNow + 100ms);
  EXPECT_EQ(to_refund(lease, kNow + 998ms), Units(5));
  EXPECT_EQ(to_refund(lease, kNow + 999ms), Units(0)) << "the next window has not got these units";
  lease.policy = Policy{token_bucket(9, 1, 1s)};
  set_times(lease, kNow, 100ms, 40ms);
  EXPECT_EQ(lease.ends, kNow + 100ms);
}

// --- what may be given back --------------------------------------------------------------------------

TEST(Refund, OfABucketIsWhatCannotHaveFlowedBack) {
  const Policy policy{token_bucket(100, 10, 1s)};
  const auto left = [&](std::int64_t taken, std::int64_t unused, Span elapsed) {
    return refundable(limits_of(policy), Units(taken), Units(unused), elapsed).count();
  };
  EXPECT_EQ(left(50, 50, 0s), 50);
  EXPECT_EQ(left(50, 50, 100ms), 49);
  EXPECT_EQ(left(50, 50, 101ms), 48) << "what may be gone, is";
  EXPECT_EQ(left(50, 20, 1s), 20) << "the used ones flow back first";
  EXPECT_EQ(left(50, 45, 1s), 40);
  EXPECT_EQ(left(50, 45, 5s), 0);
  EXPECT_EQ(left(50, 45, 1000h), 0);
}

TEST(Refund, OfAWindowIsAllThatStillCounts) {
  EXPECT_EQ(refundable(limits_of({sliding(9, 1s)}), Units(5), Units(5), 1s - 1ns), Units(5));
  EXPECT_EQ(refundable(limits_of({sliding(9, 1s)}), Units(5), Units(5), 1s), Units(0));
  EXPECT_EQ(refundable(limits_of({sliding_approx(9, 1s)}), Units(4), Units(4), 500ms), Units(2));
  EXPECT_EQ(refundable(limits_of({sliding_approx(9, 1s)}), Units(4), Units(4), 2s), Units(0));
}

TEST(Refund, IsTheLeastOfAllLimits) {
  const Policy policy{token_bucket(100, 10, 1s), as("fast", token_bucket(100, 100, 1s))};
  EXPECT_EQ(refundable(limits_of(policy), Units(50), Units(50), 100ms), Units(40));
}

TEST(Refund, IsTotalWhateverTheNumbersAre) {
  const std::int64_t most = kMax32BitUnits.count();
  for (const LimitSpec& limit : {token_bucket(most, most, 1ms), token_bucket(most, most, std::chrono::days{3650}),
                                 sliding_approx(most, 1ms), sliding_approx(most, std::chrono::days{3650})}) {
    for (const Span elapsed : {Span{0}, Span{1}, Span{1h}, Span{2h}, kMaxSpan}) {
      const Units units = refundable(limits_of({limit}), kMaxUnits, kMaxUnits, elapsed);
      EXPECT_GE(units, kNoUnits);
      EXPECT_LE(units, kMaxUnits);
    }
  }
}

/// A bucket on the server, of which a lease is taken now and given back later; others take all they can before and after.
/// What is granted and used between any two instants is never more than the bucket allows.
TEST(Refund, NeverLetsABucketGrantMoreThanWithoutLeases) {
  const Policy policy{token_bucket(10, 10, 1s)};
  const Limits& limits = limits_of(policy);
  const Instant start{1'800'000'000s};
  for (std::int64_t others = 0; others <= 10; ++others) {
    for (std::int64_t taken = 1; taken <= 10 - others; ++taken) {
      for (const Span elapsed : {0ms, 50ms, 100ms, 350ms, 999ms, 1000ms, 1500ms, 3000ms}) {
        std::array<Cell, kMaxLimits> cells;
        construct_idle(limits, cells);
        Reservations nothing;
        Booking booking(limits, cells, nothing);
        const auto take_all = [&](Instant at) {
          const Verdict verdict = decide(limits, cells, Turn{}, Request{.cost = Units(10), .mode = Mode::partial}, at);
          booking.perform({.kind = Operation::Kind::charge, .at = at, .units = verdict.decision.granted});
          return verdict.decision.granted.count();
        };
        booking.perform({.kind = Operation::Kind::charge, .at = start, .units = Units(others)});
        booking.perform({.kind = Operation::Kind::charge, .at = start, .units = Units(taken)});
        const Instant then = start + elapsed;
        std::int64_t at_once = take_all(then);
        const Units back = refundable(limits, Units(taken), Units(taken), elapsed);
        booking.perform({.kind = Operation::Kind::refund, .at = then, .units = back});
        at_once += take_all(then);
        EXPECT_LE(at_once, 10) << others << ' ' << taken << ' ' << elapsed.count();
        destroy(limits, cells);
      }
    }
  }
}

}  // namespace
}  // namespace ratelimit::client::tests
