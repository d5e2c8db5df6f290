// SPDX-License-Identifier: MIT
// RL.CHECK and its shorthands: decide a call under limits, and charge it if it is granted.
#include <optional>

#include "commands/answer.h"
#include "commands/commands.h"
#include "commands/forms.h"
#include "commands/requests.h"
#include "keyspace/key_session.h"
#include "storage/stored_value.h"

namespace ratelimit::commands {
namespace {

std::optional<Fault> decide_and_answer_in_brief(const Call& call, const CheckRequest& request) {
  KeySession session(call.context(), call.key(), KeySession::Access::write, request.subject);
  const StoredValue& stored = session.key().stored();
  if (request.limits.empty() && stored.is_stored()) {  // the parser has seen those that the call names
    if (const auto fault = fault_of_brief(*stored.own_limits(), request.call.id, Purpose::take)) return fault;
  }
  const auto fault = session.find_limits(request.limits.span(), KeySession::Otherwise::fault);
  if (fault) return fault_of(*fault);
  Verdict verdict = session.decide(request.call);
  answer_in_brief(call, session, request.call, verdict, request.jitter);
  return std::nullopt;
}

std::optional<Fault> decide_and_answer(const Call& call, const CheckRequest& request, bool has_label) {
  if (request.is_brief) return decide_and_answer_in_brief(call, request);
  KeySession session(call.context(), call.key(), KeySession::Access::write, request.subject);
  const auto fault = session.find_limits(request.limits.span(), KeySession::Otherwise::fault);
  if (fault) return fault_of(*fault);
  Verdict verdict = session.decide(request.call);
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
