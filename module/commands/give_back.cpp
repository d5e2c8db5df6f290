// RL.REFUND and RL.RELEASE: units come back before their time.
#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

#include "commands/arguments.h"
#include "commands/commands.h"
#include "keyspace/module.h"
#include "keyspace/open_key.h"
#include "ratelimit/holds.h"

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
  const Instant now = module().clock.now();
  OpenKey key(call.context(), call.key(), server::Key::Access::write, name);
  if (const auto fault = key.fault()) return fault;
  key.collect(now);
  const PerLimit before = refundable_of(key.subject(), now);
  if (before != PerLimit{}) key.perform({.kind = Operation::Kind::refund, .at = now, .units = units});
  call.context().reply(largest_difference(before, refundable_of(key.subject(), now)).count());
  return std::nullopt;
}

std::optional<Fault> release(const Call& call) {
  std::string_view id;
  std::string_view name;
  if (const auto fault = parse_release(call.words(), id, name)) return fault;
  const Instant now = module().clock.now();
  OpenKey key(call.context(), call.key(), server::Key::Access::write, name);
  if (const auto fault = key.fault()) return fault;
  key.collect(now);
  const bool found = key.subject() && has_lease(key.subject()->limits(), key.subject()->cells(), id, now);
  if (found) key.perform({.kind = Operation::Kind::release, .at = now, .id = id});
  call.context().reply(std::int64_t{found ? 1 : 0});
  return std::nullopt;
}

}  // namespace ratelimit::commands
