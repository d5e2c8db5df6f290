// SPDX-License-Identifier: MIT
// RL.PEEK: whether RL.CHECK would grant a call, and what is left now. Takes nothing.
#include <optional>

#include "commands/answer.h"
#include "commands/commands.h"
#include "commands/forms.h"
#include "commands/limits_of_call.h"
#include "commands/requests.h"
#include "keyspace/key_session.h"
#include "ratelimit/blocked.h"
#include "ratelimit/limits.h"
#include "ratelimit/request.h"
#include "ratelimit/turn.h"
#include "ratelimit/verdict.h"

namespace ratelimit::commands {

std::optional<Fault> peek(const Call& call) {
  CheckRequest request;
  if (const auto fault = parse_check(call.words(), forms::kPeek.options, request)) return fault;
  KeySession session(call.context(), call.key(), KeySession::Access::read, request.subject);
  const auto fault = find_limits(session, request, KeySession::Otherwise::those_of_subject, Purpose::look);
  if (fault) return fault;
  if (!session.has_limits() && session.blocked_for() == Span{}) {
    call.server().reply_null();
    return std::nullopt;
  }
  Verdict verdict = session.visit_states([&](const Limits& limits, const auto& cells, const Turn& turn) {
    return look(limits, cells, turn, session.block(), request.call, call.now());
  });
  if (request.is_brief) {
    answer_in_brief(call, session, request.call, verdict);
  } else {
    answer_check(call, session, request.call, verdict, {.has_id = false, .has_headers = request.headers});
  }
  return std::nullopt;
}

}  // namespace ratelimit::commands
