// SPDX-License-Identifier: MIT
// Prints the command table: as the generated parts of the pages in docs/commands, or as JSON, for tests and tools.
//
// A page has a generated part between two marks: summary, syntax and facts. The text around it is written by hand, and is
// kept.
#include <algorithm>
#include <cctype>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>

#include "commands/command_table.h"
#include "commands/syntax.h"

namespace {

using ratelimit::Command;

constexpr std::string_view kBegin = "<!-- generated: begin -->\n";
constexpr std::string_view kEnd = "<!-- generated: end -->\n";

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

std::string head_of(const Command& command) {
  std::ostringstream out;
  out << "# " << command.name << "\n\n"
      << command.summary << ".\n\n```\n"
      << ratelimit::syntax_of(command) << "\n```\n\n"
      << "| | |\n|---|---|\n"
      << "| since | " << command.since << " |\n"
      << "| complexity | " << command.complexity << " |\n"
      << "| flags | " << command.flags << " |\n"
      << "| for | " << audience_of(command) << " |\n";
  return out.str();
}

/// The list of the commands of one audience.
std::string list_of(Command::Audience audience) {
  std::ostringstream out;
  out << "| command | what it does |\n|---|---|\n";
  for (const Command& command : ratelimit::command_table()) {
    if (command.audience != audience) continue;
    out << "| [`" << command.name << "`](" << file_name(command) << ") | " << command.summary << " |\n";
  }
  return out.str();
}

std::string lists() {
  return list_of(Command::Audience::users) + "\n## For tests\n\n" + list_of(Command::Audience::debuggers) +
         "\n## Internal\n\nServers send these to each other, and write them to append-only files. Clients cannot use "
         "them.\n\n" +
         list_of(Command::Audience::servers);
}

std::optional<std::string> contents_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

bool complain(const std::filesystem::path& file, const char* what) {
  std::cerr << file.string() << ' ' << what << '\n';
  return false;
}

/// Puts `generated` between the marks of a file, which is made if there is none. False, with the reason on the standard
/// error, if the file is not as it should be then.
bool update(const std::filesystem::path& file, const std::string& generated) {
  const std::string old = contents_of(file).value_or(std::string(kBegin) + std::string(kEnd));
  const std::size_t begin = old.find(kBegin);
  const std::size_t end = old.find(kEnd);
  if (begin == std::string::npos || end == std::string::npos || end < begin) {
    return complain(file, "has no part that is marked as generated");
  }
  const std::string before = old.substr(0, begin);
  const std::string after = old.substr(end + kEnd.size());
  std::ofstream out(file);
  out << before << kBegin << "\n" << generated << "\n" << kEnd << after;
  if (!out) return complain(file, "cannot be written");
  if ((before + after).find_first_not_of(" \n") == std::string::npos) {
    return complain(file, "has no text yet: write one behind the generated part");
  }
  return true;
}

/// Whether each page in the folder is that of a command.
bool belong_to_commands(const std::filesystem::path& folder) {
  std::set<std::string> pages{"README.md"};
  for (const Command& command : ratelimit::command_table()) pages.insert(file_name(command));
  bool all_well = true;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (pages.contains(entry.path().filename().string())) continue;
    all_well = complain(entry.path(), "is the page of no command");
  }
  return all_well;
}

int write_markdown(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  bool all_well = update(folder / "README.md", lists());
  for (const Command& command : ratelimit::command_table()) {
    all_well = update(folder / file_name(command), head_of(command)) && all_well;
  }
  return belong_to_commands(folder) && all_well ? 0 : 1;
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
        << ", \"arity\": " << ratelimit::arity_of(command) << ", \"flags\": " << quoted(command.flags)
        << ", \"audience\": " << quoted(audience_of(command))
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
