// SPDX-License-Identifier: MIT
// Strings and names that belong to the server.
#ifndef RATELIMIT_MODULE_SERVER_TEXT_H
#define RATELIMIT_MODULE_SERVER_TEXT_H

#include <string_view>

struct RedisModuleIO;
struct RedisModuleKeyOptCtx;
struct RedisModuleString;

namespace ratelimit::server {

/// A string that the server holds, such as an argument or the name of a key.
class Text {
 public:
  explicit Text(RedisModuleString* handle) : handle_(handle) {}
  [[nodiscard]] std::string_view view() const;
  [[nodiscard]] RedisModuleString* handle() const { return handle_; }

 private:
  RedisModuleString* handle_;
};

/// A key: the number of its database, and its name.
struct KeyName {
  int database;
  std::string_view name;
};

/// The key for which the server calls a function of a data type.
[[nodiscard]] KeyName name_of(RedisModuleKeyOptCtx* context);
[[nodiscard]] KeyName name_of(RedisModuleIO* io);

}  // namespace ratelimit::server

#endif  // RATELIMIT_MODULE_SERVER_TEXT_H
