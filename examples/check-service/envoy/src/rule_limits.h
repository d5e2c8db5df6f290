// SPDX-License-Identifier: MIT
// From what a rule says about its limit to the limits of the server. Pure; depends on rules, and on policies from text.
//
// A second, a minute, an hour and a day are windows of that length, which begin at multiples of it: as the original's. A week, a
// month and a year are those of the calendar, in UTC. The original's are 7, 30 and 365 days since 1970: its weeks begin on
// Thursday, and its months drift.
#ifndef RATELIMIT_SERVICE_ENVOY_RULE_LIMITS_H
#define RATELIMIT_SERVICE_ENVOY_RULE_LIMITS_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ratelimit/algorithms/limit_spec.h"
#include "rules.h"

namespace ratelimit::service::envoy {

/// The limit of so many requests per unit. The unit is not `unknown`.
[[nodiscard]] LimitSpec limit_of(std::uint32_t requests_per_unit, Unit unit);

/// The limit that comes with a request, whose unit is known. None if its window is longer than 3650 days or is no time at all,
/// or if it is several months or years, which no limit of ours is.
[[nodiscard]] std::optional<LimitSpec> limit_of(const LimitOverride& limit);

/// How a status shows a limit.
[[nodiscard]] CurrentLimit shown(const LimitSpec& limit, std::string_view rule_name);

/// The limiter of one limit, which is valid.
[[nodiscard]] Limiter limiter_of(std::string key, const LimitSpec& limit, std::string_view rule_name, bool is_on_trial);

/// The limiters of a text such as `TOKENBUCKET 20 10 1s FIXED 1000 1d`, or what is wrong with it. If there are several, each
/// has its label in its name.
[[nodiscard]] std::variant<std::vector<Limiter>, std::string> limiters_of(const std::string& key, std::string_view text,
                                                                          std::string_view rule_name, bool is_on_trial,
                                                                          const client::ZoneFinder& find_zone);

}  // namespace ratelimit::service::envoy

#endif  // RATELIMIT_SERVICE_ENVOY_RULE_LIMITS_H
