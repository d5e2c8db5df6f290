// SPDX-License-Identifier: MIT
// The readers of logs: each is a total function of a line. Whatever bytes a line has, it becomes an entry or a reason.
//
// common, combined   nginx and Apache: address, user, request, status, bytes, and of combined referer and agent
// json               an object a line, with any names; `a.b` is the member b of the member a
// csv                columns by the names of a header, or by their numbers; without both: time, subject, cost
// monitor            what redis-cli MONITOR prints: address, db, command, key, for, arg2, arg3 ...
#ifndef RATELIMIT_TOOLS_REPLAY_LOG_READER_H
#define RATELIMIT_TOOLS_REPLAY_LOG_READER_H

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "replay/entry.h"

namespace ratelimit::replay {

enum class Format : std::uint8_t { combined, json, csv, monitor };
inline constexpr std::array kFormats{Format::combined, Format::json, Format::monitor, Format::csv};

[[nodiscard]] std::string_view name_of(Format format);
/// The format of that name; `common` and `apache` and `nginx` are names of combined.
[[nodiscard]] std::optional<Format> format_of(std::string_view name);
/// The names of fields that lines of a format have, for people; a text, since those of JSON and CSV are the log's own.
[[nodiscard]] std::string_view fields_of(Format format);
/// Whether lines of a format may have a field of that name.
[[nodiscard]] bool may_have(Format format, std::string_view field);
/// Who a log of that format is about, if the user does not say: an address, the key, the column of subjects.
[[nodiscard]] std::string_view usual_subject(Format format);

/// What to look for in a log.
struct Wanted {
  WantedFields fields;
  std::string time;                   ///< the name of the field of the time; empty: the usual ones
  std::optional<std::size_t> cost{};  ///< the place of the cost among the fields
  bool may_lack_cost = false;         ///< a line without that field costs 1
  bool may_lack_for = false;          ///< of monitor: a command without FOR is about the key itself
};

class LogReader {
 public:
  LogReader() = default;
  LogReader(const LogReader&) = delete;
  LogReader& operator=(const LogReader&) = delete;
  virtual ~LogReader() = default;

  /// Reads a line without its end. If the result is Line::call, `entry` has the time and the wanted values that are there.
  [[nodiscard]] virtual Line read(std::string_view line, Entry& entry) = 0;
};

/// `wanted` must outlive the reader.
[[nodiscard]] std::unique_ptr<LogReader> make_reader(Format format, const Wanted& wanted);
[[nodiscard]] std::unique_ptr<LogReader> make_combined_reader(const Wanted& wanted);
[[nodiscard]] std::unique_ptr<LogReader> make_json_reader(const Wanted& wanted);
[[nodiscard]] std::unique_ptr<LogReader> make_csv_reader(const Wanted& wanted);
[[nodiscard]] std::unique_ptr<LogReader> make_monitor_reader(const Wanted& wanted);

/// The format that understands most of these lines; none if no format understands any. Of equals, the first of kFormats.
[[nodiscard]] std::optional<Format> detect_format(std::span<const std::string_view> lines, std::string_view time);

}  // namespace ratelimit::replay

#endif  // RATELIMIT_TOOLS_REPLAY_LOG_READER_H
