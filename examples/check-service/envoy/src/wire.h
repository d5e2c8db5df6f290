// SPDX-License-Identifier: MIT
// Between the messages as they are sent (protobuf, and JSON by protobuf's own mapping) and their values. Pure.
#ifndef RATELIMIT_SERVICE_ENVOY_WIRE_H
#define RATELIMIT_SERVICE_ENVOY_WIRE_H

#include <optional>
#include <string>

#include "messages.h"

namespace envoy::service::ratelimit::v3 {
class RateLimitRequest;
class RateLimitResponse;
}  // namespace envoy::service::ratelimit::v3

namespace ratelimit::service::envoy {

namespace wire = ::envoy::service::ratelimit::v3;

[[nodiscard]] Request request_of(const wire::RateLimitRequest& message);

/// Envoy makes a header of the seconds until reset and drops their fraction, so they are rounded up here.
void write(const Response& response, wire::RateLimitResponse& message);

/// None if it is no such message. An unknown field is a mistake, too.
[[nodiscard]] std::optional<Request> request_of_json(const std::string& json);

[[nodiscard]] std::string json_of(const Response& response);

}  // namespace ratelimit::service::envoy

#endif  // RATELIMIT_SERVICE_ENVOY_WIRE_H
