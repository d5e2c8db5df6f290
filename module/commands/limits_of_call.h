// SPDX-License-Identifier: MIT
// Which limits apply to a call, and whether the call can have its options under them.
#ifndef RATELIMIT_MODULE_COMMANDS_LIMITS_OF_CALL_H
#define RATELIMIT_MODULE_COMMANDS_LIMITS_OF_CALL_H

#include <optional>

#include "commands/errors.h"
#include "commands/requests.h"
#include "keyspace/key_session.h"

namespace ratelimit {

/// Finds the limits that apply to a call, as KeySession::find_limits does. With a fault nothing has changed.
[[nodiscard]] std::optional<Fault> find_limits(KeySession& session, const CheckRequest& request,
                                               KeySession::Otherwise otherwise, Purpose purpose);

/// The fault of a call that gives a cost to a limit that is not among those that apply.
[[nodiscard]] std::optional<Fault> fault_of_labels(const KeySession& session, const Request& request);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_COMMANDS_LIMITS_OF_CALL_H
