// SPDX-License-Identifier: MIT
// Who may see the operators' pages: whoever has the token; and pages of which other origins may read the answers (CORS).
// Pure; depends on the settings, requests of HTTP and responses.
#ifndef RATELIMIT_SERVICE_OPERATORS_GUARD_H
#define RATELIMIT_SERVICE_OPERATORS_GUARD_H

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "../http/http_reader.h"
#include "../response.h"
#include "../settings.h"

namespace ratelimit::service::operators {

/// What operators send with each request. Any thread may call its functions.
class Token {
 public:
  explicit Token(std::string text) { renew(std::move(text)); }

  /// Whether the request has it, as `Authorization: Bearer TOKEN`. How long that takes says nothing about the token.
  [[nodiscard]] bool is_in(const HttpRequest& request) const;
  /// From now on, only that one counts.
  void renew(std::string text) { text_ = std::make_shared<const std::string>(std::move(text)); }

 private:
  std::atomic<std::shared_ptr<const std::string>> text_;
};

/// Adds what lets the page that sent the request read the answer, if its origin is one of the settings. Nothing, if there
/// are none.
void add_origin_fields(Response& response, const HttpRequest& request, const OperatorSettings& settings);

/// The answer to a browser that asks beforehand (OPTIONS), without the fields of `add_origin_fields`.
[[nodiscard]] Response answer_beforehand(const HttpRequest& request, const OperatorSettings& settings);

/// An origin as browsers write it: `https://host` or `http://host:port`, in small letters, and nothing behind.
[[nodiscard]] bool is_origin(std::string_view text);

}  // namespace ratelimit::service::operators

#endif  // RATELIMIT_SERVICE_OPERATORS_GUARD_H
