// SPDX-License-Identifier: MIT
// A change of a subject as a small value, which travels to replicas and files.
//
// An operation carries its own instant, and it is total. So the same operation on the same subject makes the same bytes
// here, on a replica, and when a file is replayed. docs/operations.md says what each does. Depends on sets of accounts.
#ifndef RATELIMIT_OPERATION_H
#define RATELIMIT_OPERATION_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "ratelimit/states.h"
#include "ratelimit/units.h"

namespace ratelimit {

/// Units for each account of a subject, by its place. The last are those of accounts that are opened later, which the
/// places behind the last account repeat.
inline constexpr std::size_t kChargedPlaces = kMaxLimits + 1;
using Charges = std::array<Units, kChargedPlaces>;

[[nodiscard]] constexpr Charges same_for_all(Units units) {
  Charges charges;
  charges.fill(units);
  return charges;
}

/// Whatever its numbers are, an operation leaves a valid subject.
struct Operation {
  enum class Kind : std::uint8_t {
    collect = 1,  ///< gives back the units of holds that have ended; all other operations do so first
    charge = 2,   ///< charges `units` as of `span` after `at`, the turn of a call that waits; takes the lease `id`
    refund = 3,   ///< gives `units` back
    reserve = 4,  ///< charges an estimate of `units` and holds it as `id` for `span`; a hold that is there is charged
                  ///< what it lacks, and lasts `span` from now on
    settle = 5,   ///< the call of the hold `id` did cost `units`; the id is remembered as settled
    release = 6,  ///< ends the lease `id`
    block = 7,    ///< blocks the subject for `span`, in place of a block that is there; 0: lifts that
  };

  Kind kind = Kind::collect;
  Instant at{};
  Units units{};                  ///< the most that an account is charged, or what the call did cost
  std::optional<Charges> each{};  ///< for each account, if they are not charged the same
  Span span{};
  std::string_view id{};
  /// The accounts that the call names. Charge and reserve book on all others by force.
  AccountSet named = kAllAccounts;
};

}  // namespace ratelimit

#endif  // RATELIMIT_OPERATION_H
