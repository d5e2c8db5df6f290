// SPDX-License-Identifier: MIT
// Rules and requests as tests write them.
#ifndef RATELIMIT_SERVICE_ENVOY_TESTS_SUPPORT_H
#define RATELIMIT_SERVICE_ENVOY_TESTS_SUPPORT_H

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "messages.h"
#include "ratelimit/client/answer.h"
#include "rules.h"

namespace ratelimit::service::envoy {

/// What a file of rules comes to; an empty text if it is right.
inline std::string faults_of(std::vector<RuleText> texts, const RuleOptions& options = {}) {
  const ReadRules read = read_rules(texts, options);
  std::string text;
  if (const auto* faults = std::get_if<std::vector<RuleFault>>(&read)) {
    for (const RuleFault& fault : *faults) text.append(text.empty() ? "" : "\n").append(text_of(fault));
  }
  return text;
}
inline std::string faults_of(std::string yaml, const RuleOptions& options = {}) {
  return faults_of({{.file = "rules.yaml", .yaml = std::move(yaml)}}, options);
}

inline std::shared_ptr<const Rules> rules_of(std::string yaml, const RuleOptions& options = {}) {
  const std::array texts{RuleText{.file = "rules.yaml", .yaml = std::move(yaml)}};
  ReadRules read = read_rules(texts, options);
  if (auto* rules = std::get_if<Rules>(&read)) return std::make_shared<const Rules>(std::move(*rules));
  ADD_FAILURE() << text_of(std::get<std::vector<RuleFault>>(read).front());
  return std::make_shared<const Rules>();
}

inline Request request_of(std::string domain, std::vector<std::vector<Entry>> descriptors) {
  Request request{.domain = std::move(domain), .descriptors = {}};
  for (std::vector<Entry>& entries : descriptors) request.descriptors.push_back({.entries = std::move(entries)});
  return request;
}

/// An answer of the server.
inline client::Answer answer_of(Outcome outcome, std::int64_t remaining = 0, std::chrono::milliseconds wait = {},
                                client::Source source = client::Source::server) {
  client::Answer answer;
  answer.outcome = outcome;
  answer.granted = Units(outcome == Outcome::granted ? 1 : 0);
  answer.limit = Units(10);
  answer.remaining = Units(remaining);
  answer.wait = answer.reset = wait;
  answer.source = source;
  return answer;
}

/// The words of a limiter's limit.
inline std::string words_of(const Limiter& limiter) {
  std::string text;
  for (const std::string& word : limiter.words) text.append(text.empty() ? "" : " ").append(word);
  return text;
}

/// The name, and the words of the limit.
inline std::string limiter_text(const Limiter& limiter) {
  return limiter.name + " " + words_of(limiter) + (limiter.is_on_trial ? " SHADOW" : "");
}

/// Of all limiters, a line each.
inline std::string limiters_text(const Rules& rules) {
  std::string text;
  for (const Limiter* limiter : rules.limiters()) text.append(text.empty() ? "" : "\n").append(limiter_text(*limiter));
  return text;
}

}  // namespace ratelimit::service::envoy

#endif  // RATELIMIT_SERVICE_ENVOY_TESTS_SUPPORT_H
