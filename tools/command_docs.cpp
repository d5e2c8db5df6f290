// Prints the command table: as Markdown pages, which docs/commands holds, or as JSON, for tests and tools.
#include <algorithm>
#include <cctype>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>

#include "commands/command_table.h"

namespace {

using ratelimit::Command;

std::string file_name(const Command& command) {
  std::string name = command.name;
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  return name + ".md";
}

const char* audience_of(const Command& command) {
  switch (command.audience) {
    case Command::Audience::users: return "users";
    case Command::Audience::servers: return "other servers and files only";
    case Command::Audience::debuggers: return "whoever loads the module with `DEBUG`";
  }
  return "";
}

void write_page(std::ostream& out, const Command& command) {
  out << "# " << command.name << "\n\n"
      << command.summary << ".\n\n```\n"
      << ratelimit::syntax_of(command) << "\n```\n\n"
      << "| | |\n|---|---|\n"
      << "| since | " << command.since << " |\n"
      << "| complexity | " << command.complexity << " |\n"
      << "| flags | " << command.flags << " |\n"
      << "| for | " << audience_of(command) << " |\n\n"
      << command.details << "\n";
}

void write_index(std::ostream& out) {
  out << "# Commands\n\nGenerated from the command table, `module/commands/command_table.cpp`; `scripts/check` "
         "compares them.\n"
      << "`DEL key` is the reset: there is no second way.\n\n| command | what it does |\n|---|---|\n";
  for (const Command& command : ratelimit::command_table()) {
    out << "| [`" << command.name << "`](" << file_name(command) << ") | " << command.summary << " |\n";
  }
}

int write_markdown(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  std::ofstream index(folder / "README.md");
  write_index(index);
  for (const Command& command : ratelimit::command_table()) {
    std::ofstream page(folder / file_name(command));
    write_page(page, command);
    if (!page) return 1;
  }
  return index ? 0 : 1;
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '\n') {
      result += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + '"';
}

int write_json(std::ostream& out) {
  const char* separator = "[";
  for (const Command& command : ratelimit::command_table()) {
    out << separator << "\n  {\"name\": " << quoted(command.name) << ", \"summary\": " << quoted(command.summary)
        << ", \"complexity\": " << quoted(command.complexity) << ", \"since\": " << quoted(command.since)
        << ", \"flags\": " << quoted(command.flags) << ", \"audience\": " << quoted(audience_of(command))
        << ", \"syntax\": " << quoted(ratelimit::syntax_of(command)) << "}";
    separator = ",";
  }
  out << "\n]\n";
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "--markdown") == 0) return write_markdown(argv[2]);
  if (argc == 2 && std::strcmp(argv[1], "--json") == 0) return write_json(std::cout);
  std::cerr << "usage: command_docs --markdown FOLDER | --json\n";
  return 2;
}
