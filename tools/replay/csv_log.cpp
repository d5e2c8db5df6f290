// SPDX-License-Identifier: MIT
// Comma separated values (RFC 4180), whose columns have names in a first line, or numbers from 1 on:
//
//     time,subject,cost
//     1700000000.25,user:42,3
//
// A log without a line of names has the time, the subject and the cost in this order; the cost may be missing. A quoted
// value may contain commas and doubled quotes; it ends with its line.
#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "replay/log_reader.h"
#include "replay/numbers.h"
#include "replay/time_text.h"

namespace ratelimit::replay {
namespace {

using View = std::string_view;

constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);
constexpr std::size_t kMostColumns = 1024;
constexpr std::array<View, 6> kNamesOfTime{"time", "timestamp", "ts", "at", "datetime", "date"};

class CsvReader final : public LogReader {
 public:
  explicit CsvReader(const Wanted& wanted) : wanted_(wanted) { use_usual_columns(); }

  [[nodiscard]] Line read(View line, Entry& entry) override {
    if (line.empty()) return Line::no_call;
    entry.values = {};
    if (const Line result = split(line); result != Line::call) return result;
    if (is_first_) {
      is_first_ = false;
      if (time_column_ >= columns_ || !parse_time(value(time_column_))) {
        if (use_names()) return Line::no_call;
      }
    }
    return fill(entry);
  }

 private:
  struct Column {
    View plain;          ///< in the line
    std::string quoted;  ///< without its quotes, if it had any that were doubled
    bool is_copied = false;
  };

  [[nodiscard]] View value(std::size_t column) const {
    return all_[column].is_copied ? View(all_[column].quoted) : all_[column].plain;
  }

  [[nodiscard]] Line split(View line) {
    columns_ = 0;
    while (columns_ < kMostColumns) {
      if (all_.size() == columns_) all_.emplace_back();
      Column& column = all_[columns_++];
      column.is_copied = false;
      if (!line.empty() && line.front() == '"') {
        if (!take_quoted(line, column)) return Line::not_quoted;
      } else {
        const std::size_t comma = std::min(line.find(','), line.size());
        column.plain = line.substr(0, comma);
        line.remove_prefix(comma);
      }
      if (line.empty()) return Line::call;
      line.remove_prefix(1);  // the comma
    }
    return Line::call;
  }

  [[nodiscard]] static bool take_quoted(View& line, Column& column) {
    std::size_t begin = 1;
    column.quoted.clear();
    for (;;) {
      const std::size_t quote = line.find('"', begin);
      if (quote == View::npos) return false;
      const bool is_doubled = quote + 1 < line.size() && line[quote + 1] == '"';
      if (is_doubled || column.is_copied) column.quoted.append(line.substr(begin, quote - begin));
      if (!is_doubled) {
        column.plain = line.substr(begin, quote - begin);
        line.remove_prefix(quote + 1);
        return line.empty() || line.front() == ',';
      }
      column.is_copied = true;
      column.quoted += '"';
      begin = quote + 2;
    }
  }

  /// Columns by their numbers, and time, subject and cost where they are without a line of names.
  void use_usual_columns() {
    constexpr std::array<View, 3> kUsual{"time", "subject", "cost"};
    const auto column_of = [&](View name) {
      const auto usual = std::find(kUsual.begin(), kUsual.end(), name);
      if (usual != kUsual.end()) return static_cast<std::size_t>(usual - kUsual.begin());
      const std::int64_t number = parse_count(name).value_or(0);
      return number > 0 ? static_cast<std::size_t>(number - 1) : kNowhere;
    };
    time_column_ = wanted_.time.empty() ? 0 : column_of(wanted_.time);
    column_of_field_.clear();
    for (const std::string& name : wanted_.fields.names()) column_of_field_.push_back(column_of(name));
  }

  /// Takes the columns for names. False if none of them is the name of the time: then it is a malformed line.
  bool use_names() {
    const auto find = [&](View name) {
      for (std::size_t i = 0; i < columns_; ++i) {
        if (value(i) == name) return i;
      }
      return kNowhere;
    };
    std::size_t time = kNowhere;
    if (!wanted_.time.empty()) {
      time = find(wanted_.time);
    } else {
      for (std::size_t i = 0; i < kNamesOfTime.size() && time == kNowhere; ++i) time = find(kNamesOfTime[i]);
    }
    if (time == kNowhere && wanted_.time.empty()) return false;
    if (time != kNowhere) time_column_ = time;
    for (std::size_t i = 0; i < column_of_field_.size(); ++i) {
      const View name = wanted_.fields.names()[i];
      if (!parse_count(name)) column_of_field_[i] = find(name);
    }
    return true;
  }

  [[nodiscard]] Line fill(Entry& entry) {
    if (time_column_ >= columns_) return Line::no_time;
    const std::optional<Instant> at = times_.read(value(time_column_));
    if (!at) return Line::no_time;
    entry.at = *at;
    for (std::size_t i = 0; i < column_of_field_.size(); ++i) {
      const std::size_t column = column_of_field_[i];
      const bool may_lack = wanted_.may_lack_cost && wanted_.cost == i;
      if (column >= columns_) {
        if (column != kNowhere && !may_lack) return Line::cut_short;
        continue;
      }
      const View found = value(column);
      if (may_lack && found.empty()) continue;
      entry.values[i] = found.data() == nullptr ? View("") : found;
    }
    return Line::call;
  }

  const Wanted& wanted_;
  TimeReader times_;
  std::vector<Column> all_;
  std::size_t columns_ = 0;
  std::size_t time_column_ = 0;
  std::vector<std::size_t> column_of_field_;
  bool is_first_ = true;
};

}  // namespace

std::unique_ptr<LogReader> make_csv_reader(const Wanted& wanted) { return std::make_unique<CsvReader>(wanted); }

}  // namespace ratelimit::replay
