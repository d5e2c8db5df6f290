// SPDX-License-Identifier: MIT
// Writes limits as users write them. Knows no server.
#ifndef RATELIMIT_MODULE_COMMANDS_LIMIT_TEXT_H
#define RATELIMIT_MODULE_COMMANDS_LIMIT_TEXT_H

#include <string>

#include "ratelimit/limit.h"

namespace ratelimit {

/// A limit as LimitReader reads it, with each duration in the largest unit that divides it.
[[nodiscard]] std::string text_of(const Limit& limit);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_COMMANDS_LIMIT_TEXT_H
