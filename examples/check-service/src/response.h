// SPDX-License-Identifier: MIT
// What the service answers: a decision as JSON with the fields of HTTP that go with it, or a problem (RFC 9457). Pure;
// depends on requests and answers.
#ifndef RATELIMIT_SERVICE_RESPONSE_H
#define RATELIMIT_SERVICE_RESPONSE_H

#include <chrono>
#include <string>
#include <string_view>

#include "backend.h"
#include "fields.h"
#include "request.h"

namespace ratelimit::service {

struct Response {
  unsigned status = 200;
  std::string_view type = "application/json";
  std::string fields{};  ///< lines of HTTP, each with its end
  std::string body{};
};

void add_field(Response& response, std::string_view name, std::string_view value);

/// A decision. 200: the call may go on. 429: it may not. 503: nobody decided, and such calls are denied. 400, 500: a mistake
/// of the caller, of the set-up. The fields RateLimit and RateLimit-Policy are about the limit that binds.
[[nodiscard]] Response response_to_check(const Request& request, const Answer& answer, std::string_view request_id);

/// 200: the hold is settled. 404: there is no such hold.
[[nodiscard]] Response response_to_settle(const Answer& answer, std::string_view request_id);

/// The server refuses what it was asked, with that error. 400: a mistake of the caller. 500: one of the set-up, whose text
/// is not for callers.
[[nodiscard]] Response response_to_refusal(std::string_view error, std::string_view request_id);

/// The server did not answer: 503, to be asked again after `wait`, a second at least.
[[nodiscard]] Response response_to_silence(std::chrono::milliseconds wait, std::string_view request_id);

/// A problem that is no decision.
[[nodiscard]] Response response_to(const Problem& problem, std::string_view request_id);

/// How a decision counts: in metrics, and in the log.
enum class Result : std::uint8_t { allowed, blocked, error };
[[nodiscard]] Result result_of(const Answer& answer);

/// The response as it is sent. `date` is the value of the field Date. HEAD gets no body.
void append_response(std::string& wire, const Response& response, std::string_view date, bool keeps_alive,
                     bool is_head);

}  // namespace ratelimit::service

#endif  // RATELIMIT_SERVICE_RESPONSE_H
