// The commands: one row for each, from which they are registered, described to COMMAND DOCS and documented.
#ifndef RATELIMIT_MODULE_COMMANDS_COMMAND_TABLE_H
#define RATELIMIT_MODULE_COMMANDS_COMMAND_TABLE_H

#include <cstdint>
#include <span>
#include <string>

#include "commands/call.h"
#include "server/api.h"

namespace ratelimit {

struct Command {
  /// Who may find the command: everyone, only other servers and files, or only whoever loaded the module with DEBUG.
  enum class Audience : std::uint8_t { users, servers, debuggers };

  const char* name;
  Handler handler;
  const char* flags;  ///< as RedisModule_CreateCommand takes them
  Audience audience;
  server::KeyUse key;
  std::span<const server::ArgumentDoc> arguments;
  const char* complexity;
  const char* since;
  const char* summary;
  const char* details;  ///< a paragraph or two in Markdown, for the page of the command
  bool yields = false;  ///< to another module that has a command of this name
};

[[nodiscard]] std::span<const Command> command_table();

/// The grammar of a command, made from its arguments: a line, and one more for each part that repeats.
[[nodiscard]] std::string syntax_of(const Command& command);

/// Registers the commands; those for debuggers only if `debug`. False if the server refuses one that does not yield.
[[nodiscard]] bool register_commands(server::Context context, bool debug);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_COMMANDS_COMMAND_TABLE_H
