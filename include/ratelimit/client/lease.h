// SPDX-License-Identifier: MIT
// A lease: units of a hot subject, taken from the server in advance, to serve the next calls without a round trip.
//
// Leased units count as used on the server from when they are taken, so nobody else gets them. All processes together thus
// grant no more than the server granted. A lease ends soon. What is left of it is refunded, as far as it still counts on
// the server. This file says which limits may be leased, when a lease ends, and how much may be refunded. Pure; depends on
// policies.
#ifndef RATELIMIT_CLIENT_LEASE_H
#define RATELIMIT_CLIENT_LEASE_H

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/client/clock.h"
#include "ratelimit/client/policy.h"
#include "ratelimit/limit.h"
#include "ratelimit/limits.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

namespace detail {

[[nodiscard]] inline bool is_window_with_end(const Limit& limit) {
  const Algorithm algorithm = limit.spec().algorithm;
  return algorithm == Algorithm::fixed_window || algorithm == Algorithm::quota;
}

/// How many units flow back in `elapsed`, rounded up, if `count` of them do in `period`. After more than an hour: all.
[[nodiscard]] inline Units flowed_back(std::int64_t count, Span elapsed, Span period) {
  constexpr Span kLongest = std::chrono::hours{1};
  if (elapsed > kLongest) return kMaxUnits;
  __extension__ using Wide = __int128;  // a server may say that it granted kMaxUnits under any limit
  const auto passed = std::chrono::ceil<std::chrono::milliseconds>(elapsed).count();
  const auto all = std::max<std::int64_t>(std::chrono::floor<std::chrono::milliseconds>(period).count(), 1);
  const Wide back = (Wide{count} * passed + all - 1) / all;
  return Units(static_cast<std::int64_t>(std::min(back, Wide{kMaxUnits.count()})));
}

}  // namespace detail

/// Whether units under these limits may be taken in advance. They may not if a limit counts calls (PER REQUEST), gives
/// each call its own turn (LEAKYBUCKET) or its own lease (CONCURRENT). A window with an end may be leased only if it is the
/// one limit: only then does the answer say when the window ends, and units of one window must not be used in the next.
[[nodiscard]] inline bool may_lease(const Limits& limits) {
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const Limit& limit = limits[i];
    if (limit.is_per_request() || limit.has_leases()) return false;
    if (limit.spec().algorithm == Algorithm::leaky_bucket) return false;
    if (detail::is_window_with_end(limit) && limits.size() > 1) return false;
  }
  return true;
}

/// How many of the `left` unused units may be refunded `elapsed` after `taken` units were taken: those that certainly
/// still count on the server. The others may have flowed back by themselves. In a bucket the units that were taken first
/// flow back first, so at most the refill since then has flowed back. Rounded down.
[[nodiscard]] inline Units refundable(const Limits& limits, Units taken, Units left, Span elapsed) {
  Units units = left;
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const LimitSpec spec = limits[i].spec();
    switch (spec.algorithm) {
      case Algorithm::token_bucket:
        units = std::min(units, taken - detail::flowed_back(spec.refill.count(), elapsed, spec.span));
        break;
      case Algorithm::sliding_window_log:
        if (elapsed >= spec.span) units = kNoUnits;
        break;
      case Algorithm::sliding_window_counter:
        units = std::min(units, left - detail::flowed_back(left.count(), elapsed, spec.span));
        break;
      case Algorithm::fixed_window:
      case Algorithm::quota: break;  // all, until the window ends: `Lease::refundable_until`
      case Algorithm::leaky_bucket:
      case Algorithm::concurrent: return kNoUnits;
    }
  }
  return std::max(units, kNoUnits);
}

struct Lease {
  std::string key;
  std::string subject;
  Policy policy;
  Units taken;
  Units left;
  Units limit;            ///< the size of the binding limit, as the server said
  std::string label;      ///< of the binding limit
  Time taken_at;          ///< no later than the server charged the units
  Time ends;              ///< from then on it serves no call
  Time refundable_until;  ///< from then on it is not refunded: its window has ended
};

/// Sets the times of a lease that was asked for at `asked_at`, for `length` at most. `reset` is what the server answered.
/// The server rounds up to a millisecond, so the window may end that much earlier.
inline void set_times(Lease& lease, Time asked_at, Span length, std::chrono::milliseconds reset) {
  lease.taken_at = asked_at;
  lease.ends = asked_at + length;
  lease.refundable_until = Time::max();
  const Limits* limits = lease.policy.limits();
  if (limits == nullptr || !detail::is_window_with_end((*limits)[0])) return;
  lease.refundable_until = asked_at + reset - std::chrono::milliseconds{1};
  lease.ends = std::min(lease.ends, lease.refundable_until);
}

/// How many units of a lease to refund, if the refund reaches the server no later than `at`.
[[nodiscard]] inline Units to_refund(const Lease& lease, Time at) {
  const Limits* limits = lease.policy.limits();
  if (limits == nullptr || at >= lease.refundable_until) return kNoUnits;
  return refundable(*limits, lease.taken, lease.left, at - lease.taken_at);
}

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_LEASE_H
