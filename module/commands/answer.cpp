// SPDX-License-Identifier: MIT
#include "commands/answer.h"

#include <string>

#include "commands/reply.h"
#include "ratelimit/block.h"
#include "ratelimit/blocked.h"
#include "ratelimit/http/http_fields.h"
#include "ratelimit/request.h"
#include "ratelimit/turn.h"
#include "ratelimit/verdict.h"
#include "server/api.h"

namespace ratelimit {
namespace {

/// Adds a random wait and the fields of HTTP, and replies.
void reply_in_full(const Call& call, const KeySession& session, const Request& request, Verdict& verdict,
                   const AnswerForm& form, CheckReply reply) {
  std::vector<HttpField> fields;
  std::vector<LimitStatus> statuses;
  if (form.has_headers) statuses = statuses_after(session, request, verdict, call.now());
  const bool is_denied = verdict.decision.outcome == Outcome::denied;
  if (is_denied && form.jitter > Span{}) verdict.decision.wait += server::random_span(form.jitter);
  if (form.has_headers) {
    fields = http_fields(statuses, verdict.binding, verdict.decision.outcome, verdict.decision.wait);
    reply.fields = &fields;
  }
  reply_check(call.server(), verdict.decision, reply);
}

}  // namespace

Fault fault_of(KeyFault fault) {
  switch (fault) {
    case KeyFault::wrong_type: return {Fault::Kind::wrong_type, Argument::key};
    case KeyFault::no_limits: return {Fault::Kind::no_limits, Argument::limits};
    case KeyFault::other_limits: return {Fault::Kind::other_limits, Argument::limits};
    case KeyFault::repeated_label: return {Fault::Kind::repeated_label, Argument::label};
    case KeyFault::used_in_both: return {Fault::Kind::used_in_both, Argument::subject};
    case KeyFault::too_many_changes: return {Fault::Kind::too_many_changes, Argument::limits};
    case KeyFault::stores_none: return {Fault::Kind::stores_none, Argument::subject};
    case KeyFault::other_labels: return {Fault::Kind::other_labels, Argument::label};
    case KeyFault::too_many_exceptions: return {Fault::Kind::too_many_exceptions, Argument::subject};
  }
  return {Fault::Kind::wrong_type, Argument::key};
}

std::vector<LimitStatus> statuses_after(const KeySession& session, const Request& request, const Verdict& verdict,
                                        Instant now) {
  if (session.is_shadow()) {
    std::vector<LimitStatus> statuses = statuses_of_unused(session.limits());
    if (session.blocked_for() > Span{}) block_statuses(statuses, session.blocked_for(), Span{});
    return statuses;
  }
  const auto costs_at = [&](Instant at) {
    if (request.mode == Mode::estimate) return session.asked_by_reservation(request, at);
    return request.costs(session.limits()).each();
  };
  return session.visit_states([&](const Limits& limits, const auto& cells, const Turn& turn) {
    return limit_statuses_after(limits, cells, turn, session.block(), request, verdict, now, costs_at);
  });
}

std::string_view label_of(const Limits& limits, const Verdict& verdict) {
  return verdict.is_blocked ? Block::kLabel : limits.label(verdict.binding);
}

void show_on_trial(const KeySession& session, Verdict& verdict, Units cost, Mode mode) {
  grant_on_trial(session.limits(), verdict, cost);
  const Span left = session.blocked_for();
  if (left == Span{}) return;
  note_block(verdict, left);
  if (mode == Mode::force) return;
  verdict.decision.outcome = Outcome::denied;
  verdict.decision.granted = kNoUnits;
  verdict.decision.wait = left;
  verdict.is_blocked = true;
}

void answer_check(const Call& call, const KeySession& session, const Request& request, Verdict& verdict,
                  const AnswerForm& form) {
  const Limits& limits = session.limits();
  const bool has_id = form.has_id && limits.have_leases();
  std::string id;
  if (session.is_shadow()) {
    show_on_trial(session, verdict, request.costs(limits).most(), request.mode);
    if (verdict.id.empty() && request.takes_lease(limits)) {
      verdict.id = request.id.empty() ? id = server::random_id() : request.id;
    }
  }
  CheckReply reply;
  if (form.has_label) reply.label = label_of(limits, verdict);
  if (has_id) reply.note = verdict.decision.outcome == Outcome::granted ? verdict.id : "";
  if (form.has_headers || form.jitter > Span{}) {
    reply_in_full(call, session, request, verdict, form, reply);
  } else {
    reply_check(call.server(), verdict.decision, reply);
  }
}

void answer_in_brief(const Call& call, const KeySession& session, const Request& request, Verdict& verdict,
                     Span jitter) {
  Decision& decision = verdict.decision;
  if (session.is_shadow()) {
    show_on_trial(session, verdict, request.costs(session.limits()).most(), request.mode);
  }
  if (decision.outcome == Outcome::denied && jitter > Span{}) decision.wait += server::random_span(jitter);
  reply_brief(call.server(), decision);
}

void answer(const Call& call, const KeySession& session, const Request& request, Verdict verdict, Units granted,
            std::string_view note, const AnswerForm& form) {
  if (session.is_shadow()) show_on_trial(session, verdict, granted, request.mode);
  reply_in_full(call, session, request, verdict, form, {.label = label_of(session.limits(), verdict), .note = note});
}

}  // namespace ratelimit
