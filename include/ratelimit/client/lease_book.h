// SPDX-License-Identifier: MIT
// The books of the leases of a client: which lease serves which call, which call may take the next one, and which leases
// have ended and wait for their refund. Time is an argument. Not thread-safe: the lease keeper locks. Pure; depends on
// leases.
#ifndef RATELIMIT_CLIENT_LEASE_BOOK_H
#define RATELIMIT_CLIENT_LEASE_BOOK_H

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ratelimit/client/clock.h"
#include "ratelimit/client/lease.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

class LeaseBook {
 public:
  /// Holds at most `max` leases.
  explicit LeaseBook(std::size_t max) : max_(max) {}

  /// What becomes of a call that a lease may serve.
  struct Taken {
    enum class Kind : std::uint8_t {
      served,    ///< a lease served it
      to_take,   ///< the caller must take a lease from the server, and then call `put` or `give_up`
      not_here,  ///< another call is taking a lease, or there are too many leases: ask the server as usual
    };
    Kind kind = Kind::not_here;
    Units left;         ///< served: units in the lease after this call
    Units limit;        ///< served: `Lease::limit`
    std::string label;  ///< served: `Lease::label`
  };

  /// Takes `cost` units from the lease of that name.
  [[nodiscard]] Taken take(const std::string& name, Units cost, Time now) {
    const auto [place, is_new] = places_.try_emplace(name);
    Place& here = place->second;
    if (here.lease && now < here.lease->ends && here.lease->left >= cost) {
      here.lease->left -= cost;
      return {Taken::Kind::served, here.lease->left, here.lease->limit, here.lease->label};
    }
    if (is_new && places_.size() > max_) {
      places_.erase(place);
      return {};
    }
    if (std::exchange(here.is_being_taken, true)) return {};
    end(here);
    return {.kind = Taken::Kind::to_take, .left = {}, .limit = {}, .label = {}};
  }

  /// The lease that a call took after `to_take`: from now on it serves calls.
  void put(const std::string& name, Lease lease) {
    const auto place = places_.find(name);
    if (place == places_.end()) return put_ended(std::move(lease));
    place->second.is_being_taken = false;
    place->second.lease = std::move(lease);
  }

  /// After `to_take`: no lease was taken. Another call may try.
  void give_up(const std::string& name) { places_.erase(name); }

  /// A lease that serves no call: it waits for its refund.
  void put_ended(Lease lease) { ended_.push_back(std::move(lease)); }

  /// Removes and returns the leases that have ended by `now`, for their refund.
  [[nodiscard]] std::vector<Lease> ended(Time now) {
    for (auto place = places_.begin(); place != places_.end();) {
      const bool is_over = place->second.lease && place->second.lease->ends <= now;
      if (is_over) end(place->second);
      const bool is_empty = !place->second.lease && !place->second.is_being_taken;
      place = is_empty ? places_.erase(place) : std::next(place);
    }
    return std::exchange(ended_, {});
  }

  /// Ends, removes and returns all leases.
  [[nodiscard]] std::vector<Lease> close() { return ended(Time::max()); }

  /// When the next lease ends; long ago, if one waits for its refund. None if there is no lease.
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

  std::size_t max_;
  std::map<std::string, Place, std::less<>> places_;
  std::vector<Lease> ended_;  ///< wait for their refund; as many as ended since `ended` was called last
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_LEASE_BOOK_H
