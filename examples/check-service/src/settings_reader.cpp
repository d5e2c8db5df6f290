// SPDX-License-Identifier: MIT
// Where settings stand: in a file, and in the environment.
#include <algorithm>
#include <string>
#include <string_view>

#include "settings.h"

namespace ratelimit::service {
namespace {

constexpr std::string_view kPrefix = "CHECK_SERVICE_";
constexpr std::string_view kFile = "CONFIG";  // names the file, and is read by who starts the program

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

std::optional<std::string> read_line(Settings& settings, std::string_view line) {
  line = trimmed(line);
  if (line.empty() || line.front() == '#') return std::nullopt;
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos) return "a line must be: name = value";
  const std::string_view name = trimmed(line.substr(0, equals));
  const auto fault = set(settings, name, trimmed(line.substr(equals + 1)));
  if (!fault) return std::nullopt;
  return std::string(name) + ": " + *fault;
}

}  // namespace

std::optional<std::string> read_settings(Settings& settings, std::string_view text, std::string_view source) {
  for (int number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (auto fault = read_line(settings, line)) {
      return std::string(source) + ":" + std::to_string(number) + ": " + *fault;
    }
  }
  return std::nullopt;
}

std::optional<std::string> read_environment(Settings& settings, const char* const* environment) {
  for (; *environment != nullptr; ++environment) {
    const std::string_view variable = *environment;
    if (!variable.starts_with(kPrefix)) continue;
    const std::size_t equals = std::min(variable.find('='), variable.size());
    const std::string_view name = variable.substr(kPrefix.size(), equals - kPrefix.size());
    if (name == kFile) continue;
    const std::string_view value = variable.substr(std::min(equals + 1, variable.size()));
    if (auto fault = set(settings, lower(name), value)) {
      return std::string(variable.substr(0, equals)) + ": " + *fault;
    }
  }
  return std::nullopt;
}

}  // namespace ratelimit::service
