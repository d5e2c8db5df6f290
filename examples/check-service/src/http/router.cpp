// SPDX-License-Identifier: MIT
#include "router.h"

#include <array>
#include <chrono>
#include <memory>
#include <utility>

#include "../json_body.h"
#include "../query.h"
#include "../request.h"
#include "../trace.h"
#include "ratelimit/client/counters.h"

namespace ratelimit::service {

using client::Failure;
using client::Source;

struct Router::Exchange {
  HttpRequest http;
  Respond respond;
  std::string id;           ///< X-Request-Id
  std::string traceparent;  ///< empty if there is none
  std::string_view path;
  Span deadline{};
  Request request{};  ///< what is asked of the backend

  [[nodiscard]] Context context() const { return {.deadline = deadline, .trace = id}; }
};

namespace {

/// The caller's patience, by the field X-Request-Timeout: a duration such as 20ms. A wrong one is a problem.
Read<Span> deadline_in(const HttpRequest& request) {
  const auto text = request.field("X-Request-Timeout");
  if (!text) return Span{};
  const std::optional<Span> span = parse_duration(*text);
  if (span && *span > Span{}) return *span;
  return Problem{400, "the field X-Request-Timeout must be a duration such as 20ms"};
}

bool is_json(const HttpRequest& request) {
  const auto type = request.field("Content-Type");
  return !type || type->starts_with("application/json");
}

}  // namespace

// --- the way in --------------------------------------------------------------------------------------

Router::Shared Router::begin(HttpRequest request, Respond respond) {
  auto exchange = std::make_shared<Exchange>();
  exchange->http = std::move(request);
  exchange->respond = std::move(respond);
  const auto id = exchange->http.field("X-Request-Id");
  exchange->id = id && is_request_id(*id) ? std::string(*id) : make_request_id(random_(), random_());
  const auto trace = exchange->http.field("traceparent");
  if (trace && is_traceparent(*trace)) exchange->traceparent = *trace;
  return exchange;
}

void Router::handle(HttpRequest request, Respond respond) {
  const Shared exchange = begin(std::move(request), std::move(respond));
  const Read<Span> deadline = deadline_in(exchange->http);
  if (const auto* problem = std::get_if<Problem>(&deadline)) return refuse(exchange, *problem);
  exchange->deadline = std::get<Span>(deadline);
  route(exchange);
}

void Router::route(const Shared& exchange) {
  const auto [path, query] = split_target(exchange->http.target);
  exchange->path = path;
  const std::string& method = exchange->http.method;
  if (path == "/auth") return auth(exchange, query);  // proxies send the method of the request that they ask about
  const bool is_read = method == "GET" || method == "HEAD";
  const bool is_call = path == "/check" || path == "/reserve" || path == "/settle";
  if (is_call) {
    if (method == "POST") return post(exchange);
  } else if (path == "/health/live") {
    if (is_read) return finish(exchange, {.body = R"({"status":"live"})"});
  } else if (path == "/health/ready") {
    if (is_read) return ready(exchange);
  } else if (path == "/metrics") {
    if (is_read) return finish(exchange, {.type = "text/plain; version=0.0.4", .body = shared_.metrics()});
  } else if ((shared_.envoy && envoy(exchange)) || (shared_.pages && show_page(exchange, query))) {
    return;
  } else {
    return refuse(exchange, {404, "there is nothing at this path"});
  }
  refuse_method(exchange, is_call ? "POST" : "GET, HEAD");
}

void Router::refuse_method(const Shared& exchange, std::string_view allowed) {
  Response response = response_to({405, "the path has another method"}, exchange->id);
  add_field(response, "Allow", allowed);
  finish(exchange, std::move(response));
}

void Router::post(const Shared& exchange) {
  if (!is_json(exchange->http)) return refuse(exchange, {415, "the body must be application/json"});
  Read<Fields> fields = fields_of_json(exchange->http.body);
  if (const auto* problem = std::get_if<Problem>(&fields)) return refuse(exchange, *problem);
  Fields& named = std::get<Fields>(fields);
  if (exchange->path == "/check") return check(exchange, read_check(std::move(named), false, book_));
  if (exchange->path == "/reserve") return reserve(exchange, read_reserve(std::move(named), book_));
  settle(exchange, read_settle(std::move(named), book_));
}

void Router::auth(const Shared& exchange, std::string_view query) {
  Read<Fields> fields = fields_of_query(query);
  if (const auto* problem = std::get_if<Problem>(&fields)) return refuse(exchange, *problem);
  const auto value_of = [&](std::string_view name) { return exchange->http.field(name); };
  check(exchange, read_auth(std::move(std::get<Fields>(fields)), book_, value_of));
}

// --- the door for Envoy ------------------------------------------------------------------------------

bool Router::envoy(const Shared& exchange) {
  const std::string_view path = exchange->path;
  const bool is_json_call = path == "/json";
  if (!is_json_call && path != "/rlconfig" && path != "/healthcheck") return false;
  const std::string& method = exchange->http.method;
  const bool is_allowed = is_json_call ? method == "POST" : method == "GET" || method == "HEAD";
  if (!is_allowed) {
    refuse_method(exchange, is_json_call ? "POST" : "GET, HEAD");
  } else if (is_json_call) {
    envoy_json(exchange);
  } else if (path == "/healthcheck") {
    envoy_health(exchange);
  } else {
    finish(exchange, {.type = "text/plain; charset=utf-8", .body = shared_.envoy->rules()});
  }
  return true;
}

/// The content type does not matter, as it does not to the original.
void Router::envoy_json(const Shared& exchange) {
  shared_.envoy->json(exchange->http.body, exchange->context(), [this, exchange](Response response) {
    post_([this, exchange, response = std::move(response)]() mutable { finish(exchange, std::move(response)); });
  });
}

void Router::envoy_health(const Shared& exchange) {
  if (!shared_.is_draining && shared_.envoy->is_serving()) {
    return finish(exchange, {.type = "text/plain; charset=utf-8", .body = "OK"});
  }
  refuse(exchange, {503, "the service is ending"});
}

// --- operators ---------------------------------------------------------------------------------------

bool Router::show_page(const Shared& exchange, std::string_view query) {
  const std::optional<operators::Page> page = operators::page_of(exchange->path);
  if (!page) return false;
  shared_.pages->answer(exchange->http, exchange->path, query, exchange->context(),
                        [this, exchange, page = *page](Response response) {
                          post_([this, exchange, page, response = std::move(response)]() mutable {
                            metrics_.count_page(operators::name_of(page), response.status);
                            finish(exchange, std::move(response));
                          });
                        });
  return true;
}

// --- questions ---------------------------------------------------------------------------------------

void Router::check(const Shared& exchange, Read<Request> request) {
  if (const auto* problem = std::get_if<Problem>(&request)) return refuse(exchange, *problem);
  exchange->request = std::move(std::get<Request>(request));
  backend_.check(exchange->request.question, exchange->context(), [this, exchange](const Answer& answer) {
    decided(exchange, answer, response_to_check(exchange->request, answer, exchange->id));
  });
}

void Router::reserve(const Shared& exchange, Read<Request> request) {
  if (const auto* problem = std::get_if<Problem>(&request)) return refuse(exchange, *problem);
  exchange->request = std::move(std::get<Request>(request));
  const Request& asked = exchange->request;
  backend_.reserve(asked.question, asked.ttl, exchange->context(), [this, exchange](const Answer& answer) {
    decided(exchange, answer, response_to_check(exchange->request, answer, exchange->id));
  });
}

void Router::settle(const Shared& exchange, Read<Request> request) {
  if (const auto* problem = std::get_if<Problem>(&request)) return refuse(exchange, *problem);
  exchange->request = std::move(std::get<Request>(request));
  backend_.settle(exchange->request.question, exchange->context(), [this, exchange](const Answer& answer) {
    decided(exchange, answer, response_to_settle(answer, exchange->id));
  });
}

/// Ready is who gets an answer from the server. The question takes nothing and creates nothing; asked often enough, it is also
/// the probe that closes a circuit breaker.
void Router::ready(const Shared& exchange) {
  if (shared_.is_draining) return refuse(exchange, {503, "the service is ending"});
  static const Policy policy{client::fixed(1, std::chrono::seconds{1})};
  const Question question{.key = "check-service:ready", .policy = policy, .cost = kNoUnits};
  backend_.check(question, exchange->context(), [this, exchange](const Answer& answer) {
    if (answer.source != Source::server) {
      const bool is_mistake = answer.source == Source::error;
      return refuse(exchange, {503, is_mistake ? "the server refuses the service" : "the server does not answer"});
    }
    if (!shared_.is_breaker_closed()) return refuse(exchange, {503, "the circuit breaker is not closed yet"});
    finish(exchange, {.body = R"({"status":"ready"})"});
  });
}

// --- the way out -------------------------------------------------------------------------------------

void Router::decided(const Shared& exchange, const Answer& answer, Response response) {
  metrics_.count_decision(exchange->request.limiter, answer);
  const Result result = result_of(answer);
  const bool is_failure = answer.failure != Failure::none || result == Result::error;
  const Level level = is_failure ? Level::warn : Level::debug;
  if (shared_.log.takes(level)) {
    constexpr std::array<std::string_view, 3> kResults{"allowed", "blocked", "error"};
    // What the server says of itself; its errors about a call may show the call.
    const bool may_show = is_failure && response.status != 400;
    shared_.log.write(level, "decision",
                      {{"request_id", exchange->id},
                       {"trace_id", exchange->traceparent.empty() ? "" : trace_id_of(exchange->traceparent)},
                       {"path", exchange->path},
                       {"result", kResults[static_cast<std::size_t>(result)]},
                       {"source", client::name_of(answer.source)},
                       {"failure", answer.failure == Failure::none ? "" : client::name_of(answer.failure)},
                       {"error", may_show ? std::string_view(answer.error).substr(0, answer.error.find(',')) : ""}});
  }
  finish(exchange, std::move(response));
}

void Router::refuse(const Shared& exchange, const Problem& problem) {
  if (shared_.log.takes(Level::debug)) {
    shared_.log.write(Level::debug, "refused", {{"request_id", exchange->id}, {"detail", problem.detail}});
  }
  finish(exchange, response_to(problem, exchange->id));
}

void Router::finish(const Shared& exchange, Response response) {
  add_field(response, "X-Request-Id", exchange->id);
  if (!exchange->traceparent.empty()) add_field(response, "traceparent", exchange->traceparent);
  exchange->respond(std::move(response));
}

}  // namespace ratelimit::service
