// SPDX-License-Identifier: MIT
// Policies written as text, such as `TOKENBUCKET 20 10 1s AS burst FIXED 1000 1d`: in a configuration file, a flag, an
// environment variable. The text is what RL.CHECK takes for its limits, and an error is what the server would say: both
// have the same reader. Pure; depends on policies and the grammar.
#ifndef RATELIMIT_CLIENT_POLICY_TEXT_H
#define RATELIMIT_CLIENT_POLICY_TEXT_H

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/algorithms/zone.h"
#include "ratelimit/client/policy.h"
#include "ratelimit/grammar/argument_row.h"
#include "ratelimit/grammar/error_text.h"
#include "ratelimit/grammar/fault.h"
#include "ratelimit/grammar/limits_of_text.h"

namespace ratelimit::client {

/// Gives the rules of a time zone by its name; null if it knows no such zone. The rules must outlive every policy.
using ZoneFinder = std::function<const Zone*(std::string_view name)>;

/// A policy, or what is wrong with its text.
struct ParsedPolicy {
  std::optional<Policy> policy;
  std::string error;
};

/// Reads the limits of a policy. A text that names a time zone other than UTC needs `zones`, because the client must know
/// the zone's rules to decide without the server.
[[nodiscard]] inline ParsedPolicy parse_policy(std::string_view text, const ZoneFinder& zones = {}) {
  const auto find_zone = [&zones](std::string_view name) {
    return zones && is_zone_name(name) ? zones(name) : nullptr;
  };
  LimitSpecs limits;
  const std::optional<Fault> fault = read_limits(text, limits, find_zone);
  if (fault) return {.policy = std::nullopt, .error = sentence(*fault)};
  return {.policy = Policy::make(limits.span()), .error = {}};
}

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_POLICY_TEXT_H
