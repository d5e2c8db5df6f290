// SPDX-License-Identifier: MIT
#include "commands/limits_of_call.h"

#include "ratelimit/costs.h"

namespace ratelimit {

std::optional<Fault> fault_of_labels(const KeySession& session, const Request& request) {
  if (have_all_labels(session.limits(), request.charged)) return std::nullopt;
  return Fault{Fault::Kind::unknown_label, Argument::charged_label};
}

std::optional<Fault> fault_of_options(KeySession& session, const CheckRequest& request, KeySession::Otherwise otherwise,
                                      Purpose purpose) {
  if (const auto fault = session.look_for_limits(request.limits.named(), otherwise)) return fault_of(*fault);
  if (!session.has_limits()) return std::nullopt;
  if (const auto fault = fault_of_labels(session, request.call)) return fault;
  const bool may_be_too_brief = request.is_brief && request.limits.empty();
  return may_be_too_brief ? fault_of_brief(session.limits(), request.call.id, purpose) : std::nullopt;
}

}  // namespace ratelimit
