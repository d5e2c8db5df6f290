// SPDX-License-Identifier: MIT
// From what the server said about the items of a request to the response. Pure; depends on inquiries and on the plan's settings.
#ifndef RATELIMIT_SERVICE_ENVOY_VERDICT_H
#define RATELIMIT_SERVICE_ENVOY_VERDICT_H

#include <optional>
#include <vector>

#include "backend.h"
#include "inquiry.h"
#include "messages.h"
#include "plan.h"

namespace ratelimit::service::envoy {

/// What is known when all has been asked.
struct Findings {
  const Request* request = nullptr;
  const PlanSettings* settings = nullptr;
  Inquiry inquiry{};
  std::optional<Answer> all{};  ///< to the last step that decided
  bool is_denied = false;       ///< by that step: nothing was charged
};

/// Which wishes are over their limits: one for each.
[[nodiscard]] std::vector<bool> wishes_over(const Findings& findings);

/// Whether these deny the request: one that is not of quota mode, or all that are.
[[nodiscard]] bool is_over(const Inquiry& inquiry, const std::vector<bool>& wishes_over);

[[nodiscard]] Response response_of(const Findings& findings);

}  // namespace ratelimit::service::envoy

#endif  // RATELIMIT_SERVICE_ENVOY_VERDICT_H
