// SPDX-License-Identifier: MIT
#include "rule_limits.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <utility>

#include "names.h"

namespace ratelimit::service::envoy {
namespace {

using namespace std::chrono_literals;
using Windows = std::array<std::pair<Unit, Span>, 4>;
constexpr Windows kWindows{{{Unit::second, 1s}, {Unit::minute, 1min}, {Unit::hour, 1h}, {Unit::day, 24h}}};

Unit unit_of(Span window) {
  const auto found =
      std::find_if(kWindows.begin(), kWindows.end(), [&](const auto& each) { return each.second == window; });
  return found == kWindows.end() ? Unit::unknown : found->first;
}

Unit unit_of(CalendarUnit unit) {
  switch (unit) {
    case CalendarUnit::hour: return Unit::hour;
    case CalendarUnit::day: return Unit::day;
    case CalendarUnit::week: return Unit::week;
    case CalendarUnit::month: return Unit::month;
    case CalendarUnit::year: return Unit::year;
    default: return Unit::unknown;
  }
}

Unit unit_of(const LimitSpec& limit) {
  switch (limit.algorithm) {
    case Algorithm::fixed_window:
    case Algorithm::sliding_window_log:
    case Algorithm::sliding_window_counter: return unit_of(limit.span);
    case Algorithm::quota: return unit_of(limit.unit);
    default: return Unit::unknown;
  }
}

/// What the service knows of a limiter to decide without the server. On trial nobody is denied, so there it knows a limit that
/// nobody reaches.
client::Policy stored_policy(const LimitSpec& limit, bool is_on_trial) {
  if (!is_on_trial) return client::Policy::stored({limit});
  return client::Policy::stored({client::fixed(kMaxUnits.count(), 24h)});
}

/// What this protocol cannot say.
const char* fault_of(const LimitSpec& limit) {
  if (limit.algorithm == Algorithm::concurrent) return "CONCURRENT needs a release, and Envoy's protocol has none";
  if (limit.algorithm == Algorithm::leaky_bucket) return "LEAKYBUCKET tells calls to wait, and Envoy cannot";
  return nullptr;
}

}  // namespace

LimitSpec limit_of(std::uint32_t requests_per_unit, Unit unit) {
  switch (unit) {
    case Unit::week: return client::quota(requests_per_unit, CalendarUnit::week);
    case Unit::month: return client::quota(requests_per_unit, CalendarUnit::month);
    case Unit::year: return client::quota(requests_per_unit, CalendarUnit::year);
    default: break;
  }
  const auto found =
      std::find_if(kWindows.begin(), kWindows.end(), [&](const auto& each) { return each.first == unit; });
  return client::fixed_aligned(requests_per_unit, found->second);
}

std::optional<LimitSpec> limit_of(const LimitOverride& limit) {
  const std::uint32_t multiplier = limit.unit_multiplier;
  LimitSpec one = limit_of(limit.requests_per_unit, limit.unit);
  if (multiplier == 1) return one;
  if (one.algorithm == Algorithm::quota || multiplier == 0 || multiplier > kMaxSpan / one.span) return std::nullopt;
  return client::fixed_aligned(limit.requests_per_unit, one.span * multiplier);
}

CurrentLimit shown(const LimitSpec& limit, std::string_view rule_name) {
  constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
  return {.requests_per_unit = static_cast<std::uint32_t>(std::min(limit.size.count(), kMost)),
          .unit = unit_of(limit),
          .name = std::string(rule_name)};
}

Limiter limiter_of(std::string key, const LimitSpec& limit, std::string_view rule_name, bool is_on_trial) {
  client::Policy sent{limit};
  std::string label(sent.limits()->label(0));
  return {.name = std::move(key),
          .words = sent.words(),
          .is_on_trial = is_on_trial,
          .stored = stored_policy(limit, is_on_trial),
          .sent = std::move(sent),
          .shown = shown(limit, rule_name),
          .label = std::move(label)};
}

std::variant<std::vector<Limiter>, std::string> limiters_of(const std::string& key, std::string_view text,
                                                            std::string_view rule_name, bool is_on_trial,
                                                            const client::ZoneFinder& find_zone) {
  const client::ParsedPolicy parsed = client::parse_policy(text, find_zone);
  if (!parsed.policy) return parsed.error;
  const Limits& limits = *parsed.policy->limits();
  std::vector<Limiter> limiters;
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const LimitSpec limit = limits[i].spec();
    if (const char* fault = fault_of(limit)) return std::string(fault);
    std::string name = key;
    if (limits.size() > 1) append_escaped(name += '#', limits.label(i));
    Limiter limiter = limiter_of(std::move(name), limit, rule_name, is_on_trial);
    limiter.label = limits.label(i);
    limiters.push_back(std::move(limiter));
  }
  return limiters;
}

}  // namespace ratelimit::service::envoy
