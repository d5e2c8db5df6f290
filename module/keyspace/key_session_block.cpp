// SPDX-License-Identifier: MIT
// What whoever operates a key does to a subject: blocks it for a time (RL.BLOCK), or lets it be forgotten (RL.RESET).
#include <optional>
#include <utility>

#include "keyspace/key_session.h"
#include "ratelimit/block.h"
#include "ratelimit/operation.h"

namespace ratelimit {

void KeySession::clamp_if_blocked() {
  if (blocked_for() == Span{} || !subject()->is_ahead(now(), named())) return;
  if (key_.access() != Access::read) return deny();
  const AccountSet of = named();
  named_accounts_.reset();
  key_.preview_clamped(of);
}

// The limits of a subject that is as good as never seen: those of a key that stores some, unless it is an exception; else
// none.
const SharedLimits& KeySession::limits_of_new() const {
  if (!key_.stored().is_stored()) return key_.call().module.limits.none();
  return subject() ? subject()->shared_limits() : key_.stored().own_limits();
}

bool KeySession::block(Span length) {
  if (length == Span{} && blocked_for() == Span{}) return false;
  if (!subject()) {
    key_.prepare_idle(limits_of_new());
  } else if (is_forgotten()) {
    prepare(Value::create(limits_of_new()));  // as good as never seen
  }
  perform({.kind = Operation::Kind::block, .at = now(), .span = length});
  if (length > Span{}) note_event(Event::blocked);
  return true;
}

bool KeySession::forget() {
  if (is_forgotten()) return false;
  forget_subject();
  note_event(Event::reset);
  return true;
}

void KeySession::forget_subject() {
  named_accounts_.reset();
  if (key_.stored().subject_table() == nullptr) {
    remove();
  } else if (key_.is_key_itself()) {
    forget_own_subject();
  } else {
    key_.forget_subject();
    if (!remove_if_idle()) publish_forgotten();
  }
}

void KeySession::forget_own_subject() {
  prepare(Value::create(limits_of_new()));
  key_.store_subject();
  if (!remove_if_idle()) publish(subject()->idle_at(), {});
}

void KeySession::publish_forgotten() {
  if (key_.propagation().is_on()) {
    key_.propagation().queue(EffectKind::forget, kKeepEnd, {}, key_.hash());
  } else {
    key_.propagation().count_change();
  }
  key_.propagation().signal();
}

}  // namespace ratelimit
