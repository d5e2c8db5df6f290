// SPDX-License-Identifier: MIT
#include "log.h"

#include <unistd.h>

#include <array>
#include <ctime>
#include <string>

#include "json_text.h"

namespace ratelimit::service {
namespace {

std::string_view name_of(Level level) {
  constexpr std::array<std::string_view, 4> kNames{"debug", "info", "warn", "error"};
  return kNames[static_cast<std::size_t>(level)];
}

/// 2026-01-31T06:00:00.123Z
std::string time_text(std::chrono::system_clock::time_point now) {
  const auto milliseconds = std::chrono::floor<std::chrono::milliseconds>(now).time_since_epoch().count();
  const std::time_t seconds = milliseconds / 1000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  std::string result(text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts));
  std::string fraction = std::to_string(1000 + milliseconds % 1000);
  fraction[0] = '.';
  return result + fraction + "Z";
}

}  // namespace

bool Log::may_write(std::chrono::system_clock::time_point now) {
  const std::int64_t second = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  if (second != second_) {
    second_ = second;
    lines_ = 0;
  }
  if (lines_ >= kMostLines) {
    ++left_out_;
    return false;
  }
  ++lines_;
  return true;
}

void Log::write(Level level, std::string_view event, Fields fields) {
  if (!takes(level)) return;
  const auto now = std::chrono::system_clock::now();
  const std::lock_guard lock(mutex_);
  if (level_ == Level::debug || may_write(now)) write_line(now, level, event, fields);
}

void Log::write_always(Level level, std::string_view event, Fields fields) {
  if (!takes(level)) return;
  const std::lock_guard lock(mutex_);
  write_line(std::chrono::system_clock::now(), level, event, fields);
}

void Log::write_line(std::chrono::system_clock::time_point now, Level level, std::string_view event, Fields fields) {
  std::string line;
  JsonObject object(line);
  object.add("time", time_text(now));
  object.add("level", name_of(level));
  object.add("event", event);
  for (const auto& [name, value] : fields) {
    if (!value.empty()) object.add(name, value);
  }
  if (left_out_ > 0) object.add("left_out", static_cast<std::int64_t>(std::exchange(left_out_, 0)));
  object.end();
  line += '\n';
  // One call of the system a line: lines of threads and of processes do not mix. Nobody can be told that it failed.
  [[maybe_unused]] const ssize_t size = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace ratelimit::service
