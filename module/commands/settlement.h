// SPDX-License-Identifier: MIT
// The settlement of a hold in one key: by which limits it goes, and what becomes of it.
#ifndef RATELIMIT_MODULE_COMMANDS_SETTLEMENT_H
#define RATELIMIT_MODULE_COMMANDS_SETTLEMENT_H

#include <optional>
#include <span>
#include <string_view>

#include "keyspace/key_session.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/grammar/fault.h"
#include "ratelimit/request.h"
#include "ratelimit/units.h"
#include "ratelimit/verdict.h"

namespace ratelimit {

/// What the reply says of the hold.
[[nodiscard]] constexpr std::string_view note_of_settlement(bool is_known) { return is_known ? "settled" : "unknown"; }

/// Finds the limits that a settlement goes by: those of the hold `settled.id` if it is there, else those that the call
/// names, else those of the subject. With a fault nothing has changed.
[[nodiscard]] std::optional<Fault> find_limits_of_hold(KeySession& session, const NamedLimits& named,
                                                       const Request& settled);

/// Whether limits apply to a settlement that names `specs`, or none. Who is idle is as if never seen: then only limits that
/// the call names, or the key stores, do.
[[nodiscard]] bool have_limits(const KeySession& session, std::span<const LimitSpec> specs);

struct Settlement {
  Verdict verdict;       ///< how the limits stand then; granted is the actual cost
  bool is_known = true;  ///< whether there was such a hold, settled or not
};

/// Ends the hold `settled.id`, or charges the cost all the same. A hold that is settled stays as it is. For a session that
/// found its limits, and has some.
[[nodiscard]] Settlement settle_hold(KeySession& session, const Request& settled, Instant now);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_COMMANDS_SETTLEMENT_H
