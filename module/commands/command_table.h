// SPDX-License-Identifier: MIT
// The commands: one row for each. From the rows they are registered, described to COMMAND DOCS, and documented in
// docs/commands, where a page has a text of its own besides.
#ifndef RATELIMIT_MODULE_COMMANDS_COMMAND_TABLE_H
#define RATELIMIT_MODULE_COMMANDS_COMMAND_TABLE_H

#include <cstdint>
#include <span>

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
  bool yields = false;  ///< to another module that has a command of this name. Settings::has_cl_throttle is about it
  int words_of_options = 0;  ///< so many words of options a call has at least, whichever they are
};

[[nodiscard]] std::span<const Command> command_table();

/// The arity that a command declares, as the server counts: minus the number of words of its shortest call, with its
/// name. The server refuses a shorter call itself, in a transaction when the call is queued.
[[nodiscard]] int arity_of(const Command& command);

/// Registers the commands; those for debuggers only if `debug`, and CL.THROTTLE only if the settings say so. False if the
/// server refuses one that does not yield.
[[nodiscard]] bool register_commands(server::Context context, bool debug);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_COMMANDS_COMMAND_TABLE_H
