// SPDX-License-Identifier: MIT
// RL.CHECK and its shorthands: decide a call under limits, and charge it if it is granted.
#include <optional>

#include "commands/answer.h"
#include "commands/commands.h"
#include "commands/forms.h"
#include "commands/limits_of_call.h"
#include "commands/requests.h"
#include "keyspace/key_session.h"
#include "storage/stored_value.h"

namespace ratelimit::commands {
namespace {

std::optional<Fault> decide_and_answer(const Call& call, const CheckRequest& request, bool has_label) {
  KeySession session(call.context(), call.key(), KeySession::Access::write, request.subject);
  if (const auto fault = find_limits(session, request, KeySession::Otherwise::fault, Purpose::take)) return fault;
  Verdict verdict = session.decide(request.call);
  if (request.is_brief) {
    answer_in_brief(call, session, request.call, verdict, request.jitter);
    return std::nullopt;
  }
  answer_check(call, session, request.call, verdict,
               {.has_label = has_label, .jitter = request.jitter, .has_headers = request.headers});
  return std::nullopt;
}

}  // namespace

std::optional<Fault> check(const Call& call) {
  CheckRequest request;
  if (const auto fault = parse_check(call.words(), forms::kCheck.options, request)) return fault;
  return decide_and_answer(call, request, true);
}

std::optional<Fault> check_one_limit(const Call& call, Algorithm algorithm) {
  CheckRequest request;
  if (const auto fault = parse_shorthand(call.words(), algorithm, request)) return fault;
  return decide_and_answer(call, request, false);
}

}  // namespace ratelimit::commands
