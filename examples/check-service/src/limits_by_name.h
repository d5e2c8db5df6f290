// SPDX-License-Identifier: MIT
// Limits by the usual names of this field, such as {"algorithm": "token_bucket", "capacity": 10, "refill_rate": 1}, as the
// words of RL.CHECK. Pure; depends on the field reader.
#ifndef RATELIMIT_SERVICE_LIMITS_BY_NAME_H
#define RATELIMIT_SERVICE_LIMITS_BY_NAME_H

#include <string>

#include "field_reader.h"

namespace ratelimit::service {

/// `TOKENBUCKET 10 1 1s`; empty if the reader has a problem. The field `algorithm` must be there. Whether the numbers are
/// in range is said by who reads the words.
[[nodiscard]] std::string limits_by_name(FieldReader& reader);

}  // namespace ratelimit::service

#endif  // RATELIMIT_SERVICE_LIMITS_BY_NAME_H
