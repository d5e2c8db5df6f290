// SPDX-License-Identifier: MIT
// What a session counts: each decided call once, for INFO and for the history of its key.
//
// A granted call costs a few additions; only who is denied, or comes near a limit, is looked at more closely.
#include <string_view>

#include "keyspace/key_session.h"
#include "keyspace/module.h"
#include "ratelimit/block.h"
#include "ratelimit/nearness.h"
#include "ratelimit/operation.h"
#include "ratelimit/verdict.h"

namespace ratelimit {

void KeySession::count_call(const Limits& limits, const Verdict& verdict, Mode mode) {
  if (verdict.decision.outcome == Outcome::granted) [[likely]] {
    count_granted(limits, verdict, mode);
  } else {
    count_denied(limits, verdict, mode);
  }
}

void KeySession::count_granted(const Limits& limits, const Verdict& verdict, Mode mode) {
  Module& module = key_.call().module;
  Counters& counters = module.counters;
  ++counters.checks.granted;
  Counters::add(counters.units, verdict.decision.granted);
  if (mode == Mode::force) ++counters.forced;
  for (std::size_t i = 0; i < limits.size(); ++i) ++counters.of(limits[i].algorithm()).granted;
  if (SubjectTable* const table = key_.stored().subject_table()) {
    table->history().counters.note_granted();
  } else {
    key_.stored().count_call(Outcome::granted);
  }
  const LimitSet near = near_limits(limits, verdict, module.settings.near_percent);
  if (near != 0) [[unlikely]]
    count_near(limits, near);
}

void KeySession::count_near(const Limits& limits, LimitSet near) {
  Module& module = key_.call().module;
  ++module.counters.near;
  note_event(Event::near);
  SubjectTable* const table = key_.stored().subject_table();
  if (table == nullptr) return;
  History& history = table->history();
  history.counters.note_near();
  for (std::size_t i = 0; i < limits.size(); ++i) {
    if ((near >> i & 1U) != 0) history.counters.note_near(limits.label(i), now());
  }
  history.note_near(caller(), module.settings.history);
}

// A block is in force on trial as well.
void KeySession::count_denied(const Limits& limits, const Verdict& verdict, Mode mode) {
  Module& module = key_.call().module;
  const bool is_on_trial = is_shadow();
  const bool is_blocked = verdict.is_blocked || (is_on_trial && mode != Mode::force && blocked_for() > Span{});
  const std::string_view label = is_blocked || limits.size() == 0 ? Block::kLabel : limits.label(verdict.binding);
  const bool is_let_through = is_on_trial && !is_blocked;
  ++(is_let_through ? module.counters.would_deny : module.counters.checks.denied);
  if (!is_let_through) note_event(Event::denied);
  if (!is_blocked && limits.size() > 0) ++module.counters.of(limits[verdict.binding].algorithm()).denied;
  SubjectTable* const table = key_.stored().subject_table();
  if (table == nullptr) return key_.stored().count_call(Outcome::denied);
  History& history = table->history();
  if (is_let_through) {
    history.counters.note_would_deny(label, now());
  } else {
    history.counters.note_denied(label, now());
  }
  const bool is_never = verdict.decision.outcome == Outcome::never;
  history.note_denial(caller(), label, is_never ? DenialLog::kNever : verdict.decision.wait, module.settings.history);
}

Caller KeySession::caller() const {
  return {key_.hash().value_or(SubjectHash::smallest()), key_.subject_name(), now()};
}

void KeySession::count_refund(Units came_back) {
  Counters& counters = key_.call().module.counters;
  ++counters.refunds;
  Counters::add(counters.units_refunded, came_back);
}

void KeySession::count_operation(const Operation& operation) {
  Counters& counters = key_.call().module.counters;
  switch (operation.kind) {
    case Operation::Kind::reserve: ++counters.reservations; return;
    case Operation::Kind::settle: ++counters.settlements; return;
    default: return;
  }
}

}  // namespace ratelimit
