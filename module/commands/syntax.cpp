// SPDX-License-Identifier: MIT
#include "commands/syntax.h"

#include <span>

#include "server/api.h"

namespace ratelimit {
namespace {

using server::ArgumentDoc;
using Type = ArgumentDoc::Type;

std::string list_of(std::span<const ArgumentDoc> arguments, const char* separator);

}  // namespace

bool is_shown_by_name(const ArgumentDoc& argument) {
  return argument.type == Type::block && argument.repeats && !argument.repeats_token;
}

std::string syntax_of(const ArgumentDoc& argument) {
  std::string value;
  if (!argument.parts.empty() && !is_shown_by_name(argument)) {
    value = list_of(argument.parts, argument.type == Type::one_of ? " | " : " ");
  } else if (argument.type != Type::token) {
    value = argument.name;
  }
  if (argument.type == Type::one_of) value = '<' + value + '>';
  // The keyword stands once, in front of all that repeats, unless it comes again.
  if (argument.repeats && !argument.repeats_token) value += " [" + value + " ...]";
  std::string text = argument.token != nullptr ? argument.token : "";
  if (!text.empty() && !value.empty()) text += ' ';
  text += value;
  if (argument.repeats_token) text += " [" + text + " ...]";
  return argument.optional ? '[' + text + ']' : text;
}

namespace {

std::string list_of(std::span<const ArgumentDoc> arguments, const char* separator) {
  std::string text;
  for (const ArgumentDoc& argument : arguments) {
    if (!text.empty()) text += separator;
    text += syntax_of(argument);
  }
  return text;
}

}  // namespace

std::string syntax_of(const Command& command) {
  std::string text = std::string(command.name) + ' ' + list_of(command.arguments, " ");
  for (const ArgumentDoc& argument : command.arguments) {
    if (!is_shown_by_name(argument)) continue;
    text += std::string("\n") + argument.name + " := " + list_of(argument.parts, " ");
  }
  return text;
}

}  // namespace ratelimit
