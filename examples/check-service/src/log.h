// SPDX-License-Identifier: MIT
// The log: one object of JSON a line, to standard error. Neither keys nor subjects are logged, because they may be secrets.
// Thread-safe. Depends on the settings and on JSON text.
#ifndef RATELIMIT_SERVICE_LOG_H
#define RATELIMIT_SERVICE_LOG_H

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <mutex>
#include <string_view>
#include <utility>

#include "settings.h"

namespace ratelimit::service {

class Log {
 public:
  /// Lines a second, so that neither a flood nor an outage fills a disk. The next line says how many were left out. Whoever
  /// asks for the level debug gets all.
  static constexpr std::uint64_t kMostLines = 100;

  explicit Log(Level level) : level_(level) {}

  /// Whether lines of that level are written.
  [[nodiscard]] bool takes(Level level) const { return level >= level_; }

  using Fields = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  /// Names are literals. A field without a value is left out.
  void write(Level level, std::string_view event, Fields fields);
  /// The same of what is rare: it is written however many lines there were.
  void write_always(Level level, std::string_view event, Fields fields);

 private:
  void write_line(std::chrono::system_clock::time_point now, Level level, std::string_view event, Fields fields);
  [[nodiscard]] bool may_write(std::chrono::system_clock::time_point now);

  const Level level_;
  std::mutex mutex_;  ///< guards what follows
  std::int64_t second_ = 0;
  std::uint64_t lines_ = 0;
  std::uint64_t left_out_ = 0;
};

}  // namespace ratelimit::service

#endif  // RATELIMIT_SERVICE_LOG_H
