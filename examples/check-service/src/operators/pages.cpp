// SPDX-License-Identifier: MIT
#include "pages.h"

#include <algorithm>
#include <chrono>

namespace ratelimit::service::operators {
namespace {

Response refused(Problem problem, std::string_view request_id) { return response_to(problem, request_id); }

Response other_method(std::string_view request_id, bool has_origins) {
  Response response = refused({405, "the path has another method"}, request_id);
  add_field(response, "Allow", has_origins ? "GET, HEAD, OPTIONS" : "GET, HEAD");
  return response;
}

Response without_token(std::string_view request_id) {
  Response response = refused({401, "the token is missing or wrong: Authorization: Bearer TOKEN"}, request_id);
  add_field(response, "WWW-Authenticate", "Bearer");
  return response;
}

}  // namespace

void Pages::answer(const HttpRequest& request, std::string_view path, std::string_view query, const Context& context,
                   Respond respond) const {
  // The fields depend on the request, which may be gone when the answer comes.
  Response fields;
  add_origin_fields(fields, request, settings_);
  add_field(fields, "Cache-Control", "no-store");
  const auto finish = [fields = std::move(fields.fields), respond = std::move(respond)](Response response) {
    response.fields.append(fields);
    respond(std::move(response));
  };
  const bool has_origins = !settings_.origins.empty();
  if (request.method == "OPTIONS" && has_origins) return finish(answer_beforehand(request, settings_));
  if (request.method != "GET" && request.method != "HEAD") return finish(other_method(context.trace, has_origins));
  if (!token_.is_in(request)) return finish(without_token(context.trace));
  Read<Question> question = read_question(path, query);
  if (const auto* problem = std::get_if<Problem>(&question)) return finish(refused(*problem, context.trace));
  const Span deadline = context.deadline > Span{} ? std::min(context.deadline, settings_.deadline) : settings_.deadline;
  const bool is_taken = ask_({.question = std::move(std::get<Question>(question)),
                              .until = std::chrono::steady_clock::now() + deadline,
                              .request_id = std::string(context.trace),
                              .respond = finish});
  if (!is_taken) finish(refused({503, "too many questions of operators wait"}, context.trace));
}

}  // namespace ratelimit::service::operators
