// SPDX-License-Identifier: MIT
// What a subject has reserved under one id.
#ifndef RATELIMIT_TESTS_SUPPORT_ORACLE_HOLD_H
#define RATELIMIT_TESTS_SUPPORT_ORACLE_HOLD_H

#include <cstdint>
#include <map>

#include "accounts.h"
#include "ratelimit/units.h"

namespace ratelimit::oracle {

/// Units that were charged for a call whose cost is not known yet; or what it did cost, once it is settled.
struct Hold {
  Instant end;
  Units units;                             ///< the most that an account was charged
  Units newer;                             ///< units charged since, as far as they are not known to have been too many
  std::map<std::uint64_t, Units> charged;  ///< by the identities of the accounts; `units` for those opened later
  bool is_settled = false;

  [[nodiscard]] Units charged_by(const Account& account) const {
    const auto found = charged.find(account.identity);
    return found != charged.end() ? found->second : units;
  }
};

}  // namespace ratelimit::oracle

#endif  // RATELIMIT_TESTS_SUPPORT_ORACLE_HOLD_H
