// SPDX-License-Identifier: MIT
// What a call costs under each of its limits, and each account of its subject: one cost for all, but for the limits that
// it gives a cost of their own. Depends on limits and on operations.
#ifndef RATELIMIT_COSTS_H
#define RATELIMIT_COSTS_H

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "ratelimit/limits.h"
#include "ratelimit/operation.h"
#include "ratelimit/units.h"

namespace ratelimit {

/// The cost that a call gives the limit with that label.
struct Charge {
  std::string_view label;
  Units cost;
};
using Charged = std::span<const Charge>;

/// The cost under a limit with that label: its own, if it was given one, else that of all others.
[[nodiscard]] inline Units cost_for(std::string_view label, Units cost, Charged charged) {
  const auto own =
      std::find_if(charged.begin(), charged.end(), [&](const Charge& each) { return each.label == label; });
  return own != charged.end() ? own->cost : cost;
}

/// Whether each label is that of a limit.
[[nodiscard]] inline bool have_all_labels(const Limits& limits, Charged charged) {
  return std::all_of(charged.begin(), charged.end(),
                     [&limits](const Charge& each) { return limits.find(each.label).has_value(); });
}

/// The costs under the limits of a call. A limit that counts requests costs 1, or nothing if the call costs nothing at
/// all.
class Costs {
 public:
  Costs(const Limits& limits, Units cost, Charged charged) : most_(charged.empty() ? cost : kNoUnits) {
    for (std::size_t i = 0; i < limits.size(); ++i) {
      costs_[i] = charged.empty() ? cost : cost_for(limits.label(i), cost, charged);
      most_ = std::max(most_, costs_[i]);
    }
    for (std::size_t i = 0; i < limits.size(); ++i) {
      if (limits[i].is_per_request()) costs_[i] = std::min(most_, kMinUnits);
    }
  }

  [[nodiscard]] Units operator[](std::size_t i) const { return costs_[i]; }
  [[nodiscard]] const Charges& each() const { return costs_; }
  /// The same, but to no limit more than its size.
  [[nodiscard]] Costs cut(const Limits& limits) const {
    Costs cut = *this;
    for (std::size_t i = 0; i < limits.size(); ++i) cut.costs_[i] = std::min(costs_[i], limits[i].size());
    return cut;
  }
  /// The most that a limit is asked for.
  [[nodiscard]] Units most() const { return most_; }
  [[nodiscard]] bool are_nothing() const { return most_ == kNoUnits; }
  /// Whether a limit with leases is asked for something.
  [[nodiscard]] bool take_lease(const Limits& limits) const {
    if (!limits.have_leases()) return false;
    for (std::size_t i = 0; i < limits.size(); ++i) {
      if (limits[i].has_leases() && costs_[i] > kNoUnits) return true;
    }
    return false;
  }

 private:
  Charges costs_{};
  Units most_;
};

/// What a call costs each account of a subject, if it gives limits costs of their own. `place(i)` is where the account of
/// limit i of the call is. An account that the call does not name costs what the call says for its name.
template <class PlaceOf>
[[nodiscard]] Charges costs_of_accounts(const Limits& accounts, const Limits& named, Units cost, Charged charged,
                                        PlaceOf place) {
  const Costs costs(named, cost, charged);
  Charges all = same_for_all(costs.most());
  for (std::size_t j = 0; j < accounts.size(); ++j) {
    if (accounts[j].is_per_request()) continue;  // costs one request
    all[j] = std::min(cost_for(Limits::name_of(accounts[j].spec()), cost, charged), costs.most());
  }
  for (std::size_t i = 0; i < named.size(); ++i) {
    const std::optional<std::size_t> j = place(i);
    if (j && !named[i].is_per_request()) all[*j] = costs[i];
  }
  return all;
}

}  // namespace ratelimit

#endif  // RATELIMIT_COSTS_H
