// SPDX-License-Identifier: MIT
// The section of the module in INFO: what it has done since it was loaded, and what there is.
#ifndef RATELIMIT_MODULE_COMMANDS_MODULE_INFO_H
#define RATELIMIT_MODULE_COMMANDS_MODULE_INFO_H

#include "server/info.h"

namespace ratelimit::commands {

/// Writes the section. O(1): everything is counted when it happens.
void write_info(RedisModuleInfoCtx* info, int for_crash_report);

}  // namespace ratelimit::commands

#endif  // RATELIMIT_MODULE_COMMANDS_MODULE_INFO_H
