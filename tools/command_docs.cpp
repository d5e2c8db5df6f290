// SPDX-License-Identifier: MIT
// Prints the command table: as the generated parts of the pages in docs/commands, or as JSON, for tests and tools.
//
// A page has a generated part between two marks: summary, syntax, facts, and the table of arguments. The text around it is
// written by hand, and is kept.
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

#include "argument_meanings.h"
#include "commands/argument_docs.h"
#include "commands/command_table.h"
#include "commands/syntax.h"
#include "ratelimit/grammar/error_text.h"

namespace {

using ratelimit::Argument;
using ratelimit::Command;
using ratelimit::is_shown_by_name;
using ratelimit::Option;
using ratelimit::syntax_of;
using ratelimit::server::ArgumentDoc;

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

// --- arguments --------------------------------------------------------------------------------------

/// The option that begins with the keyword of an argument. Of two with the same keyword, the one that must be given ends
/// the call.
std::optional<Option> option_of(const ArgumentDoc& argument) {
  std::optional<Option> found;
  if (argument.token == nullptr) return found;
  for (const ratelimit::OptionRow& row : ratelimit::kOptions) {
    const auto& token = ratelimit::docs::kOptionTokens[static_cast<std::size_t>(row.option)];
    const bool is_it = std::strcmp(token.text.data(), argument.token) == 0;
    if (is_it && (!row.ends_call || !argument.optional)) found = row.option;
  }
  return found;
}

/// As code in a cell of a table.
std::string cell(const std::string& code) {
  std::string text = "`";
  for (const char c : code) text.append(c == '|' ? "\\" : "").append(1, c);
  return text + '`';
}

std::string table_row(const ArgumentDoc& argument, std::string_view meaning, const std::string& requirement) {
  if (meaning.empty()) std::cerr << argument.name << " has no meaning in tools/argument_meanings.h\n";
  ArgumentDoc shown = argument;
  shown.optional = false;  // the syntax above says which may be left out
  return "| " + cell(syntax_of(shown)) + " | " + std::string(meaning) + " | " + requirement + " |\n";
}

std::string rows_of(const ArgumentDoc& argument) {
  if (is_shown_by_name(argument)) {
    return table_row(argument, "limits, with their options", "some of [these](README.md#limits)");
  }
  if (const std::optional<Option> option = option_of(argument)) {
    const ratelimit::OptionRow& row = row_of(*option);
    const Argument value = row.second == Argument::none ? row.argument : row.second;
    return table_row(argument, meaning_of(*option), has_value(row) ? requirement_of(value) : "");
  }
  if (argument.number != 0) {
    const auto word = static_cast<Argument>(argument.number);
    return table_row(argument, meaning_of(word), requirement_of(word));
  }
  std::string rows;  // options of which a call has one
  for (const ArgumentDoc& part : argument.parts) rows += rows_of(part);
  return rows;
}

std::string arguments_of(const Command& command) {
  if (command.audience != Command::Audience::users) return {};
  std::string text = "\n## Arguments\n\n| argument | what it is | must be |\n|---|---|---|\n";
  for (const ArgumentDoc& argument : command.arguments) text += rows_of(argument);
  return text;
}

/// All limits, as a call names them.
std::string limits() {
  std::string text = "\n## Limits\n\n| limit | such as | page |\n|---|---|---|\n";
  for (const ratelimit::AlgorithmRow& row : ratelimit::kAlgorithms) {
    std::string page = "rl." + std::string(keyword(row.algorithm)) + ".md";
    std::transform(page.begin(), page.end(), page.begin(), [](unsigned char c) { return std::tolower(c); });
    text += "| `" + form_of(row) + "` | `" + example_of(row) + "` | [" + page + "](" + page + ") |\n";
  }
  return text + "\nBehind each may follow its own options, which its page lists, and `AS label` and `PER REQUEST`.\n";
}

// --- pages ------------------------------------------------------------------------------------------

std::string head_of(const Command& command) {
  std::ostringstream out;
  out << "# " << command.name << "\n\n"
      << command.summary << ".\n\n```\n"
      << syntax_of(command) << "\n```\n\n"
      << "| | |\n|---|---|\n"
      << "| since | " << command.since << " |\n"
      << "| complexity | " << command.complexity << " |\n"
      << "| flags | " << command.flags << " |\n"
      << "| for | " << audience_of(command) << " |\n"
      << arguments_of(command);
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
         list_of(Command::Audience::servers) + limits();
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
        << ", \"audience\": " << quoted(audience_of(command)) << ", \"syntax\": " << quoted(syntax_of(command)) << "}";
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
