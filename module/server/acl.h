// SPDX-License-Identifier: MIT
// Access control lists: what the user who calls may read, and categories of commands, as in `+@read`. Newer servers have
// categories for the commands of modules: Redis 7.2 and Valkey 7.2 know their own, Redis 7.4 and Valkey 8.0 those that a
// module adds.
#ifndef RATELIMIT_MODULE_SERVER_ACL_H
#define RATELIMIT_MODULE_SERVER_ACL_H

#include "server/context.h"
#include "server/text.h"

struct RedisModuleCommand;
struct RedisModuleUser;

namespace ratelimit::server {

/// Adds a category. False if this server has none of modules, or has no room for one more. While the module is loaded.
[[nodiscard]] bool add_acl_category(Context context, const char* name);

/// Puts a command into categories: their names with spaces between, which may be none. Does nothing on a server where
/// commands of modules are in none. False if the server refuses them. While the module is loaded.
[[nodiscard]] bool set_acl_categories(RedisModuleCommand* command, const char* categories);

/// The user on whose behalf a command is called.
class User {
 public:
  explicit User(Context context);
  User(const User&) = delete;
  User& operator=(const User&) = delete;
  ~User();

  /// Whether the user may read a key of that name. Where no user calls, but another module does, all may be read.
  [[nodiscard]] bool may_read(Text key) const;

 private:
  bool is_nobody_;
  RedisModuleUser* handle_ = nullptr;  ///< null if there is no such user any more
};

}  // namespace ratelimit::server

#endif  // RATELIMIT_MODULE_SERVER_ACL_H
