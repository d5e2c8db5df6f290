// SPDX-License-Identifier: MIT
#include "keyspace/key_session.h"

#include <string>
#include <utility>

#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/codec/bytes.h"
#include "ratelimit/codec/effects.h"
#include "ratelimit/codec/format.h"
#include "ratelimit/holds.h"
#include "ratelimit/operation.h"
#include "ratelimit/request.h"
#include "ratelimit/reservations.h"
#include "ratelimit/turn.h"
#include "ratelimit/verdict.h"

namespace ratelimit {

// --- which limits apply ---

std::optional<KeyFault> KeySession::find_limits(std::span<const LimitSpec> specs, Otherwise otherwise) {
  if (key_.is_of_other_type()) return KeyFault::wrong_type;
  if (const auto fault = choose_limits(specs, otherwise)) return fault;
  if (!subject() || !subject()->any_hold_ended(now())) return std::nullopt;
  give_back_ended_holds();
  // What was held may be all that there was. Then the limits of the call apply, and of an absent subject none.
  if (!subject() && specs.empty()) limits_ = {};
  return std::nullopt;
}

std::optional<KeyFault> KeySession::choose_limits(std::span<const LimitSpec> specs, Otherwise otherwise) {
  if (key_.stored().is_stored()) {
    const SharedLimits& stored = key_.stored().own_limits();
    if (!specs.empty() && !stored->matches(specs)) return KeyFault::other_limits;
    if (!subject()) limits_ = stored;
    return std::nullopt;
  }
  if (specs.empty()) return otherwise == Otherwise::fault ? std::optional(KeyFault::no_limits) : std::nullopt;
  if (subject() && subject()->limits().matches(specs)) return std::nullopt;
  limits_ = key_.call().module.limits.get(specs);
  return limits_ ? std::nullopt : std::optional(KeyFault::repeated_label);
}

void KeySession::look_under(const SharedLimits& limits) {
  if (!subject() || !(subject()->limits() == *limits)) limits_ = limits;
}

// On a key that is only read, in a copy that stands for the subject from then on.
void KeySession::give_back_ended_holds() {
  const Operation collect{.kind = Operation::Kind::collect, .at = now()};
  if (key_.access() != Access::read) {
    perform(collect);
  } else {
    key_.prepare(Value::copy(*subject()));
    subject()->perform(collect);
  }
}

std::optional<KeyFault> KeySession::find_limits_or_adopt(std::span<const LimitSpec> specs) {
  const std::optional<TokenBucket::State> left_behind = key_.state_of_redis_cell();
  if (!left_behind) return find_limits(specs, Otherwise::fault);
  SharedLimits limits = key_.call().module.limits.get(specs);
  if (!limits) return KeyFault::repeated_label;
  Value::Pointer adopted = Value::create(std::move(limits));
  adopted->cells()[0].as<TokenBucket::State>() = *left_behind;
  key_.prepare(std::move(adopted));
  return std::nullopt;
}

void KeySession::follow() {
  if (!limits_) return;
  if (subject()) {
    key_.prepare(carry_over(*subject(), limits_, now()));
    has_followed_ = true;
  } else {
    key_.prepare_idle(limits_);
  }
  limits_ = {};
}

// --- looking ---

Verdict KeySession::peek(const Request& request) const {
  return visit_states([&](const Limits& limits, const auto& cells, const Turn& turn) {
    return ratelimit::decide(limits, cells, turn, request, now());
  });
}

Verdict KeySession::status() const {
  return visit_states([&](const Limits& limits, const auto& cells, const Turn& turn) {
    return status_at_turn(limits, cells, turn, now());
  });
}

Value::Pointer KeySession::copy_under_limits() const {
  if (!subject()) return Value::create(limits_, Value::Room::for_reservations);
  const Value::Pointer copy = Value::copy(*subject());
  return Value::take(carry_over(copy->subject(), shared_limits(), now())->subject());
}

// --- deciding and changing ---

Verdict KeySession::decide(const Request& request) {
  if (limits_ && is_never(*limits_, request)) {
    count_call(Outcome::never);
    return peek(request);
  }
  follow();
  Verdict verdict = charge(request);
  count_call(verdict.decision.outcome);
  return verdict;
}

Verdict KeySession::charge(const Request& request) {
  // When a turn comes is found by asking as of later: what is ahead of now must have been brought back before.
  if (request.mode == Mode::may_wait && subject()->is_ahead(now()) && !is_never(limits(), request)) deny();
  Verdict verdict = ratelimit::decide(subject()->limits(), subject()->cells(), subject()->turn(), request, now());
  if (verdict.decision.outcome == Outcome::granted) {
    if (verdict.id.empty() && limits().have_leases()) verdict.id = id_ = server::random_id();
    commit(verdict);
  } else if (verdict.decision.outcome == Outcome::denied) {
    deny();
  }
  return verdict;
}

void KeySession::commit(const Verdict& verdict) {
  if (verdict.turn > Span{} || subject()->reservations() != nullptr) {
    perform({.kind = Operation::Kind::charge,
             .at = now(),
             .units = verdict.decision.granted,
             .span = verdict.turn,
             .id = verdict.id});
    return;
  }
  key_.store_subject();
  std::optional<Instant> idle_before;
  if (key_.is_key_itself() && key_.stored().has_end()) idle_before = subject()->idle_at();
  apply(subject()->limits(), subject()->cells(), verdict);
  key_.write_back();
  if (key_.is_new()) idle_before.reset();  // the value may have been promoted just now
  publish(now() + verdict.idle_in, {.verdict = &verdict, .idle_before = idle_before});
}

bool KeySession::perform(const Operation& operation) {
  key_.store_subject();
  const bool found = key_.perform(operation);
  publish(subject()->idle_at(), {.operation = &operation});
  return found;
}

void KeySession::deny() {
  if (!has_followed_ && !subject()->is_ahead(now())) return;
  key_.store_subject();
  subject()->clamp(now());
  key_.write_back();
  publish(subject()->idle_at(), {});
}

Verdict KeySession::reserve(const Request& request, Span ttl) {
  follow();
  const Reservations nothing;
  const Reservations* held = subject()->reservations();
  Verdict verdict =
      decide_reservation(subject()->limits(), subject()->cells(), held != nullptr ? *held : nothing, request, now());
  if (verdict.decision.outcome == Outcome::granted) {
    const Units granted = verdict.decision.granted;
    id_ = request.id.empty() ? server::random_id() : std::string(request.id);
    const bool was_held =
        perform({.kind = Operation::Kind::reserve, .at = now(), .units = granted, .span = ttl, .id = id_});
    if (was_held) {
      verdict = status();
      verdict.decision.granted = granted;
      verdict.decision.wait = Span{};
    }
    verdict.id = id_;
  } else {
    deny();
  }
  count_call(verdict.decision.outcome);
  return verdict;
}

void KeySession::define(const SharedLimits& limits, bool is_shadow) {
  const StoredValue& stored = key_.stored();
  const SubjectTable* const table = stored.subject_table();
  const bool is_known = stored.is_stored() && *stored.own_limits() == *limits && table->is_shadow() == is_shadow;
  if (is_known) return;
  const SubjectTableHead head{.is_stored = true,
                              .is_shadow = is_shadow,
                              .secret = table != nullptr ? table->head().secret : server::random_secret()};
  key_.define(limits, head, now());
  const Propagation& propagation = key_.propagation();
  if (propagation.is_on()) {
    std::string bytes;
    Writer out(bytes);
    encode_definition(out, *limits, {head, now()});
    propagation.queue(EffectKind::define, kKeepEnd, bytes);
  } else {
    propagation.count_change();
  }
  propagation.signal();
}

void KeySession::remove_if_idle() {
  const StoredValue& stored = key_.stored();
  const bool is_needed = stored.is_stored() || stored.subject_table()->hash_table().size() > 0;
  if (!is_needed && stored.own_idle_at() <= now()) remove();
}

// --- what others learn of a change ---

void KeySession::publish(Instant idle_at, const Change& change) {
  const bool may_end = key_.stored().subject_table() == nullptr;
  if (may_end && idle_at <= now()) return remove();
  const KeyEnd end = may_end ? move_end(idle_at, change.idle_before) : kKeepEnd;
  if (key_.propagation().is_on()) {
    queue_effect(end, change);
  } else {
    key_.propagation().count_change();
  }
  key_.propagation().signal();
}

// The end of a key moves in steps: most calls leave it where it was (docs/adr/0021).
KeyEnd KeySession::move_end(Instant idle_at, const std::optional<Instant>& idle_before) {
  const Limits& limits = subject()->limits();
  const bool stays = idle_before && limits.kept_until(*idle_before) == limits.kept_until(idle_at);
  if (stays && !key_.propagation().is_on()) return kKeepEnd;
  const KeyEnd end = end_of_key(limits, idle_at, now());
  key_.expire_at(end);
  return end;
}

// A small state travels whole. A log may be large: once the other side has it, the change says all.
void KeySession::queue_effect(KeyEnd end, const Change& change) const {
  const Subject& subject = *key_.subject();
  const Propagation& propagation = key_.propagation();
  const bool is_small =
      subject.reservations() == nullptr && pieces_behind(subject.limits(), subject.cells(), nullptr) == 0;
  const bool travels_whole = key_.is_new() || is_small || (change.verdict == nullptr && change.operation == nullptr);
  if (travels_whole && key_.is_key_itself()) return propagation.queue(EffectKind::store, end, key_.stored().encoded());
  std::string bytes;
  Writer out(bytes);
  if (travels_whole) {
    bytes.reserve(64);
    encode_subject(out, subject.limits(), subject.cells(), subject.reservations(),
                   key_.stored().is_stored() ? LimitsForm::known : LimitsForm::written);
    propagation.queue(EffectKind::store, end, bytes, key_.hash());
  } else if (change.operation != nullptr) {
    encode_operation(out, *change.operation);
    propagation.queue(EffectKind::perform, end, bytes, key_.hash());
  } else {
    encode_changes(out, subject.limits(), change.verdict->changes, change.verdict->id);
    propagation.queue(EffectKind::apply, end, bytes, key_.hash());
  }
}

// What is idle is as good as absent.
void KeySession::remove() {
  if (subject() && !limits_) limits_ = subject()->shared_limits();  // the rest of the call goes by them
  key_.remove();
  if (key_.propagation().is_on()) {
    key_.propagation().queue_removal();
  } else {
    key_.propagation().count_change();
  }
  key_.propagation().signal();
}

}  // namespace ratelimit
