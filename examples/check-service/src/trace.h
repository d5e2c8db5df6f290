// SPDX-License-Identifier: MIT
// What follows a request from program to program: its correlation id (X-Request-Id), and the trace of W3C Trace Context
// (traceparent). Pure.
#ifndef RATELIMIT_SERVICE_TRACE_H
#define RATELIMIT_SERVICE_TRACE_H

#include <cstdint>
#include <string>
#include <string_view>

namespace ratelimit::service {

/// 1 to 64 letters, digits, dots, hyphens and underscores: other ids are not taken over, so that no client writes into logs.
[[nodiscard]] bool is_request_id(std::string_view id);

/// A new correlation id, by a random number.
[[nodiscard]] std::string make_request_id(std::uint64_t high, std::uint64_t low);

/// The form of https://www.w3.org/TR/trace-context/ 3.2, of any version but ff. Of later versions, more may follow.
[[nodiscard]] bool is_traceparent(std::string_view text);

/// The id of the trace, 32 digits, in a text that is one.
[[nodiscard]] inline std::string_view trace_id_of(std::string_view traceparent) { return traceparent.substr(3, 32); }

}  // namespace ratelimit::service

#endif  // RATELIMIT_SERVICE_TRACE_H
