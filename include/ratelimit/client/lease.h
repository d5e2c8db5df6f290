// Units that were taken in advance for subjects that are asked for often, to serve the next calls without a round trip.
//
// They count as used on the server from when they are taken, so that nobody else gets them: what all processes grant is
// never more than what the server granted. A lease ends soon, and what is left of it is given back, as far as it still
// counts there. This is the book-keeping: which lease serves which call, who may take the next one, and what may be given
// back. Pure; depends on policies.
#ifndef RATELIMIT_CLIENT_LEASE_H
#define RATELIMIT_CLIENT_LEASE_H

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ratelimit/client/clock.h"
#include "ratelimit/client/policy.h"
#include "ratelimit/limits.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

namespace detail {

[[nodiscard]] inline bool is_window_with_end(const Limit& limit) {
  const Algorithm algorithm = limit.spec().algorithm;
  return algorithm == Algorithm::fixed_window || algorithm == Algorithm::quota;
}

/// `count` of `whole`, of which `part` has passed, rounded up. What is asked about is at most an hour, in milliseconds.
[[nodiscard]] inline Units gone(std::int64_t count, Span part, Span whole) {
  constexpr Span kLongest = std::chrono::hours{1};
  if (part > kLongest) return kMaxUnits;
  const auto passed = std::chrono::ceil<std::chrono::milliseconds>(part).count();
  const auto all = std::max<std::int64_t>(std::chrono::floor<std::chrono::milliseconds>(whole).count(), 1);
  return Units((count * passed + all - 1) / all);
}

}  // namespace detail

/// Whether units under these limits may be taken in advance. Not if each call counts, or each is told when to go, or has
/// a lease of its own. A window with an end only if it is alone: only then does the answer say when it ends, and units of
/// one window are not to be used in the next.
[[nodiscard]] inline bool may_lease(const Limits& limits) {
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const Limit& limit = limits[i];
    if (limit.is_per_request() || limit.has_leases()) return false;
    if (limit.spec().algorithm == Algorithm::leaky_bucket) return false;
    if (detail::is_window_with_end(limit) && limits.size() > 1) return false;
  }
  return true;
}

/// How much of `taken` units, of which `left` are unused, still counts on the server for certain when `elapsed` has
/// passed since they were taken: so much may be given back. The rest has flowed back by itself. Of what a bucket holds,
/// that which was taken first flows back first, so at most what was refilled since is gone. Rounded down.
[[nodiscard]] inline Units refundable(const Limits& limits, Units taken, Units left, Span elapsed) {
  Units units = left;
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const LimitSpec spec = limits[i].spec();
    switch (spec.algorithm) {
      case Algorithm::token_bucket:
        units = std::min(units, taken - detail::gone(spec.refill.count(), elapsed, spec.span));
        break;
      case Algorithm::sliding_window_log:
        if (elapsed >= spec.span) units = kNoUnits;
        break;
      case Algorithm::sliding_window_counter:
        units = std::min(units, left - detail::gone(left.count(), elapsed, spec.span));
        break;
      case Algorithm::fixed_window:
      case Algorithm::quota: break;  // all until the window ends: the lease knows when
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
  Units limit;            ///< what the server said of the binding limit
  std::string label;      ///< likewise
  Time taken_at;          ///< no later than on the server
  Time ends;              ///< from then on it serves nobody
  Time refundable_until;  ///< from then on it is not given back: its window has ended
};

/// When a lease ends that was asked for at `asked_at`, and until when it may be given back. `reset` is what the server
/// said, rounded up to a millisecond, so the window may end that much earlier.
inline void set_times(Lease& lease, Time asked_at, Span length, std::chrono::milliseconds reset) {
  lease.taken_at = asked_at;
  lease.ends = asked_at + length;
  lease.refundable_until = Time::max();
  const Limits* limits = lease.policy.limits();
  if (limits == nullptr || !detail::is_window_with_end((*limits)[0])) return;
  lease.refundable_until = asked_at + reset - std::chrono::milliseconds{1};
  lease.ends = std::min(lease.ends, lease.refundable_until);
}

/// What of a lease to give back, if that reaches the server no later than `at`.
[[nodiscard]] inline Units to_refund(const Lease& lease, Time at) {
  const Limits* limits = lease.policy.limits();
  if (limits == nullptr || at >= lease.refundable_until) return kNoUnits;
  return refundable(*limits, lease.taken, lease.left, at - lease.taken_at);
}

class LeaseBook {
 public:
  explicit LeaseBook(std::size_t most) : most_(most) {}

  struct Taken {
    enum class Kind : std::uint8_t {
      served,    ///< by a lease
      to_take,   ///< the caller is to take a lease, and then to call `put` or `give_up`
      not_here,  ///< somebody else is taking one, or there are too many: the server is to be asked as usual
    };
    Kind kind = Kind::not_here;
    Units left;   ///< served: in the lease
    Units limit;  ///< served: what the server had said
    std::string label;
  };

  [[nodiscard]] Taken take(const std::string& name, Units cost, Time now) {
    const auto [place, is_new] = places_.try_emplace(name);
    Place& here = place->second;
    if (here.lease && now < here.lease->ends && here.lease->left >= cost) {
      here.lease->left -= cost;
      return {Taken::Kind::served, here.lease->left, here.lease->limit, here.lease->label};
    }
    if (is_new && places_.size() > most_) {
      places_.erase(place);
      return {};
    }
    if (std::exchange(here.is_being_taken, true)) return {};
    end(here);
    return {.kind = Taken::Kind::to_take, .left = {}, .limit = {}, .label = {}};
  }

  void put(const std::string& name, Lease lease) {
    const auto place = places_.find(name);
    if (place == places_.end()) return ended_.push_back(std::move(lease));  // closed meanwhile
    place->second.is_being_taken = false;
    place->second.lease = std::move(lease);
  }

  void give_up(const std::string& name) { places_.erase(name); }

  /// A lease that was not even put: to be given back.
  void put_ended(Lease lease) { ended_.push_back(std::move(lease)); }

  /// Those that have ended by `now`, to be given back; each is told once.
  [[nodiscard]] std::vector<Lease> ended(Time now) {
    for (auto place = places_.begin(); place != places_.end();) {
      const bool is_over = place->second.lease && place->second.lease->ends <= now;
      if (is_over) end(place->second);
      const bool is_empty = !place->second.lease && !place->second.is_being_taken;
      place = is_empty ? places_.erase(place) : std::next(place);
    }
    return std::exchange(ended_, {});
  }

  /// All of them: they serve nobody any more.
  [[nodiscard]] std::vector<Lease> close() { return ended(Time::max()); }

  /// When the next one ends; none if there is none.
  [[nodiscard]] std::optional<Time> next_end() const {
    if (!ended_.empty()) return Time::min();
    std::optional<Time> next;
    for (const auto& [name, place] : places_) {
      if (place.lease) next = std::min(next.value_or(Time::max()), place.lease->ends);
    }
    return next;
  }

  [[nodiscard]] std::size_t size() const { return places_.size(); }

 private:
  struct Place {
    std::optional<Lease> lease;
    bool is_being_taken = false;
  };

  void end(Place& place) {
    if (place.lease) ended_.push_back(std::move(*place.lease));
    place.lease.reset();
  }

  std::size_t most_;
  std::map<std::string, Place, std::less<>> places_;
  std::vector<Lease> ended_;  ///< at most as many as are taken between two times that somebody asks
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_LEASE_H
