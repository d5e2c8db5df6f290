// SPDX-License-Identifier: MIT
// Answers requests of Envoy: asks the backend what a plan needs, step by step, and has limiters defined that the server does
// not know. Thread-safe. Depends on plans, the rule book, metrics and the log.
#ifndef RATELIMIT_SERVICE_ENVOY_CHECKER_H
#define RATELIMIT_SERVICE_ENVOY_CHECKER_H

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backend.h"
#include "envoy_metrics.h"
#include "log.h"
#include "messages.h"
#include "plan.h"
#include "rule_book.h"
#include "settings.h"

namespace ratelimit::service::envoy {

/// Who asks.
struct Caller {
  Span deadline{};            ///< waits no longer; 0: as the service is configured
  std::string request_id{};   ///< the correlation id
  std::string traceparent{};  ///< empty if there is none
  std::string_view path{};    ///< a literal: where the request came in
};

class Checker {
 public:
  /// Gets the response once, on any thread, maybe before the call returns.
  using Done = std::function<void(const Response&)>;

  /// The arguments must outlive all calls.
  Checker(RuleBook& book, Backend& backend, EnvoyMetrics& metrics, const Settings& settings, Log& log);

  void check(Request request, Caller caller, Done done);

 private:
  /// A request on its way. Shared by the functions that wait for its answers.
  struct Exchange;
  using Shared = std::shared_ptr<Exchange>;

  void proceed(const Shared& exchange);
  void ask_each(const Shared& exchange, const Step& step);
  /// Calls of one step that are made each on its own.
  struct Gathering;
  void ask_those(const Shared& exchange, const std::shared_ptr<Gathering>& gathering);
  void gathered(const Shared& exchange, const std::shared_ptr<Gathering>& gathering);
  void answered(const Shared& exchange, Answer all, std::vector<Answer> each);
  void finish(const Shared& exchange);
  /// Changes an answer that nobody decided, as the settings want it.
  void apply_outage(const Exchange& exchange, Response& response) const;
  void note(const Exchange& exchange, const Response& response);

  RuleBook& book_;
  Backend& backend_;
  EnvoyMetrics& metrics_;
  const Settings& settings_;
  const PlanSettings plan_settings_;
  Log& log_;
};

}  // namespace ratelimit::service::envoy

#endif  // RATELIMIT_SERVICE_ENVOY_CHECKER_H
