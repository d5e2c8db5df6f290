// SPDX-License-Identifier: MIT
// What the door for Envoy counts: hits by rule, and requests by what became of them. Thread-safe. Depends on plans.
#ifndef RATELIMIT_SERVICE_ENVOY_ENVOY_METRICS_H
#define RATELIMIT_SERVICE_ENVOY_ENVOY_METRICS_H

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "backend.h"
#include "plan.h"

namespace ratelimit::service::envoy {

class EnvoyMetrics {
 public:
  /// Rules that have numbers of their own; all others are "other". With `detailed_metric` their names have values that come
  /// from callers, who must not fill the memory.
  static constexpr std::size_t kMostRules = 1000;

  /// A request has come. `count` ends it.
  void begin();

  /// `source` says who decided. Hits of a rule on trial are shadow hits: RL.INFO says who would have been denied. Others count
  /// as allowed if the request was: else a descriptor that is not over its limit was charged nothing, and is not counted.
  void count(const Plan& plan, const Response& response, client::Source source);

  /// In the text format of Prometheus.
  [[nodiscard]] std::string text() const;

 private:
  enum class Result : std::uint8_t { allowed, blocked, shadow };
  static constexpr std::array<std::string_view, 3> kResults{"allowed", "blocked", "shadow"};
  using Hits = std::array<std::uint64_t, kResults.size()>;

  void count(const DescriptorOutcome& outcome, bool was_allowed);

  std::atomic<std::uint64_t> open_{0};  ///< requests that are under way
  mutable std::mutex mutex_;            ///< guards what follows
  std::map<std::string, Hits, std::less<>> rules_;
  std::map<std::pair<std::string_view, std::string_view>, std::uint64_t> requests_;  ///< by result and source
};

}  // namespace ratelimit::service::envoy

#endif  // RATELIMIT_SERVICE_ENVOY_ENVOY_METRICS_H
