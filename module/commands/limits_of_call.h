// SPDX-License-Identifier: MIT
// Which limits apply to a call, and whether the call can have its options under them.
#ifndef RATELIMIT_MODULE_COMMANDS_LIMITS_OF_CALL_H
#define RATELIMIT_MODULE_COMMANDS_LIMITS_OF_CALL_H

#include <optional>

#include "commands/answer.h"
#include "commands/requests.h"
#include "keyspace/key_session.h"
#include "ratelimit/grammar/fault.h"

namespace ratelimit {

/// The fault of a call whose options do not go with the limits that apply, or to which none do. Gives nothing back.
[[nodiscard]] std::optional<Fault> fault_of_options(KeySession& session, const CheckRequest& request,
                                                    KeySession::Otherwise otherwise, Purpose purpose);

/// Finds the limits that apply to a call, as KeySession::find_limits does. With a fault nothing has changed.
[[nodiscard]] inline std::optional<Fault> find_limits(KeySession& session, const CheckRequest& request,
                                                      KeySession::Otherwise otherwise, Purpose purpose) {
  // The parser has seen whether limits that the call names allow a brief answer.
  const bool may_be_too_brief = request.is_brief && request.limits.empty();
  if (may_be_too_brief || !request.call.charged.empty()) {
    if (const auto fault = fault_of_options(session, request, otherwise, purpose)) return fault;
  }
  if (const auto fault = session.find_limits(request.limits.named(), otherwise)) return fault_of(*fault);
  return std::nullopt;
}

/// The fault of a call that gives a cost to a limit that is not among those that apply.
[[nodiscard]] std::optional<Fault> fault_of_labels(const KeySession& session, const Request& request);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_COMMANDS_LIMITS_OF_CALL_H
