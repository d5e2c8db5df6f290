// SPDX-License-Identifier: MIT
// The one door to redismodule.h. For the sources of this folder, and for nobody else: scripts/layers watches that.
#ifndef RATELIMIT_MODULE_SERVER_DOOR_H
#define RATELIMIT_MODULE_SERVER_DOOR_H

// The header declares the server's functions as variables, and puts this before each of them. Without it, every source that
// includes the header would define them once more.
#define REDISMODULE_API inline
#include "redismodule.h"

namespace ratelimit::server {

/// How a command uses a key that it updates.
inline constexpr int kUpdatesKey = REDISMODULE_CMD_KEY_RW | REDISMODULE_CMD_KEY_ACCESS | REDISMODULE_CMD_KEY_UPDATE;

}  // namespace ratelimit::server

#endif  // RATELIMIT_MODULE_SERVER_DOOR_H
