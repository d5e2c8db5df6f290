// SPDX-License-Identifier: MIT
// The syntax of a command as its page in docs/commands shows it.
#ifndef RATELIMIT_MODULE_COMMANDS_SYNTAX_H
#define RATELIMIT_MODULE_COMMANDS_SYNTAX_H

#include <string>

#include "commands/command_table.h"

namespace ratelimit {

/// A line, made from the arguments of the command; one more line for each part that repeats, such as a limit.
[[nodiscard]] std::string syntax_of(const Command& command);

/// That of one argument.
[[nodiscard]] std::string syntax_of(const server::ArgumentDoc& argument);
/// Whether an argument is shown by its name, since what it is made of is shown apart.
[[nodiscard]] bool is_shown_by_name(const server::ArgumentDoc& argument);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_COMMANDS_SYNTAX_H
