// SPDX-License-Identifier: MIT
// From a request of Envoy to its response, in steps: what to ask the backend next, and what the answers mean. Pure: no server,
// no clock. Depends on rules and on the backend's questions.
//
//     Plan plan(rules, request, settings);
//     while (const Step* step = plan.next()) plan.take(answers of the backend to *step);
//     Response response = plan.response();
//
// Usually there is one step: RL.CHECKALL, or RL.CHECK if there is one question. It charges all descriptors, or none. Further
// steps are rare. If some rules of quota mode deny, and nothing else does, the rest is asked again without them. When the request
// is granted, hits are given back, and hits that have happened are charged.
#ifndef RATELIMIT_SERVICE_ENVOY_PLAN_H
#define RATELIMIT_SERVICE_ENVOY_PLAN_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backend.h"
#include "messages.h"
#include "rules.h"

namespace ratelimit::service::envoy {

/// How requests are answered. A header whose name is empty is not sent.
struct PlanSettings {
  bool has_headers = false;
  std::string limit_header = "RateLimit-Limit";
  std::string remaining_header = "RateLimit-Remaining";
  std::string reset_header = "RateLimit-Reset";
  std::string retry_header = "Retry-After";             ///< of a denial: whole seconds, rounded up
  std::string reason_header = "x-ratelimit-denied-by";  ///< of a denial: the rule and the label of the limit
  bool has_metadata = false;                            ///< dynamic metadata
  bool is_on_trial = false;                             ///< nobody is denied (the original's global shadow mode)
  bool is_quota = false;                                ///< all rules are of quota mode
};

/// What to ask the backend.
struct Step {
  enum class Verb : std::uint8_t {
    check,      ///< one question: Backend::check
    check_all,  ///< Backend::check_all
    charge,     ///< each question on its own, together or in turn: Backend::check
    refund,     ///< each question on its own, together or in turn: Backend::refund
  };
  Verb verb = Verb::check;
  std::vector<Question> questions;
};

/// What became of one descriptor: for metrics and logs.
struct DescriptorOutcome {
  std::string metric;      ///< the name; empty: no rule
  std::uint64_t hits = 0;  ///< that were asked for
  bool is_over = false;
  bool is_on_trial = false;
};

class Plan {
 public:
  /// `request` and `settings` are borrowed for the life of the plan.
  Plan(std::shared_ptr<const Rules> rules, const Request& request, const PlanSettings& settings);
  Plan(Plan&&) noexcept;
  Plan& operator=(Plan&&) noexcept;
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;
  ~Plan();

  /// What to ask next; null: the response is there.
  [[nodiscard]] const Step* next() const;

  /// The answers to the questions of the step. Of `check_all`: `all`, and what each says. Of `check`: `all` alone. Of others:
  /// `each`, in the order of the questions.
  void take(Answer all, std::vector<Answer> each);

  /// After the last step.
  [[nodiscard]] Response response() const;

  /// The limiters that the plan is about: what to define if the server does not know them (`lacks_limiters`).
  [[nodiscard]] const std::vector<const Limiter*>& limiters() const;

  /// After the last step: one for each descriptor.
  [[nodiscard]] std::vector<DescriptorOutcome> outcomes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Whether the server does not have a limiter as the rules define it: it was emptied, or another instance has other rules.
/// Then RL.DEFINE helps, and the same step can be asked again: nothing was charged.
[[nodiscard]] bool lacks_limiters(const Answer& answer);

}  // namespace ratelimit::service::envoy

#endif  // RATELIMIT_SERVICE_ENVOY_PLAN_H
