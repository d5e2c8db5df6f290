// SPDX-License-Identifier: MIT
#include "commands/subject_info.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "commands/reply.h"
#include "keyspace/module.h"
#include "ratelimit/algorithms/lease_set.h"
#include "ratelimit/any_algorithm.h"
#include "ratelimit/block.h"
#include "ratelimit/limits.h"
#include "ratelimit/nearness.h"
#include "ratelimit/request.h"
#include "ratelimit/reservations.h"
#include "ratelimit/states.h"
#include "ratelimit/turn.h"
#include "ratelimit/verdict.h"

namespace ratelimit {
namespace {

/// How a limit stands: the answer to a call that takes nothing.
Decision status_of(const Limit& limit, const Cell& cell, Instant at) {
  return limit.visit([&](const auto& algorithm) {
    return algorithm.decide(state_in(cell, algorithm), Ask{kNoUnits, {}, true}, at).decision;
  });
}

Units used_of(const Limit& limit, const Cell& cell, Instant at) {
  return limit.visit([&](const auto& algorithm) { return algorithm.used(state_in(cell, algorithm), at); });
}

/// How holders are listed: none ends later than `longest` from now on, and each has so many more fields.
struct HoldersForm {
  Instant now;
  Span longest;
  std::size_t more_fields;
};
/// Those that have not ended, and end first. Calls `reply_more(holder)` for the other fields of each.
template <class ReplyMore>
void reply_first_holders(const server::Context& context, const LeaseSet& holders, const HoldersForm& form,
                         ReplyMore reply_more) {
  context.reply_list(std::min(holders.count_after(form.now), kMostListed));
  holders.for_first_after(form.now, kMostListed, [&](std::string_view id, const LeaseSet::Holder& holder) {
    context.reply_map(3 + form.more_fields);
    context.reply("id");
    context.reply(id);
    context.reply("units");
    context.reply(holder.units.count());
    context.reply("ends_ms");
    context.reply(milliseconds(std::min(holder.end - form.now, form.longest)));
    reply_more(holder);
  });
}

void reply_leases(const server::Context& context, const Limit& limit, const Cell& cell, Instant now) {
  limit.visit([&]<class A>(const A& algorithm) {
    if constexpr (HasLeases<A>) {
      const typename A::State& state = state_in(cell, algorithm);
      const LeaseSet none;
      const LeaseSet& leases = state.leases() != nullptr ? *state.leases() : none;
      context.reply("leases");
      context.reply(static_cast<std::int64_t>(leases.count_after(now)));
      context.reply("first_leases");
      reply_first_holders(context, leases, {now, state.longest(), 0}, [](const LeaseSet::Holder&) {});
    }
  });
}

/// When a subject is asked.
struct Moment {
  Instant now;
  Instant at;     ///< the turn, if somebody waits
  Instant opens;  ///< nothing is granted before: the turn, or the end of a block

  [[nodiscard]] bool is_any_left() const { return opens <= now; }
};

Moment moment_of(const Turn& turn, Span blocked_for, Instant now) {
  return {now, turn.or_later(now), turn.or_later(now + blocked_for)};
}

/// A decision of which only outcome and wait matter.
Decision decision_with(Outcome outcome, Span wait) {
  Decision decision;
  decision.outcome = outcome;
  decision.wait = wait;
  return decision;
}
Decision granted_at_once() { return decision_with(Outcome::granted, Span{}); }

/// How long until one more unit than `remaining` remains, if nothing else happens. Nothing of a limit that is idle.
Decision next_unit_of(const Limit& limit, const Cell& cell, Units remaining, const Moment& moment) {
  if (remaining >= limit.size() && limit.size() > kNoUnits) return granted_at_once();
  Decision decision = limit.visit([&](const auto& algorithm) {
    return algorithm.decide(state_in(cell, algorithm), Ask{remaining + kMinUnits}, moment.opens).decision;
  });
  if (decision.outcome == Outcome::granted) decision.wait = Span{};  // a queue would let the call wait
  decision.wait += moment.opens - moment.now;
  return decision;
}

void reply_limit(const server::Context& context, const Limits& limits, std::size_t i, const Cell& cell,
                 const Moment& moment) {
  const Decision decision = status_of(limits[i], cell, moment.at);
  const Units remaining = moment.is_any_left() ? decision.remaining : kNoUnits;
  context.reply_map(limits[i].has_leases() ? 9 : 7);
  context.reply("label");
  context.reply(limits.label(i));
  context.reply("limit");
  context.reply(text_of(limits[i]));
  context.reply("size");
  context.reply(decision.size.count());
  context.reply("used");
  context.reply(used_of(limits[i], cell, moment.at).count());
  context.reply("remaining");
  context.reply(remaining.count());
  context.reply("reset_ms");
  context.reply(milliseconds(decision.reset + (moment.at - moment.now)));
  context.reply("next_unit_ms");
  context.reply(wait_in_milliseconds(next_unit_of(limits[i], cell, remaining, moment)));
  reply_leases(context, limits[i], cell, moment.now);
}

// Holds keep their ends if the clock is set back.
void reply_holds(const server::Context& context, const LeaseSet& holds, Instant now) {
  reply_first_holders(context, holds, {now, Span::max(), 1}, [&](const LeaseSet::Holder& hold) {
    context.reply("settled");
    context.reply(std::int64_t{Hold::is_settled(hold) ? 1 : 0});
  });
}

// --- why ---

/// What a call of one unit would be told now, and what is true of the subject apart from that.
struct SubjectStatus {
  std::string_view status = "ok";  ///< one word
  std::string_view label;          ///< of what binds; empty if there is nothing to bind
  Decision decision;               ///< of the call
  Units size;                      ///< of the binding limit, and what is used of it
  Units used;
  Span waits{};  ///< until the turn of the last call that waits
  Span blocked{};
};

/// The worst that is true of the subject.
std::string_view word_for(const KeySession& session, const SubjectStatus& subject) {
  const Limits& limits = session.limits();
  if (subject.blocked > Span{}) return "blocked";
  if (limits.is_any_closed()) return "closed";
  if (subject.waits > Span{}) return "waiting";
  if (subject.decision.outcome != Outcome::granted) return "denied";
  const std::int64_t percent = session.key().call().module.settings.near_percent;
  return near_limits(limits, session.status(), percent) != 0 ? "near" : "ok";
}

SubjectStatus status_of_subject(const KeySession& session, Instant now) {
  SubjectStatus subject;
  subject.decision = granted_at_once();
  subject.blocked = session.blocked_for();
  if (!session.has_limits() || session.limits().size() == 0) {
    if (subject.blocked == Span{}) return subject;
    subject.status = subject.label = Block::kLabel;
    subject.decision = decision_with(Outcome::denied, subject.blocked);
    return subject;
  }
  const Verdict verdict = session.peek(Request{});
  const Limits& limits = session.limits();
  subject.decision = verdict.decision;
  subject.label = verdict.is_blocked ? Block::kLabel : limits.label(verdict.binding);
  subject.size = limits[verdict.binding].size();
  session.visit_states([&](const Limits&, const auto& cells, const Turn& turn) {
    const Instant at = turn.or_later(now);
    subject.waits = at - now;
    subject.used = used_of(limits[verdict.binding], cells[verdict.binding], at);
  });
  subject.status = word_for(session, subject);
  return subject;
}

std::string in_milliseconds(Span span) { return std::to_string(milliseconds(span)) + " ms"; }

std::string use_of(const SubjectStatus& subject) {
  return std::to_string(subject.used.count()) + " of " + std::to_string(subject.size.count()) + " units of \"" +
         std::string(subject.label) + "\" are used";
}

/// One sentence for a person. Limits on trial let calls through: of them it says what they would do. A block is in force
/// on trial as well.
std::string why(const SubjectStatus& subject, bool is_on_trial) {
  if (subject.label.empty()) return "nothing limits a call";
  if (subject.blocked > Span{}) return "blocked for " + in_milliseconds(subject.blocked) + ": no call is granted";
  const std::string verb = is_on_trial ? "would be" : "is";
  if (subject.status == "closed") {
    return "no call " + verb + " granted: the limit \"" + std::string(subject.label) + "\" is closed, its size is 0";
  }
  if (subject.waits > Span{}) {
    return "no call " + verb + " granted for " + in_milliseconds(subject.waits) +
           ": another call waits until then (MAXWAIT)";
  }
  const Span wait = subject.decision.wait;
  if (subject.decision.outcome != Outcome::granted) {
    return "a call of 1 unit " + verb + " denied for " + in_milliseconds(wait) + ": " + use_of(subject);
  }
  // A queue grants a call, and lets it wait.
  if (wait > Span{})
    return "a call of 1 unit " + verb + " granted after " + in_milliseconds(wait) + ": " + use_of(subject);
  return "a call of 1 unit is granted: " + use_of(subject);
}

void reply_status(const server::Context& context, const KeySession& session, Instant now) {
  const SubjectStatus subject = status_of_subject(session, now);
  context.reply("status");
  context.reply(subject.status);
  context.reply("binding");
  context.reply(subject.label);
  context.reply("wait_ms");
  context.reply(wait_in_milliseconds(subject.decision));
  context.reply("waiting_ms");
  context.reply(milliseconds(subject.waits));
  context.reply("why");
  context.reply(why(subject, session.is_shadow()));
}

}  // namespace

void reply_subject(const server::Context& context, const KeySession& session, Instant now) {
  const Reservations none;
  const Reservations* const reserved = session.subject()->reservations();
  const LeaseSet& holds = reserved != nullptr ? reserved->holds : none.holds;
  context.reply("holds");
  context.reply(static_cast<std::int64_t>(holds.count_after(now)));
  context.reply("limits");
  session.visit_states([&](const Limits& limits, const auto& cells, const Turn& turn) {
    const Moment moment = moment_of(turn, session.blocked_for(), now);
    context.reply_list(limits.size());
    for (std::size_t i = 0; i < limits.size(); ++i) reply_limit(context, limits, i, cells[i], moment);
  });
  context.reply("blocked");
  context.reply(milliseconds(session.blocked_for()));
  context.reply("first_holds");
  reply_holds(context, holds, now);
  reply_status(context, session, now);
}

}  // namespace ratelimit
