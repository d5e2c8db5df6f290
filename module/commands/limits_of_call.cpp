// SPDX-License-Identifier: MIT
#include "commands/limits_of_call.h"

#include "commands/answer.h"
#include "ratelimit/costs.h"

namespace ratelimit {

std::optional<Fault> fault_of_labels(const KeySession& session, const Request& request) {
  if (have_all_labels(session.limits(), request.charged)) return std::nullopt;
  return Fault{Fault::Kind::unknown_label, Argument::charged_label};
}

std::optional<Fault> find_limits(KeySession& session, const CheckRequest& request, KeySession::Otherwise otherwise,
                                 Purpose purpose) {
  const auto specs = request.limits.span();
  // The parser has seen whether limits that the call names allow a brief answer.
  const bool may_be_too_brief = request.is_brief && specs.empty();
  if (may_be_too_brief || !request.call.charged.empty()) {
    if (const auto fault = session.look_for_limits(specs, otherwise)) return fault_of(*fault);
    if (session.has_limits()) {
      if (const auto fault = fault_of_labels(session, request.call)) return fault;
      if (may_be_too_brief) {
        if (const auto fault = fault_of_brief(session.limits(), request.call.id, purpose)) return fault;
      }
    }
  }
  const auto fault = session.find_limits(specs, otherwise);
  return fault ? std::optional(fault_of(*fault)) : std::nullopt;
}

}  // namespace ratelimit
