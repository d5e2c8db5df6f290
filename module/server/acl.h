// SPDX-License-Identifier: MIT
// Categories for access control lists, as in `+@read`. Newer servers have them for the commands of modules: Redis 7.2
// and Valkey 7.2 know their own categories, Redis 7.4 and Valkey 8.0 those that a module adds.
#ifndef RATELIMIT_MODULE_SERVER_ACL_H
#define RATELIMIT_MODULE_SERVER_ACL_H

#include "server/context.h"

struct RedisModuleCommand;

namespace ratelimit::server {

/// Adds a category. False if this server has none of modules, or has no room for one more. While the module is loaded.
[[nodiscard]] bool add_acl_category(Context context, const char* name);

/// Puts a command into categories: their names with spaces between, which may be none. Does nothing on a server where
/// commands of modules are in none. False if the server refuses them. While the module is loaded.
[[nodiscard]] bool set_acl_categories(RedisModuleCommand* command, const char* categories);

}  // namespace ratelimit::server

#endif  // RATELIMIT_MODULE_SERVER_ACL_H
