// SPDX-License-Identifier: MIT
// What the HTTP door answers for the door for Envoy, if there is one. That door knows the rules and the protocol; this one
// knows HTTP.
#ifndef RATELIMIT_SERVICE_HTTP_ENVOY_PATHS_H
#define RATELIMIT_SERVICE_HTTP_ENVOY_PATHS_H

#include <functional>
#include <string>

#include "../backend.h"
#include "../response.h"

namespace ratelimit::service {

/// Any thread may call these functions.
struct EnvoyPaths {
  /// POST /json. Gets the response once, on any thread.
  std::function<void(const std::string& body, const Context& context, std::function<void(Response)> respond)> json;
  std::function<std::string()> rules;    ///< GET /rlconfig
  std::function<bool()> is_serving;      ///< GET /healthcheck
  std::function<std::string()> metrics;  ///< what GET /metrics has of it
};

}  // namespace ratelimit::service

#endif  // RATELIMIT_SERVICE_HTTP_ENVOY_PATHS_H
