// SPDX-License-Identifier: MIT
#include "keyspace/key_session.h"

#include <algorithm>
#include <string>
#include <utility>

#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/blocked.h"
#include "ratelimit/codec/bytes.h"
#include "ratelimit/codec/effects.h"
#include "ratelimit/codec/format.h"
#include "ratelimit/costs.h"
#include "ratelimit/holds.h"
#include "ratelimit/limits.h"
#include "ratelimit/operation.h"
#include "ratelimit/request.h"
#include "ratelimit/reservations.h"
#include "ratelimit/turn.h"
#include "ratelimit/verdict.h"

namespace ratelimit {

void KeySession::turn_to(std::string_view subject_name, std::optional<SubjectHash> hash) {
  limits_ = {};
  named_accounts_.reset();
  id_.clear();
  key_.turn_to(subject_name, hash);
}

// --- which limits apply ---

std::optional<KeyFault> KeySession::look_for_limits(const NamedLimits& named, Otherwise otherwise) {
  return key_.is_of_other_type() ? KeyFault::wrong_type : choose_limits(named, otherwise);
}

std::optional<KeyFault> KeySession::choose_and_give_back(const NamedLimits& named, Otherwise otherwise) {
  if (key_.is_of_other_type()) return KeyFault::wrong_type;
  if (const auto fault = choose_limits(named, otherwise)) return fault;
  if (subject() && !is_plain()) give_back_and_leave_out(named.empty());
  return std::nullopt;
}

void KeySession::give_back_and_leave_out(bool names_none) {
  if (subject()->any_hold_ended(now())) {
    give_back_ended_holds();
    // What was held may be all that there was. Then the limits of the call apply, and of an absent subject none.
    if (!subject() && names_none) go_by({});
  }
  if (key_.access() == Access::read && subject()) {
    if (names_none && subject()->has_several_lists()) leave_out_dropped();
    clamp_if_blocked();
  }
}

std::optional<KeyFault> KeySession::choose_limits(const NamedLimits& named, Otherwise otherwise) {
  if (key_.stored().is_stored()) {
    // A subject that is there has these limits, or is an exception.
    const SharedLimits& limits = subject() ? subject()->shared_limits() : key_.stored().own_limits();
    if (!named.empty() && !named.are(limits)) return KeyFault::other_limits;
    if (!subject()) go_by(limits);
    return std::nullopt;
  }
  if (named.empty()) return otherwise == Otherwise::fault ? std::optional(KeyFault::no_limits) : std::nullopt;
  if (subject() && !subject()->has_several_lists() && named.are(subject()->shared_limits())) return std::nullopt;
  go_by(named.get(key_.call().module.limits));
  return limits_ ? std::nullopt : std::optional(KeyFault::repeated_label);
}

// Who only looks sees the accounts that the next change would leave.
void KeySession::leave_out_dropped() {
  const AccountSet kept = kept_accounts(subject()->accounts(), now());
  if (kept != all_accounts(subject()->limits())) go_by_accounts(kept);
}

void KeySession::look_under(const SharedLimits& limits) {
  if (!subject() || subject()->has_several_lists() || !(subject()->limits() == *limits)) go_by(limits);
}

void KeySession::go_by(SharedLimits limits) {
  named_accounts_.reset();
  limits_ = std::move(limits);
}

// A key that is only read stays as it is.
void KeySession::give_back_ended_holds() {
  if (key_.access() != Access::read) {
    perform({.kind = Operation::Kind::collect, .at = now()});
  } else {
    named_accounts_.reset();
    key_.preview_collected();
  }
}

std::optional<KeyFault> KeySession::find_limits_or_adopt(const NamedLimits& named) {
  const std::optional<TokenBucket::State> left_behind = key_.state_of_redis_cell();
  if (!left_behind) return find_limits(named, Otherwise::fault);
  SharedLimits limits = named.get(key_.call().module.limits);
  if (!limits) return KeyFault::repeated_label;
  Value::Pointer adopted = Value::create(std::move(limits));
  adopted->cells()[0].as<TokenBucket::State>() = *left_behind;
  prepare(std::move(adopted));
  return std::nullopt;
}

// Accounts that are to be dropped do not count.
bool KeySession::is_idle() const {
  if (subject()->idle_at() <= now()) return true;
  return subject()->has_several_lists() && !subject()->is_reserved(now()) && named_accounts().are_idle();
}

NamedAccounts& KeySession::named_accounts() const {
  if (!named_accounts_) {
    named_accounts_.emplace(subject()->accounts(), *limits_, now(), subject()->turn().or_later(now()));
  }
  return *named_accounts_;
}

void KeySession::prepare(Value::Pointer value) {
  named_accounts_.reset();
  key_.prepare(std::move(value));
}

AccountSet KeySession::open_accounts(For purpose) {
  if (!limits_) return kAllAccounts;
  if (is_absent()) {
    if (subject()) {
      prepare(Value::create(limits_));
    } else {
      key_.prepare_idle(limits_);
    }
    go_by({});
    return kAllAccounts;
  }
  NamedAccounts& named = named_accounts();
  if (purpose == For::denial) named.note_denial();
  if (!named.changes()) return named.named();
  const AccountSet set = named.named_afterwards();
  const bool is_one_list = named.is_one_list();
  prepare(with_accounts(*subject(), named, key_.call().module.limits));
  if (is_one_list) go_by({});
  return set;
}

// --- looking ---

Verdict KeySession::peek(const Request& request) const {
  return visit_states([&](const Limits& limits, const auto& cells, const Turn& turn) {
    return ratelimit::decide(limits, cells, turn, block(), request, now());
  });
}

Verdict KeySession::status() const {
  return visit_states([&](const Limits& limits, const auto& cells, const Turn& turn) {
    return status_at_turn(limits, cells, turn, block(), now());
  });
}

// --- deciding and changing ---

Verdict KeySession::decide(const Request& request) {
  const bool is_known_never = limits_ && is_never(*limits_, request);
  Verdict verdict = is_known_never ? peek(request) : charge(request);
  count_call(limits(), verdict, request.mode);
  return verdict;
}

// A call that costs nothing and is granted changes nothing.
Verdict KeySession::ask(const Request& request) {
  if (!is_never(limits(), request)) clamp_if_blocked();
  const Verdict verdict = peek(request);
  if (verdict.decision.outcome == Outcome::denied) deny();
  return verdict;
}

namespace {

/// Decides nearly all calls. All that it calls is inlined, the algorithms too (docs/performance.md has what that saves).
[[gnu::flatten]] Verdict decide_plain(const Subject& subject, const Request& request, Instant now) {
  return ratelimit::decide(subject.limits(), subject.cells(), Ask{request.cost, request.id}, now);
}

}  // namespace

// Where nothing is reserved, nobody waits, and nothing is blocked.
Verdict KeySession::decide_by_all(const Request& request) const {
  const Subject& subject = *this->subject();
  if (subject.reservations() == nullptr && request.is_plain()) [[likely]]
    return decide_plain(subject, request, now());
  return ratelimit::decide(subject.limits(), subject.cells(), subject.turn(), subject.block(), request, now());
}

Verdict KeySession::charge(const Request& request) {
  const bool only_asks = !request.has_one_cost() && request.costs(limits()).are_nothing();
  return only_asks ? ask(request) : charge_costs(request);
}

Verdict KeySession::charge_costs(const Request& request) {
  if (limits_ && is_absent()) open_accounts();
  // When a turn comes, or how it is after a block, is found by asking as of later: what is ahead of now must have been brought
  // back before.
  const Reservations* const reserved = subject()->reservations();
  const bool is_blocked = reserved != nullptr && reserved->block.left(now()) > Span{};
  const bool asks_as_of_later = request.mode == Mode::may_wait || (is_blocked && request.mode != Mode::force);
  if (asks_as_of_later && !is_never(limits(), request) && subject()->is_ahead(now(), named())) deny();
  Verdict verdict = limits_ ? peek(request) : decide_by_all(request);
  if (verdict.decision.outcome == Outcome::granted) {
    if (verdict.id.empty() && request.takes_lease(limits())) verdict.id = id_ = server::random_id();
    commit(verdict, request);
  } else if (verdict.decision.outcome == Outcome::denied) {
    deny();
  }
  return verdict;
}

std::optional<Charges> KeySession::costs_each(const Request& request) const {
  if (request.charged.empty()) return std::nullopt;
  const Limits& accounts = subject()->limits();
  if (!limits_) {
    return costs_of_accounts(accounts, accounts, request.cost, request.charged,
                             [](std::size_t i) { return std::optional(i); });
  }
  const NamedAccounts& named = named_accounts();
  return costs_of_accounts(accounts, *limits_, request.cost, request.charged,
                           [&named](std::size_t i) { return named.place(i); });
}

void KeySession::commit(const Verdict& verdict, const Request& request) {
  const bool is_simple = verdict.turn == Span{} && request.charged.empty();
  if (limits_ || !is_simple || !is_plain()) {
    const AccountSet named = open_accounts();
    perform({.kind = Operation::Kind::charge,
             .at = now(),
             .units = verdict.decision.granted,
             .each = costs_each(request),
             .span = verdict.turn,
             .id = verdict.id,
             .named = named});
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
  named_accounts_.reset();
  count_operation(operation);
  key_.store_subject();
  const bool found = key_.perform(operation);
  publish(subject()->idle_at(), {.operation = &operation});
  return found;
}

AccountSet KeySession::named() const { return limits_ ? named_accounts().named() : kAllAccounts; }

void KeySession::deny() {
  if (is_absent()) return;
  const bool opens = limits_ && named_accounts().opens();
  if (!opens && !subject()->is_ahead(now(), named())) return;
  const AccountSet of = opens ? open_accounts(For::denial) : named();
  named_accounts_.reset();
  key_.store_subject();
  subject()->clamp(now(), of);
  key_.write_back();
  publish(subject()->idle_at(), {});
}

// None is left if a redefinition took all of them away.
void KeySession::go_by_accounts(AccountSet set) {
  const Limits& all = subject()->limits();
  LimitSpecs specs;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (contains(set, i)) specs.push_back(all[i].spec());
  }
  const bool are_all = specs.empty() || specs.size() == all.size();
  go_by(are_all ? SharedLimits{} : key_.call().module.limits.get(specs.span(), Limits::Of::accounts));
}

bool KeySession::remove_if_idle() {
  const StoredValue& stored = key_.stored();
  const bool is_needed = stored.is_stored() || stored.subject_table()->hash_table().size() > 0;
  if (is_needed || stored.own_idle_at() > now()) return false;
  remove();
  return true;
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
  if (stays) return key_.propagation().is_on() ? key_.end() : kKeepEnd;
  const KeyEnd end = end_of_key(limits, idle_at, now());
  key_.expire_at(end);
  return end;
}

// A small state travels whole. A log may be large: once the other side has it, the change says all, unless the other
// side might lack a time zone.
void KeySession::queue_effect(KeyEnd end, const Change& change) {
  const Subject& subject = *key_.subject();
  Propagation& propagation = key_.propagation();
  const bool is_small =
      subject.reservations() == nullptr && pieces_behind(subject.limits(), subject.cells(), nullptr) == 0;
  const bool travels_whole = key_.is_new() || is_small || subject.limits().have_zones() ||
                             (change.verdict == nullptr && change.operation == nullptr);
  std::string& bytes = key_.call().module.effect_writer.begin_payload();
  Writer out(bytes);
  if (travels_whole && key_.is_key_itself()) {
    key_.stored().encode(bytes);
    propagation.queue(EffectKind::store, end, bytes);
  } else if (travels_whole) {
    encode_subject(out, subject.limits(), subject.cells(), subject.reservations(),
                   key_.stored().is_stored() ? LimitsForm::known : LimitsForm::written, nullptr, subject.last_grants());
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
  named_accounts_.reset();
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
