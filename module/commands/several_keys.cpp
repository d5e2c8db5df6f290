// SPDX-License-Identifier: MIT
#include "commands/several_keys.h"

#include <algorithm>
#include <string>

#include "commands/answer.h"
#include "commands/reply.h"
#include "ratelimit/block.h"
#include "ratelimit/blocked.h"
#include "ratelimit/decision.h"
#include "ratelimit/distinct_labels.h"
#include "ratelimit/http/http_fields.h"
#include "ratelimit/http/limit_status.h"

namespace ratelimit {
namespace {

// --- all or nothing ---

void ask(KeySession& session, KeyEntry& entry, KeyAction& action) {
  entry.granted_on_trial = entry.asked.cost;
  entry.verdict = action.ask(session, entry);
  // A block is no word of the limits that are on trial.
  if (session.is_shadow() && !entry.is_on_trial) {
    show_on_trial(session, entry.verdict, entry.asked.cost, entry.asked.mode);
  }
}

/// Asks the limits of one key, which is only read. If holds of it have ended, the limits are asked later: so a fault in
/// another key finds that nothing has changed.
std::optional<Fault> decide(const Call& call, KeyEntry& entry, KeyAction& action) {
  KeySession session(call.context(), entry.key, KeySession::Access::read, entry.subject);
  if (const auto fault = session.look_for_limits(entry.specs, KeySession::Otherwise::fault)) return fault_of(*fault);
  entry.note_session(session);
  if (const auto fault = action.look(session, entry)) return fault;
  entry.has_ended_holds = session.subject() && session.subject()->any_hold_ended(call.now());
  if (entry.has_ended_holds) return std::nullopt;
  ask(session, entry, action);
  return std::nullopt;
}

void decide_after_giving_back(const Call& call, KeyEntry& entry, KeyAction& action) {
  KeySession session(call.context(), entry.key, KeySession::Access::write, entry.subject);
  if (session.find_limits(entry.specs, KeySession::Otherwise::fault)) return;  // there was no fault before
  ask(session, entry, action);
}

/// Charges a key that grants the call, or does to one that refuses it what a denial does.
void carry_out(const Call& call, KeyEntry& entry, KeyAction& action) {
  KeySession session(call.context(), entry.key, KeySession::Access::write, entry.subject);
  const Outcome outcome = entry.verdict.decision.outcome;
  const bool has_nothing_to_do = outcome == Outcome::never || (outcome == Outcome::granted && !action.takes(entry));
  if (!has_nothing_to_do && !session.find_limits(entry.specs, KeySession::Otherwise::fault)) {
    if (outcome == Outcome::granted) {
      action.take(session, entry);
    } else {
      session.deny();
    }
  }
  session.count_call(*entry.limits, entry.verdict, entry.asked.mode);
}

/// A call that can never be granted is only counted, where it is denied.
void count_refusal(const Call& call, const KeyEntry& entry) {
  KeySession session(call.context(), entry.key, KeySession::Access::write, entry.subject);
  session.count_call(*entry.limits, entry.verdict, entry.asked.mode);
}

/// What the denial of the call does to a key that alone would grant it.
void open_accounts(const Call& call, const KeyEntry& entry) {
  KeySession session(call.context(), entry.key, KeySession::Access::write, entry.subject);
  if (!session.find_limits(entry.specs, KeySession::Otherwise::fault)) session.deny();
}

// --- what is told ---

using Told = std::vector<KeyEntry*>;

std::size_t binding_among(const Told& told) {
  const auto binding = std::min_element(told.begin(), told.end(), [](const KeyEntry* a, const KeyEntry* b) {
    return binds_before(a->verdict.decision, b->verdict.decision);
  });
  return static_cast<std::size_t>(binding - told.begin());
}

/// Where the limit that binds an entry stands among those of all entries told.
std::size_t position_of(std::size_t binding, const Told& told) {
  std::size_t position = told[binding]->verdict.binding;
  for (std::size_t i = 0; i < binding; ++i) position += told[i]->limits->size();
  return position;
}

/// The labels of all limits, as if they stood in one list.
std::vector<std::string> labels_of(const Told& told) {
  DistinctLabels distinct;
  std::vector<std::string> labels;
  for (const KeyEntry* entry : told) {
    for (std::size_t i = 0; i < entry->limits->size(); ++i) {
      labels.push_back(distinct.add(Limits::name_of((*entry->limits)[i].spec())));
    }
  }
  return labels;
}

/// How all limits stand after the call.
std::vector<LimitStatus> statuses_of(const Call& call, const Told& told, const std::vector<std::string>& labels) {
  std::vector<LimitStatus> all;
  for (const KeyEntry* entry : told) {
    KeySession session(call.context(), entry->key, KeySession::Access::read, entry->subject);
    session.look_under(entry->limits);
    for (const LimitStatus& status : statuses_after(session, entry->asked, entry->verdict, call.now())) {
      all.push_back(status);
      all.back().label = labels[all.size() - 1];
    }
  }
  return all;
}

/// The decision of the entry that binds. If the call is granted, it waits for all, and gets the most that a key is charged.
Decision decision_of_all(const Told& told, std::size_t binding) {
  Decision decision = told[binding]->verdict.decision;
  if (decision.outcome != Outcome::granted) return decision;
  for (const KeyEntry* entry : told) {
    decision.wait = std::max(decision.wait, entry->verdict.decision.wait);
    decision.granted = std::max(decision.granted, entry->verdict.decision.granted);
  }
  return decision;
}

/// Makes the waits of all denials longer, by the same random time.
void delay_denials(std::span<KeyEntry> entries, Span longest) {
  const Span jitter = server::random_span(longest);
  for (KeyEntry& entry : entries) {
    if (entry.verdict.decision.outcome == Outcome::denied) entry.verdict.decision.wait += jitter;
  }
}

/// What each key alone would answer; none where no limits apply.
std::vector<std::optional<KeyReply>> replies_of_each(std::span<KeyEntry> entries) {
  std::vector<std::optional<KeyReply>> replies;
  for (KeyEntry& entry : entries) {
    if (!entry.limits) {
      replies.emplace_back();
      continue;
    }
    if (entry.is_on_trial) entry.show_unused();
    replies.push_back(KeyReply{entry.verdict.decision, label_of(*entry.limits, entry.verdict), entry.note});
  }
  return replies;
}

}  // namespace

void KeyEntry::note_session(const KeySession& session) {
  blocked_for = session.blocked_for();
  is_on_trial = session.is_shadow() && (blocked_for == Span{} || asked.mode == Mode::force);
  limits = session.shared_limits();
}

void KeyEntry::show_unused() {
  grant_on_trial(*limits, verdict, granted_on_trial);
  note_block(verdict, blocked_for);
}

std::vector<KeyEntry> entries_of(const Call& call, const KeysRequest& request) {
  std::vector<KeyEntry> entries;
  for (std::size_t i = 0; i < request.keys; ++i) {
    const bool has_limit = !request.limits.empty();
    entries.push_back({.key = call.word(2 + i),
                       .subject = request.subjects.empty() ? std::string_view{} : request.subjects.span()[i],
                       .specs = request.limits.span().subspan(has_limit ? i : 0, has_limit ? 1 : 0),
                       .asked = request.call});
    if (!request.costs.empty()) entries.back().asked.cost = request.costs.span()[i];
  }
  return entries;
}

bool are_granted(std::span<const KeyEntry> entries) {
  return std::none_of(entries.begin(), entries.end(),
                      [](const KeyEntry& entry) { return entry.refuses() && !entry.is_on_trial; });
}

std::optional<Fault> decide_and_take(const Call& call, std::span<KeyEntry> entries, KeyAction& action) {
  for (KeyEntry& entry : entries) {
    if (const auto fault = decide(call, entry, action)) return fault;
  }
  for (KeyEntry& entry : entries) {
    if (entry.has_ended_holds) decide_after_giving_back(call, entry, action);
  }
  const bool is_granted = are_granted(entries);
  const bool is_never = std::any_of(entries.begin(), entries.end(), [](const KeyEntry& entry) {
    return entry.verdict.decision.outcome == Outcome::never && !entry.is_on_trial;
  });
  for (KeyEntry& entry : entries) {
    if (is_never) {
      if (entry.refuses()) count_refusal(call, entry);
    } else if (is_granted || entry.refuses()) {
      carry_out(call, entry, action);
    } else if (action.takes(entry)) {
      open_accounts(call, entry);
    }
  }
  return std::nullopt;
}

std::vector<KeyEntry*> entries_told(std::span<KeyEntry> entries) {
  Told told;
  bool is_any_in_force = false;
  for (KeyEntry& entry : entries) {
    is_any_in_force |= !entry.is_on_trial;
    if (!entry.is_on_trial && entry.limits) told.push_back(&entry);
  }
  if (!is_any_in_force) told.push_back(&entries.front());
  return told;
}

void reply_for(const Call& call, std::span<KeyEntry> entries, const KeysReply& form) {
  const Told told = entries_told(entries);
  if (told.empty()) return call.server().reply_null();
  if (told.front()->is_on_trial) told.front()->show_unused();
  const std::size_t binding = binding_among(told);
  const std::vector<std::string> labels = labels_of(told);
  const std::size_t position = position_of(binding, told);
  CheckReply reply{.label = labels[position], .note = form.note};
  if (told[binding]->verdict.is_blocked) reply.label = Block::kLabel;
  std::vector<LimitStatus> statuses;
  if (form.headers) statuses = statuses_of(call, told, labels);
  if (form.jitter > Span{}) delay_denials(entries, form.jitter);
  const Decision decision = decision_of_all(told, binding);
  std::vector<HttpField> fields;
  if (form.headers) {
    fields = http_fields(statuses, position, decision.outcome, decision.wait);
    reply.fields = &fields;
  }
  if (form.each) return reply_check(call.server(), decision, reply, replies_of_each(entries));
  reply_check(call.server(), decision, reply);
}

}  // namespace ratelimit
