// SPDX-License-Identifier: MIT
#include "envoy_metrics.h"

#include <vector>

#include "metrics.h"
#include "ratelimit/client/counters.h"

namespace ratelimit::service::envoy {
namespace {

std::string_view result_of(const Response& response) {
  if (response.failure != Failure::none) return "error";
  return response.overall_code == Code::over_limit ? "blocked" : "allowed";
}

}  // namespace

void EnvoyMetrics::begin() { ++open_; }

void EnvoyMetrics::count(const Plan& plan, const Response& response, client::Source source) {
  --open_;
  const bool has_outcomes = response.failure == Failure::none;
  const std::vector<DescriptorOutcome> outcomes = has_outcomes ? plan.outcomes() : std::vector<DescriptorOutcome>{};
  const std::lock_guard lock(mutex_);
  ++requests_[{result_of(response), client::name_of(source)}];
  for (const DescriptorOutcome& outcome : outcomes) count(outcome, response.overall_code == Code::ok);
}

void EnvoyMetrics::count(const DescriptorOutcome& outcome, bool was_allowed) {
  if (outcome.metric.empty()) return;
  if (!outcome.is_over && !outcome.is_on_trial && !was_allowed) return;
  auto place = rules_.find(outcome.metric);
  if (place == rules_.end()) {
    place = rules_.try_emplace(rules_.size() < kMostRules ? outcome.metric : "other").first;
  }
  const Result result = outcome.is_on_trial ? Result::shadow : outcome.is_over ? Result::blocked : Result::allowed;
  place->second[static_cast<std::size_t>(result)] += outcome.hits;
}

std::string EnvoyMetrics::text() const {
  const std::lock_guard lock(mutex_);
  std::string text =
      "# HELP check_service_envoy_hits_total Hits by rule; shadow: of a rule on trial, which denies nobody.\n"
      "# TYPE check_service_envoy_hits_total counter\n";
  for (const auto& [rule, hits] : rules_) {
    for (std::size_t i = 0; i < hits.size(); ++i) {
      if (hits[i] == 0) continue;
      text.append("check_service_envoy_hits_total{rule=\"");
      append_label(text, rule);
      text.append("\",result=\"").append(kResults[i]).append("\"} ").append(std::to_string(hits[i])).append("\n");
    }
  }
  text.append(
      "# HELP check_service_envoy_requests_total Requests by what became of them, and by who decided.\n"
      "# TYPE check_service_envoy_requests_total counter\n");
  for (const auto& [kind, count] : requests_) {
    text.append("check_service_envoy_requests_total{result=\"").append(kind.first);
    text.append("\",source=\"").append(kind.second).append("\"} ").append(std::to_string(count)).append("\n");
  }
  text.append(
      "# HELP check_service_envoy_open_requests Requests that are under way.\n"
      "# TYPE check_service_envoy_open_requests gauge\n"
      "check_service_envoy_open_requests ");
  return text.append(std::to_string(open_)).append("\n");
}

}  // namespace ratelimit::service::envoy
