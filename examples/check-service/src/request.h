// SPDX-License-Identifier: MIT
// What the fields of a request ask: one function for each thing that can be asked. Pure; depends on the field reader, the
// policy book and the backend's questions.
#ifndef RATELIMIT_SERVICE_REQUEST_H
#define RATELIMIT_SERVICE_REQUEST_H

#include <optional>
#include <string>
#include <string_view>

#include "backend.h"
#include "field_reader.h"
#include "policy_book.h"

namespace ratelimit::service {

struct Request {
  Question question;
  std::string limiter{};  ///< the name of the limiter, if the question names one: for metrics and logs
  Span ttl{};             ///< of a hold
};

/// `key` with `limits` or with an `algorithm` and its numbers; or `limiter` and `subject`. In both cases `cost`, `mode`, `id`.

[[nodiscard]] Read<Request> read_check(Fields fields, bool is_query, PolicyBook& book);

/// The same with `ttl`, and with neither `mode` nor leases.
[[nodiscard]] Read<Request> read_reserve(Fields fields, PolicyBook& book);

/// `key` or `limiter`, `subject`, `id`, `actual`, and the limits if the hold was made with some.
[[nodiscard]] Read<Request> read_settle(Fields fields, PolicyBook& book);

/// A check for a proxy. `value_of(name)` gives a field of its request; none if it has none. Besides the fields of a check
/// there is `by`, the name of a header whose last element is the subject: the proxy next to the service wrote that one. With
/// limits, a missing `key` is "auth".
template <class ValueOf>
[[nodiscard]] Read<Request> read_auth(Fields fields, PolicyBook& book, ValueOf value_of);

// --- parts, for the template ------------------------------------------------------------------------------------------

/// The last element of a list in a header, without spaces around it.
[[nodiscard]] std::string_view last_element(std::string_view list);

/// Takes the field `by` out, and puts what `value_of` gives for it in as `subject`. None if all is well.
template <class ValueOf>
[[nodiscard]] std::optional<Problem> resolve_subject(Fields& fields, ValueOf value_of) {
  for (auto field = fields.begin(); field != fields.end(); ++field) {
    if (field->name != "by") continue;
    const std::string name = field->value;
    fields.erase(field);
    const std::optional<std::string_view> list = value_of(name);
    const std::string_view subject = list ? last_element(*list) : std::string_view{};
    if (subject.empty())
      return Problem{400, "the request has no field \"" + shown(name) + "\", which names the subject"};
    Problem problem;
    if (!add_field(fields, {.name = "subject", .value = std::string(subject)}, problem)) return problem;
    break;
  }
  return std::nullopt;
}

template <class ValueOf>
Read<Request> read_auth(Fields fields, PolicyBook& book, ValueOf value_of) {
  if (auto problem = resolve_subject(fields, value_of)) return *problem;
  bool names_key = false;
  for (const Field& field : fields) names_key = names_key || field.name == "key" || field.name == "limiter";
  if (!names_key) fields.push_back({.name = "key", .value = "auth"});
  return read_check(std::move(fields), true, book);
}

}  // namespace ratelimit::service

#endif  // RATELIMIT_SERVICE_REQUEST_H
