// SPDX-License-Identifier: MIT
// The door to the server: small types around its module API. api.cpp is the one file that includes redismodule.h; the
// rest of the module sees only what is declared in these headers. Nothing here knows about rate limiting.
//
// Handles are borrowed from the server and live as long as the call.
#ifndef RATELIMIT_MODULE_SERVER_API_H
#define RATELIMIT_MODULE_SERVER_API_H

#include "server/command.h"    // IWYU pragma: export
#include "server/config.h"     // IWYU pragma: export
#include "server/context.h"    // IWYU pragma: export
#include "server/data_type.h"  // IWYU pragma: export
#include "server/events.h"     // IWYU pragma: export
#include "server/info.h"       // IWYU pragma: export
#include "server/key.h"        // IWYU pragma: export
#include "server/process.h"    // IWYU pragma: export
#include "server/text.h"       // IWYU pragma: export

namespace ratelimit::server {

/// Called once, first of all, when the module is loaded. False if the server refuses, or is too old.
[[nodiscard]] bool initialise(Context context, const char* module_name, int module_version);

}  // namespace ratelimit::server

#endif  // RATELIMIT_MODULE_SERVER_API_H
