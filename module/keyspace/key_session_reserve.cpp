// SPDX-License-Identifier: MIT
// What a session does for reservations: an estimate becomes a hold, and a hold is settled.
#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "keyspace/key_session.h"
#include "ratelimit/blocked.h"
#include "ratelimit/costs.h"
#include "ratelimit/holds.h"
#include "ratelimit/operation.h"
#include "ratelimit/request.h"
#include "ratelimit/reservations.h"
#include "ratelimit/verdict.h"

namespace ratelimit {

Verdict KeySession::decide_reservation(const Request& request) const {
  const Reservations nothing;
  const Reservations* const held = subject()->reservations();
  const Reservations& reservations = held != nullptr ? *held : nothing;
  const auto hold = this->hold(request.id);
  const auto charged = [&](std::optional<std::size_t> place) {
    return hold && place ? reservations.charged_by(*hold, *place) : hold.value_or(LeaseSet::Holder{}).units;
  };
  if (!limits_) {
    return decide_reservation_under_block(subject()->limits(), subject()->cells(), reservations, request, now(),
                                          charged);
  }
  const NamedAccounts& named = named_accounts();
  return decide_reservation_under_block(*limits_, named, reservations, request, now(),
                                        [&](std::size_t i) { return charged(named.predecessor(i)); });
}

Verdict KeySession::reserve(const Request& request, Span ttl) {
  if (limits_ && is_absent()) open_accounts();
  if (!limits().is_any_closed()) clamp_if_blocked();
  Verdict verdict = decide_reservation(request);
  if (verdict.decision.outcome == Outcome::granted) {
    const Units granted = verdict.decision.granted;
    const bool is_held = hold(request.id).has_value();
    id_ = request.id.empty() ? server::random_id() : std::string(request.id);
    AccountSet named = open_accounts();
    // A hold remembers its accounts, also when others are opened. Stored limits are all limits, also when they change.
    if (!key_.stored().is_stored()) named &= all_accounts(subject()->limits());
    perform({.kind = Operation::Kind::reserve,
             .at = now(),
             .units = request.costs(limits()).most(),
             .each = costs_each(request),
             .span = ttl,
             .id = id_,
             .named = named});
    if (is_held) {
      const Span wait = verdict.decision.wait;
      verdict = status();
      verdict.decision.granted = granted;
      verdict.decision.wait = wait;
    }
    verdict.id = id_;
  } else if (!limits().is_any_closed()) {
    deny();
  }
  count_call(verdict.decision.outcome);
  return verdict;
}

std::optional<LeaseSet::Holder> KeySession::hold(std::string_view id) const {
  return subject() ? find_hold(subject()->reservations(), id, now()) : std::nullopt;
}

void KeySession::settle(const Request& request) {
  const Charges each = costs_each(request).value_or(same_for_all(request.cost));
  perform({.kind = Operation::Kind::settle,
           .at = now(),
           .units = *std::max_element(each.begin(), each.end()),
           .each = request.charged.empty() ? std::nullopt : std::optional(each),
           .id = request.id});
}

}  // namespace ratelimit
