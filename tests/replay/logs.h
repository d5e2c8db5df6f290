// SPDX-License-Identifier: MIT
// What the tests of readers share: a line in, the values of some fields out.
#ifndef RATELIMIT_TESTS_REPLAY_LOGS_H
#define RATELIMIT_TESTS_REPLAY_LOGS_H

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ratelimit/units.h"
#include "replay/entry.h"
#include "replay/log_reader.h"

namespace ratelimit::replay::tests {

/// A reader of a format that wants these fields.
class Log {
 public:
  Log(Format format, std::initializer_list<std::string_view> fields, std::string_view time = {}) {
    for (const std::string_view field : fields) static_cast<void>(wanted_.fields.want(field));
    wanted_.time = time;
    reader_ = make_reader(format, wanted_);
  }

  Line read(std::string_view line) { return reader_->read(line, entry_); }
  /// The values of the fields, in their order; of a missing one `(none)`.
  [[nodiscard]] std::vector<std::string> values() const {
    std::vector<std::string> values;
    for (std::size_t i = 0; i < wanted_.fields.size(); ++i) {
      values.emplace_back(entry_.has(i) ? entry_.values[i] : std::string_view("(none)"));
    }
    return values;
  }
  [[nodiscard]] std::int64_t unix_ns() const { return entry_.at.time_since_epoch().count(); }

 private:
  Wanted wanted_;
  std::unique_ptr<LogReader> reader_;
  Entry entry_;
};

using Values = std::vector<std::string>;

inline constexpr std::int64_t kSecond = 1'000'000'000;

}  // namespace ratelimit::replay::tests

#endif  // RATELIMIT_TESTS_REPLAY_LOGS_H
