// SPDX-License-Identifier: MIT
#include "replay/log_reader.h"

#include <algorithm>

namespace ratelimit::replay {
namespace {

constexpr std::array<std::string_view, 14> kCombinedFields{"address", "user",    "host",  "request",  "method",
                                                           "url",     "path",    "query", "protocol", "status",
                                                           "bytes",   "referer", "agent", "forwarded"};
constexpr std::array<std::string_view, 5> kMonitorFields{"address", "db", "command", "key", "for"};

/// How many of these lines a format takes for calls.
std::size_t calls_in(std::span<const std::string_view> lines, Format format, std::string_view time) {
  Wanted wanted;
  wanted.time = time;
  if (format == Format::monitor) static_cast<void>(wanted.fields.want("command"));  // any command will do
  const std::unique_ptr<LogReader> reader = make_reader(format, wanted);
  Entry entry;
  return static_cast<std::size_t>(std::count_if(
      lines.begin(), lines.end(), [&](std::string_view line) { return reader->read(line, entry) == Line::call; }));
}

/// `arg2`, `arg17`
[[nodiscard]] bool is_argument(std::string_view field) {
  return field.size() > 3 && field.size() < 7 && field.substr(0, 3) == "arg" &&
         field.find_first_not_of("0123456789", 3) == std::string_view::npos;
}

}  // namespace

std::string_view name_of(Format format) {
  switch (format) {
    case Format::combined: return "combined";
    case Format::json: return "json";
    case Format::csv: return "csv";
    case Format::monitor: return "monitor";
  }
  return {};
}

std::optional<Format> format_of(std::string_view name) {
  if (name == "common" || name == "apache" || name == "nginx") return Format::combined;
  for (const Format format : kFormats) {
    if (name_of(format) == name) return format;
  }
  return std::nullopt;
}

std::string_view fields_of(Format format) {
  switch (format) {
    case Format::combined:
      return "address, user, host, request, method, url, path, query, protocol, status, bytes, referer, agent, "
             "forwarded";
    case Format::json: return "the names of the objects' members, such as client_ip or request.path";
    case Format::csv: return "the names in the first line, or the numbers of columns from 1 on";
    case Format::monitor: return "address, db, command, key, for, and arg1, arg2 and so on";
  }
  return {};
}

bool may_have(Format format, std::string_view field) {
  const auto is_in = [field](const auto& names) { return std::find(names.begin(), names.end(), field) != names.end(); };
  switch (format) {
    case Format::combined: return is_in(kCombinedFields);
    case Format::monitor: return is_in(kMonitorFields) || is_argument(field);
    case Format::json:
    case Format::csv: return true;
  }
  return true;
}

std::string_view usual_subject(Format format) {
  switch (format) {
    case Format::combined:
    case Format::json: return "address";
    case Format::csv: return "subject";
    case Format::monitor: return "key+for";
  }
  return {};
}

std::unique_ptr<LogReader> make_reader(Format format, const Wanted& wanted) {
  switch (format) {
    case Format::combined: return make_combined_reader(wanted);
    case Format::json: return make_json_reader(wanted);
    case Format::csv: return make_csv_reader(wanted);
    case Format::monitor: return make_monitor_reader(wanted);
  }
  return nullptr;
}

std::optional<Format> detect_format(std::span<const std::string_view> lines, std::string_view time) {
  std::optional<Format> best;
  std::size_t most = 0;
  for (const Format format : kFormats) {
    const std::size_t calls = calls_in(lines, format, time);
    if (calls > most) {
      most = calls;
      best = format;
    }
  }
  return best;
}

}  // namespace ratelimit::replay
