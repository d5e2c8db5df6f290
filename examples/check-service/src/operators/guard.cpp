// SPDX-License-Identifier: MIT
#include "guard.h"

#include <algorithm>
#include <cstddef>
#include <optional>

namespace ratelimit::service::operators {
namespace {

/// Scheme and space of `Bearer TOKEN`, in any case (RFC 9110, 11.1).
constexpr std::string_view kScheme = "bearer ";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string_view bearer_of(std::string_view credentials) {
  const bool is_bearer =
      credentials.size() > kScheme.size() && std::equal(kScheme.begin(), kScheme.end(), credentials.begin(),
                                                        [](char scheme, char given) { return scheme == lower(given); });
  return is_bearer ? credentials.substr(kScheme.size()) : std::string_view{};
}

/// Looks at each byte of the token, wherever they differ.
bool are_equal(std::string_view token, std::string_view given) {
  unsigned char differs = token.size() == given.size() ? 0 : 1;
  for (std::size_t i = 0; i < token.size(); ++i) {
    const char other = given.empty() ? '\0' : given[i % given.size()];
    differs = static_cast<unsigned char>(differs |
                                         (static_cast<unsigned char>(token[i]) ^ static_cast<unsigned char>(other)));
  }
  return differs == 0;
}

bool may_read(const HttpRequest& request, const OperatorSettings& settings) {
  const auto origin = request.field("Origin");
  return origin && std::find(settings.origins.begin(), settings.origins.end(), *origin) != settings.origins.end();
}

}  // namespace

bool Token::is_in(const HttpRequest& request) const {
  const std::shared_ptr<const std::string> token = text_;
  const std::optional<std::string_view> credentials = request.field("Authorization");
  return !token->empty() && are_equal(*token, bearer_of(credentials.value_or("")));
}

void add_origin_fields(Response& response, const HttpRequest& request, const OperatorSettings& settings) {
  if (settings.origins.empty()) return;
  add_field(response, "Vary", "Origin");
  if (may_read(request, settings)) add_field(response, "Access-Control-Allow-Origin", *request.field("Origin"));
}

Response answer_beforehand(const HttpRequest& request, const OperatorSettings& settings) {
  Response response{.type = "text/plain"};
  add_field(response, "Allow", "GET, HEAD, OPTIONS");
  if (!may_read(request, settings)) return response;
  add_field(response, "Access-Control-Allow-Methods", "GET");
  add_field(response, "Access-Control-Allow-Headers", "Authorization, X-Request-Timeout");
  add_field(response, "Access-Control-Max-Age", "600");
  return response;
}

bool is_origin(std::string_view text) {
  for (const std::string_view scheme : {std::string_view("https://"), std::string_view("http://")}) {
    if (!text.starts_with(scheme)) continue;
    const std::string_view host = text.substr(scheme.size());
    constexpr std::string_view kInHost = "abcdefghijklmnopqrstuvwxyz0123456789.-_:[]";
    return !host.empty() && host.find_first_not_of(kInHost) == std::string_view::npos && host.back() != ':';
  }
  return false;
}

}  // namespace ratelimit::service::operators
