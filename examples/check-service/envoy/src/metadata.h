// SPDX-License-Identifier: MIT
// The dynamic metadata of a response: what was asked, as the original shows it, and why the request was denied. Pure; depends on
// inquiries.
#ifndef RATELIMIT_SERVICE_ENVOY_METADATA_H
#define RATELIMIT_SERVICE_ENVOY_METADATA_H

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "inquiry.h"
#include "messages.h"

namespace ratelimit::service::envoy {

/// Why a request is denied.
struct Reason {
  std::string rule{};                               ///< its full key; empty: not known
  std::string label{};                              ///< of the limit
  std::optional<std::chrono::milliseconds> wait{};  ///< none: for ever
};

/// `reason` is null if the request is not denied.
[[nodiscard]] Value::Object metadata_of(const Request& request, const std::vector<Wish>& wishes,
                                        const std::vector<bool>& wishes_over, const Reason* reason);

}  // namespace ratelimit::service::envoy

#endif  // RATELIMIT_SERVICE_ENVOY_METADATA_H
