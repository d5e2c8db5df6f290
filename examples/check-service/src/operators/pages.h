// SPDX-License-Identifier: MIT
// The operators' part of the HTTP door: which requests are for it, who may ask, and what is refused. All threads have one in
// common. Depends on the guard and on questions; knows no server.
#ifndef RATELIMIT_SERVICE_OPERATORS_PAGES_H
#define RATELIMIT_SERVICE_OPERATORS_PAGES_H

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "../backend.h"
#include "../http/http_reader.h"
#include "../response.h"
#include "../settings.h"
#include "guard.h"
#include "inquiry.h"

namespace ratelimit::service::operators {

class Pages {
 public:
  /// Gets the response once, maybe on another thread, maybe before the call returns.
  using Respond = std::function<void(Response)>;
  /// Has an inquiry answered; false if too many wait.
  using Ask = std::function<bool(Inquiry)>;

  Pages(OperatorSettings settings, Ask ask)
      : settings_(std::move(settings)), token_(settings_.token), ask_(std::move(ask)) {}

  /// Any thread may call it.
  void renew(std::string token) { token_.renew(std::move(token)); }

  /// Answers a request whose path is a page. `context` has the caller's deadline and the request's id. Any thread may call
  /// it.
  void answer(const HttpRequest& request, std::string_view path, std::string_view query, const Context& context,
              Respond respond) const;

 private:
  const OperatorSettings settings_;
  Token token_;
  const Ask ask_;
};

}  // namespace ratelimit::service::operators

#endif  // RATELIMIT_SERVICE_OPERATORS_PAGES_H
