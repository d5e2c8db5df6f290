// SPDX-License-Identifier: MIT
// What is said about limiters, as responses of HTTP. A name has two forms there: `name` is for people, and has U+FFFD for
// bytes that are no text; `encoded` is for the next request, and has all bytes. Pure; depends on reports and responses.
#ifndef RATELIMIT_SERVICE_OPERATORS_REPORT_JSON_H
#define RATELIMIT_SERVICE_OPERATORS_REPORT_JSON_H

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../response.h"
#include "question.h"
#include "ratelimit/client/report.h"

namespace ratelimit::service::operators {

using client::Info;

/// What follows each answer.
struct About {
  std::string_view request_id;
  std::chrono::system_clock::time_point now;  ///< of the service
};

struct NamedInfo {
  std::string name;
  Info info;
};

[[nodiscard]] Response response_to_limiters(const std::vector<NamedInfo>& limiters,
                                            const std::optional<client::LimiterCursor>& next, const About& about);

/// 404 if there is no such key.
[[nodiscard]] Response response_to_limiter(const NamedInfo& limiter, const About& about);

[[nodiscard]] Response response_to_top(const std::vector<client::TopEntry>& denied,
                                       const std::vector<client::TopEntry>& near, const About& about);

[[nodiscard]] Response response_to_log(const std::vector<client::LogEntry>& entries, const About& about);

/// `key` is what the server says of the limiter, `subject` of the subject, which may be idle. 404 if there is no such key.
[[nodiscard]] Response response_to_why(const Question& question, const Info& key, const Info& subject,
                                       const About& about);

}  // namespace ratelimit::service::operators

#endif  // RATELIMIT_SERVICE_OPERATORS_REPORT_JSON_H
