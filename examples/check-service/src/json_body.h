// SPDX-License-Identifier: MIT
// The body of a request: one object of JSON (RFC 8259) whose values are texts, numbers and truth values. Everything else is
// refused: lists, objects inside, nulls, a name twice, anything behind the object. Pure; depends on the fields of a request.
#ifndef RATELIMIT_SERVICE_JSON_BODY_H
#define RATELIMIT_SERVICE_JSON_BODY_H

#include <string_view>

#include "fields.h"

namespace ratelimit::service {

/// The fields of the object, in their order. The text may be any bytes.
[[nodiscard]] Read<Fields> fields_of_json(std::string_view text);

}  // namespace ratelimit::service

#endif  // RATELIMIT_SERVICE_JSON_BODY_H
