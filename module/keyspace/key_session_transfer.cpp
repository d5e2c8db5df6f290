// SPDX-License-Identifier: MIT
// A subject goes over to another key (RL.TRANSFER), which takes two sessions: one that gives, and one that takes.
#include <algorithm>
#include <optional>
#include <utility>

#include "keyspace/key_session.h"
#include "ratelimit/block.h"
#include "ratelimit/operation.h"
#include "ratelimit/transferred.h"

namespace ratelimit {

std::optional<KeyFault> KeySession::transfer_to(KeySession& to, bool& is_done) {
  is_done = false;
  for (KeySession* const session : {this, &to}) {
    if (session->key_.is_of_other_type()) return KeyFault::wrong_type;
  }
  if (const auto fault = find_subject()) return fault;
  if (is_forgotten()) return std::nullopt;
  if (const auto fault = to.find_subject()) return fault;
  const Subject& subject = *this->subject();
  const bool goes_over_whole = to.is_forgotten();
  if (!goes_over_whole && is_tied(subject.limits(), subject.cells(), subject.reservations(), now())) {
    return KeyFault::used_in_both;
  }
  subject.clamp(now());  // in memory: nobody else will see it here
  if (goes_over_whole) {
    to.take_over(subject);
  } else {
    to.add_used(subject);
  }
  forget_subject();
  is_done = true;
  return std::nullopt;
}

void KeySession::take_over(const Subject& subject) {
  const bool is_stored = key_.stored().is_stored();
  Value::Pointer value = is_stored ? carry_over(subject, limits_of_new(), now()) : take_along(subject);
  // Limits without a successor may have been all that was used.
  if (value->idle_at() <= now()) return;
  prepare(std::move(value));
  key_.store_subject();
  publish(this->subject()->idle_at(), {});
}

void KeySession::add_used(const Subject& subject) {
  named_accounts_.reset();
  const Subject& own = *this->subject();
  own.clamp(now());
  own.add_used(used_by_predecessors(subject.limits(), subject.cells(), now(), own.limits()), now());
  key_.write_back();
  const Span blocked = subject.block().left(now());
  if (blocked > blocked_for()) key_.perform({.kind = Operation::Kind::block, .at = now(), .span = blocked});
  publish(this->subject()->idle_at(), {});
}

}  // namespace ratelimit
