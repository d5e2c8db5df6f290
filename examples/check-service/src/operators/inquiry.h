// SPDX-License-Identifier: MIT
// A question of an operator, with what comes along with it. Depends on questions and responses.
#ifndef RATELIMIT_SERVICE_OPERATORS_INQUIRY_H
#define RATELIMIT_SERVICE_OPERATORS_INQUIRY_H

#include <chrono>
#include <functional>
#include <string>

#include "../response.h"
#include "question.h"

namespace ratelimit::service::operators {

struct Inquiry {
  Question question;
  std::chrono::steady_clock::time_point until;  ///< how long to wait for the server
  std::string request_id;
  std::function<void(Response)> respond;  ///< gets the response once, on any thread; never, if the program ends before
};

}  // namespace ratelimit::service::operators

#endif  // RATELIMIT_SERVICE_OPERATORS_INQUIRY_H
