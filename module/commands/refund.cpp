// SPDX-License-Identifier: MIT
// RL.REFUND: units come back before their time.
#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

#include "commands/answer.h"
#include "commands/commands.h"
#include "commands/requests.h"
#include "keyspace/key_session.h"
#include "ratelimit/booking.h"
#include "ratelimit/operation.h"

namespace ratelimit::commands {
namespace {

using PerLimit = std::array<Units, kMaxLimits>;

/// What a refund could give back under each limit of a subject; nothing if it was never seen.
PerLimit refundable_of(const std::optional<Subject>& subject, Instant now) {
  return subject ? refundable(subject->limits(), subject->cells(), subject->turn().or_later(now)) : PerLimit{};
}

Units largest_difference(const PerLimit& before, const PerLimit& after) {
  Units largest;
  for (std::size_t i = 0; i < before.size(); ++i) largest = std::max(largest, before[i] - after[i]);
  return largest;
}

}  // namespace

std::optional<Fault> refund(const Call& call) {
  Units units;
  std::string_view name;
  if (const auto fault = parse_refund(call.words(), units, name)) return fault;
  KeySession session(call.context(), call.key(), KeySession::Access::write, name);
  if (const auto fault = session.find_subject()) return fault_of(*fault);
  const PerLimit before = refundable_of(session.subject(), call.now());
  const bool is_any_used = before != PerLimit{};
  if (is_any_used) session.perform({.kind = Operation::Kind::refund, .at = call.now(), .units = units});
  const Units came_back = largest_difference(before, refundable_of(session.subject(), call.now()));
  if (is_any_used) session.count_refund(came_back);
  call.server().reply(came_back.count());
  return std::nullopt;
}

}  // namespace ratelimit::commands
