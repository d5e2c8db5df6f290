// SPDX-License-Identifier: MIT
// A command as the server registers and documents it.
#ifndef RATELIMIT_MODULE_SERVER_COMMAND_H
#define RATELIMIT_MODULE_SERVER_COMMAND_H

#include <cstdint>
#include <span>

#include "server/context.h"

struct RedisModuleCtx;
struct RedisModuleString;

namespace ratelimit::server {

using CommandFunction = int (*)(RedisModuleCtx*, RedisModuleString**, int);

/// One argument of a command as COMMAND DOCS describes it.
struct ArgumentDoc {
  enum class Type : std::uint8_t { key, integer, string, token, block, one_of };

  const char* name;
  Type type;
  const char* token = nullptr;  ///< the keyword before the argument
  bool optional = false;
  bool repeats = false;
  bool repeats_token = false;  ///< the keyword comes again, too
  std::span<const ArgumentDoc> parts{};
  std::uint8_t number = 0;  ///< by which the caller knows the argument; the server never sees it
};

/// How a command uses its key. The key is the first argument; of two keys, the first two. Of a command with many keys the
/// first argument is their number, and the server also calls the command to ask which arguments are keys
/// (`Context::asks_for_keys`).
enum class KeyUse : std::uint8_t { none, read, update, update_two, update_many };

/// One command as the server registers and documents it.
struct CommandDescription {
  const char* name;
  CommandFunction function;
  const char* flags;
  int arity;
  const char* categories;  ///< of access control lists, with spaces between; used where the server has them (acl.h)
  KeyUse key;
  const char* summary;
  const char* complexity;
  const char* since;
  std::span<const ArgumentDoc> arguments;
};

/// What became of the registration of a command. A name is taken if another module, or the server itself, has it.
enum class Registration : std::uint8_t { done, name_taken, refused };

/// Registers a command, and describes it to the server. While the module is loaded.
[[nodiscard]] Registration register_command(Context context, const CommandDescription& command);

}  // namespace ratelimit::server

#endif  // RATELIMIT_MODULE_SERVER_COMMAND_H
