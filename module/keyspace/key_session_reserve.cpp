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

Units KeySession::charged_by_hold(const std::optional<LeaseSet::Holder>& hold, std::size_t i) const {
  if (!hold) return kNoUnits;
  const std::optional<std::size_t> place = limits_ ? named_accounts().predecessor(i) : i;
  return place ? subject()->reservations()->charged_by(*hold, *place) : hold->units;
}

Verdict KeySession::decide_reservation(const Request& request) const {
  const Reservations nothing;
  const Reservations* const held = subject() ? subject()->reservations() : nullptr;
  const auto hold = this->hold(request.id);
  return visit_states([&](const Limits& limits, const auto& cells, const Turn&) {
    return decide_reservation_under_block(limits, cells, held != nullptr ? *held : nothing, request, now(),
                                          [&](std::size_t i) { return charged_by_hold(hold, i); });
  });
}

Charges KeySession::asked_by_reservation(const Request& request, Instant at) const {
  const Reservations* const held = subject() ? subject()->reservations() : nullptr;
  const auto hold = this->hold(request.id);
  return visit_states([&](const Limits& limits, const auto& cells, const Turn& turn) {
    return ratelimit::asked_by_reservation(limits, cells, turn, held, request, at,
                                           [&](std::size_t i) { return charged_by_hold(hold, i); });
  });
}

Verdict KeySession::peek_reservation(const Request& request) {
  // A reservation that is never granted changes nothing.
  const bool may_change = blocked_for() > Span{} && decide_reservation(request).decision.outcome != Outcome::never;
  if (may_change) clamp_if_blocked();
  return decide_reservation(request);
}

Verdict KeySession::reserve(const Request& request, Span ttl) {
  Verdict verdict = charge_estimate(request, ttl);
  count_call(limits(), verdict, request.mode);
  return verdict;
}

Verdict KeySession::charge_estimate(const Request& request, Span ttl) {
  if (limits_ && is_absent()) open_accounts();
  Verdict verdict = peek_reservation(request);
  if (verdict.decision.outcome == Outcome::granted) {
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
    verdict.id = id_;
  } else if (verdict.decision.outcome == Outcome::denied) {
    deny();
  }
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
