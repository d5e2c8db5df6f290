// RL.CHECK and its shorthands: decide a call under limits, and charge it if it is granted.
#include <optional>
#include <string>
#include <vector>

#include "commands/arguments.h"
#include "commands/commands.h"
#include "commands/reply.h"
#include "keyspace/module.h"
#include "keyspace/open_key.h"
#include "ratelimit/http/limit_status.h"

namespace ratelimit::commands {
namespace {

/// Whether a command's reply names the binding limit.
enum class Label : bool { left_out, shown };

/// One call: what it asks, and how it is answered.
struct Check {
  const Call& call;
  const CheckRequest& request;
  Label label;
  Instant now;
};

/// What the callers see of a verdict on trial: a grant.
void put_on_trial(const Check& check, const Limits& limits, Verdict& verdict, std::string& id) {
  const Request& request = check.request.call;
  grant_on_trial(verdict, request.cost);
  if (verdict.id.empty()) verdict.id = request.id;
  if (verdict.id.empty() && limits.have_leases()) verdict.id = id = server::random_id();
}

/// Adds to a reply what the call asks for besides: a wait that differs from caller to caller, fields of HTTP.
template <class Cells>
void reply_in_full(const Check& check, const OpenKey& key, const Limits& limits, const Cells& cells, Verdict& verdict,
                   CheckReply form) {
  std::vector<HttpField> fields;
  std::vector<LimitStatus> statuses;
  if (check.request.headers) {
    const Turn turn = key.subject() ? key.subject()->turn() : Turn{};
    statuses = limit_statuses_after(limits, cells, turn, check.request.call, verdict, check.now);
  }
  const bool is_denied = verdict.decision.outcome == Outcome::denied;
  if (is_denied && check.request.jitter > Span{}) verdict.decision.wait += server::random_span(check.request.jitter);
  if (check.request.headers) {
    fields = http_fields(statuses, verdict.binding, verdict.decision.outcome, verdict.decision.wait);
    form.fields = &fields;
  }
  reply_check(check.call.context(), verdict.decision, form);
}

/// Tells a verdict under `limits`, which left the states as `cells`.
template <class Cells>
void reply(const Check& check, const OpenKey& key, const Limits& limits, const Cells& cells, Verdict& verdict) {
  std::string id;
  if (key.is_shadow()) put_on_trial(check, limits, verdict, id);
  CheckReply form;
  if (check.label == Label::shown) form.label = limits.label(verdict.binding);
  if (limits.have_leases()) form.note = verdict.decision.outcome == Outcome::granted ? verdict.id : "";
  if (check.request.headers || check.request.jitter > Span{}) {
    reply_in_full(check, key, limits, cells, verdict, form);
  } else {
    reply_check(check.call.context(), verdict.decision, form);
  }
}

/// The subject goes by the limits that it has: nothing is looked up, nothing allocated.
void check_under_limits_of_subject(OpenKey& key, const Check& check) {
  const Limits& limits = key.subject()->limits();  // shared: they outlive the view, which may move to a larger place
  Verdict verdict = key.charge(check.request.call, check.now);
  key.count_call(verdict.decision.outcome);
  reply(check, key, limits, key.subject()->cells(), verdict);
}

/// A call that these limits can never grant changes nothing, not the limits of the subject either.
void refuse_for_ever(OpenKey& key, const Check& check, const Limits& limits) {
  const Request& request = check.request.call;
  key.count_call(Outcome::never);
  if (!key.subject()) {
    std::array<Cell, kMaxLimits> idle;
    construct_idle(limits, idle);  // an idle state owns nothing, so that nothing is to be destroyed
    Verdict verdict = decide(limits, idle, Turn{}, request, check.now);
    return reply(check, key, limits, idle, verdict);
  }
  const Subject& subject = *key.subject();
  const Turn turn = subject.turn();
  const CarriedStates carried(subject.limits(), subject.cells(), limits, turn.or_later(check.now));
  Verdict verdict = decide(limits, carried, turn, request, check.now);
  reply(check, key, limits, carried, verdict);
}

std::optional<Fault> decide_and_reply(const Call& call, const CheckRequest& request, Label label) {
  const Check check{call, request, label, module().clock.now()};
  OpenKey key(call.context(), call.key(), server::Key::Access::write, request.subject);
  if (const auto fault = key.fault()) return fault;
  SharedLimits limits;
  if (const auto fault = key.find_limits(request.limits.span(), limits)) return fault;
  const bool has_limits = limits || key.is_stored() || !request.limits.empty();
  if (!has_limits) return Fault{Fault::Kind::no_limits, Argument::limits};
  key.collect(check.now);
  // What was held may have been all that there was.
  if (!key.subject() && !limits) limits = module().limits.get(request.limits.span());
  if (limits) {
    if (is_never(*limits, request.call)) {
      refuse_for_ever(key, check, *limits);
      return std::nullopt;
    }
    key.follow(limits, check.now);
  }
  check_under_limits_of_subject(key, check);
  return std::nullopt;
}

std::optional<Fault> shorthand(const Call& call, Algorithm algorithm) {
  CheckRequest request;
  if (const auto fault = parse_shorthand(call.words(), algorithm, request)) return fault;
  return decide_and_reply(call, request, Label::left_out);
}

}  // namespace

std::optional<Fault> check(const Call& call) {
  CheckRequest request;
  if (const auto fault = parse_check(call.words(), forms::kCheck.options, request)) return fault;
  return decide_and_reply(call, request, Label::shown);
}

std::optional<Fault> check_one_limit(const Call& call, Algorithm algorithm) { return shorthand(call, algorithm); }

}  // namespace ratelimit::commands
