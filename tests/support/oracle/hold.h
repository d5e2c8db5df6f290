// SPDX-License-Identifier: MIT
// What a subject has reserved under one id.
#ifndef RATELIMIT_TESTS_SUPPORT_ORACLE_HOLD_H
#define RATELIMIT_TESTS_SUPPORT_ORACLE_HOLD_H

#include <cstdint>
#include <map>
#include <optional>

#include "accounts.h"
#include "ratelimit/units.h"

namespace ratelimit::oracle {

/// A number of units for each account, by the identities of the accounts; and for those that are opened later.
struct EachAccount {
  std::map<std::uint64_t, Units> known;
  Units later;

  [[nodiscard]] Units of(const Account& account) const {
    const auto found = known.find(account.identity);
    return found != known.end() ? found->second : later;
  }
  /// Makes each number what `next(number, identity)` says; for those opened later, there is no identity.
  template <class Next>
  void change(Next next) {
    for (auto& [identity, units] : known) units = next(units, std::optional(identity));
    later = next(later, std::optional<std::uint64_t>());
  }
  [[nodiscard]] Units at(const std::optional<std::uint64_t>& identity) const {
    const auto found = identity ? known.find(*identity) : known.end();
    return found != known.end() ? found->second : later;
  }
};

/// Units that were charged for a call whose cost is not known yet; or what it did cost, once it is settled.
struct Hold {
  Instant end;
  Units units;          ///< the most that an account was charged
  EachAccount charged;  ///< until it is settled
  EachAccount newer;    ///< units charged since, as far as they are not known to have been too many
  bool is_settled = false;
};

}  // namespace ratelimit::oracle

#endif  // RATELIMIT_TESTS_SUPPORT_ORACLE_HOLD_H
