// SPDX-License-Identifier: MIT
// RL.PEEK: what RL.CHECK would answer, taking nothing.
#include <optional>

#include "commands/answer.h"
#include "commands/commands.h"
#include "commands/forms.h"
#include "commands/requests.h"
#include "keyspace/key_session.h"

namespace ratelimit::commands {

std::optional<Fault> peek(const Call& call) {
  CheckRequest request;
  if (const auto fault = parse_check(call.words(), forms::kPeek.options, request)) return fault;
  KeySession session(call.context(), call.key(), KeySession::Access::read, request.subject);
  const auto fault = session.find_limits(request.limits.span(), KeySession::Otherwise::those_of_subject);
  if (fault) return fault_of(*fault);
  if (session.has_limits()) {
    answer(call, session, session.peek(request.call), request.call.cost);
  } else {
    call.server().reply_null();
  }
  return std::nullopt;
}

}  // namespace ratelimit::commands
