// SPDX-License-Identifier: MIT
#include "response.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "json_text.h"
#include "ratelimit/client/counters.h"
#include "ratelimit/http/http_fields.h"

namespace ratelimit::service {
namespace {

using client::Failure;
using client::Source;

constexpr std::string_view kProblem = "application/problem+json";
/// Of draft-ietf-httpapi-ratelimit-headers.
constexpr std::string_view kQuotaExceeded = "https://iana.org/assignments/http-problem-types#quota-exceeded";

std::string_view reason_of(unsigned status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 503: return "Service Unavailable";
    default: return "Error";
  }
}

/// Whether an error is one of the set-up: no caller can mend it, and its text may show what was sent.
bool is_of_setup(std::string_view error) {
  constexpr std::array<std::string_view, 7> kSetup{
      "NOAUTH", "WRONGPASS", "NOPERM", "ERR unknown command", "ERR AUTH", "ERR invalid password", "ERR DB index"};
  return std::any_of(kSetup.begin(), kSetup.end(), [&](std::string_view each) { return error.starts_with(each); });
}

std::string_view without_code(std::string_view error) { return error.starts_with("ERR ") ? error.substr(4) : error; }

// --- the fields of a decision ------------------------------------------------------------------------

/// The place of the binding limit among those of the request, if the request has limits.
std::optional<std::size_t> binding_of(const Policy& policy, std::string_view label) {
  const Limits* limits = policy.limits();
  for (std::size_t i = 0; limits != nullptr && i < limits->size(); ++i) {
    if (limits->label(i) == label) return i;
  }
  return std::nullopt;
}

void add_rate_limit_fields(Response& response, const Request& request, const Answer& answer) {
  if (answer.label.empty()) return;  // nobody decided by a limit
  LimitStatus status{.label = answer.label, .quota = answer.limit, .remaining = answer.remaining, .more = answer.reset};
  if (!answer.allowed() && answer.outcome == Outcome::denied) status.wait = answer.wait;
  const std::span<const LimitStatus> statuses(&status, 1);
  // The time of a limiter's limit is not known here, and the parameter w is optional.
  std::string policy;
  if (const auto place = binding_of(request.question.policy, answer.label)) {
    status.window = (*request.question.policy.limits())[*place].window();
    policy = http::policies(statuses);
  } else {
    policy = http::list_of(statuses, [](std::string& text, const LimitStatus& limit) {
      http::append_parameter(text, "q", http::count_in_field(limit.quota));
    });
  }
  add_field(response, "RateLimit-Policy", policy);
  add_field(response, "RateLimit", http::service_limits(statuses));
}

void add_retry_after(Response& response, std::chrono::milliseconds wait) {
  add_field(response, "Retry-After", std::to_string(http::retry_after({}, wait)));
}

// --- bodies ------------------------------------------------------------------------------------------

void add_decision(JsonObject& body, const Answer& answer) {
  body.add("allowed", answer.allowed());
  body.add("granted", answer.granted.count());
  body.add("limit", answer.limit.count());
  body.add("remaining", answer.remaining.count());
  if (answer.outcome == Outcome::never) {
    body.add_null("wait_ms");
  } else {
    body.add("wait_ms", std::int64_t{answer.wait.count()});
  }
  body.add("reset_ms", std::int64_t{answer.reset.count()});
  if (!answer.label.empty()) body.add("label", answer.label);
  if (!answer.id.empty()) body.add("id", answer.id);
  body.add("source", client::name_of(answer.source));
  if (answer.failure != Failure::none) body.add("failure", client::name_of(answer.failure));
}

}  // namespace

void add_field(Response& response, std::string_view name, std::string_view value) {
  response.fields.append(name).append(": ").append(value).append("\r\n");
}

Result result_of(const Answer& answer) {
  const bool is_error = answer.source == Source::error || answer.source == Source::nobody;
  return is_error ? Result::error : answer.allowed() ? Result::allowed : Result::blocked;
}

Response response_to_check(const Request& request, const Answer& answer, std::string_view request_id) {
  if (answer.source == Source::error) return response_to_refusal(answer.error, request_id);
  // Without the server, the limits of a limiter are not known here.
  const bool is_by_no_limit =
      answer.source == Source::fail_closed || (answer.source == Source::local && answer.label.empty());
  const bool is_undecided = !answer.allowed() && is_by_no_limit;
  if (is_undecided || answer.source == Source::nobody) return response_to_silence(answer.wait, request_id);
  Response response;
  response.status = answer.allowed() ? 200 : 429;
  add_rate_limit_fields(response, request, answer);
  if (answer.outcome == Outcome::denied) add_retry_after(response, answer.wait);
  JsonObject body(response.body);
  if (!answer.allowed()) {
    response.type = kProblem;
    body.add("type", kQuotaExceeded);
    body.add("title", reason_of(429));
    body.add("status", std::int64_t{429});
    if (!answer.label.empty()) body.add_list("violated-policies", answer.label);
  }
  add_decision(body, answer);
  body.add("request_id", request_id);
  body.end();
  return response;
}

Response response_to_settle(const Answer& answer, std::string_view request_id) {
  if (answer.source == Source::error) return response_to_refusal(answer.error, request_id);
  if (!answer.was_held && answer.source == Source::nobody) return response_to_silence(answer.wait, request_id);
  if (!answer.was_held)
    return response_to(Problem{404, "there is no such hold: it has ended, or never was"}, request_id);
  Response response;
  JsonObject body(response.body);
  body.add("settled", true);
  body.add("remaining", answer.remaining.count());
  body.add("source", client::name_of(answer.source));
  body.add("request_id", request_id);
  body.end();
  return response;
}

Response response_to_silence(std::chrono::milliseconds wait, std::string_view request_id) {
  Response response = response_to(Problem{503, "the rate limiter's server does not answer"}, request_id);
  add_retry_after(response, std::max<std::chrono::milliseconds>(wait, std::chrono::seconds{1}));
  return response;
}

Response response_to_refusal(std::string_view error, std::string_view request_id) {
  if (is_of_setup(error)) {
    return response_to(Problem{500, "the service is not set up for its server; its log says more"}, request_id);
  }
  return response_to(Problem{400, std::string(without_code(error))}, request_id);
}

Response response_to(const Problem& problem, std::string_view request_id) {
  Response response{.status = problem.status, .type = kProblem};
  JsonObject body(response.body);
  body.add("type", "about:blank");
  body.add("title", reason_of(problem.status));
  body.add("status", static_cast<std::int64_t>(problem.status));
  body.add("detail", problem.detail);
  body.add("request_id", request_id);
  body.end();
  return response;
}

void append_response(std::string& wire, const Response& response, std::string_view date, bool keeps_alive,
                     bool is_head) {
  wire.append("HTTP/1.1 ").append(std::to_string(response.status)).append(" ").append(reason_of(response.status));
  wire.append("\r\nDate: ").append(date);
  wire.append("\r\nContent-Type: ").append(response.type);
  wire.append("\r\nContent-Length: ").append(std::to_string(response.body.size())).append("\r\n");
  if (!keeps_alive) wire.append("Connection: close\r\n");
  wire.append(response.fields).append("\r\n");
  if (!is_head) wire.append(response.body);
}

}  // namespace ratelimit::service
