// SPDX-License-Identifier: MIT
#include "pasted_log.h"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>
#include <variant>

#include "replay/log_reader.h"
#include "replay/options.h"
#include "replay/time_text.h"

namespace ratelimit::playground {
namespace {

constexpr std::string_view kEverybody = "all";  ///< the subject of lines that name none

[[nodiscard]] std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

/// The time of a line that is nothing else. Behind a comma stands a subject, also where it could be a fraction:
/// `1800000000,17` is a call of subject 17.
[[nodiscard]] std::optional<Instant> time_alone(std::string_view line) {
  return line.find(',') == std::string_view::npos ? replay::parse_time(line) : std::nullopt;
}

/// A reader of the lines that are more than a time, if some format fits them.
class OtherLines {
 public:
  OtherLines(std::span<const std::string_view> lines, const LogOptions& options, PastedLog& log) {
    constexpr std::size_t kLookedAt = 100;
    const std::optional<replay::Format> format =
        replay::detect_format(lines.first(std::min(lines.size(), kLookedAt)), {});
    if (!format) return;
    replay::Options said;
    said.subject = options.subject;
    said.conditions = options.conditions;
    std::variant<replay::Recipe, replay::Complaint> recipe = replay::make_recipe(said, *format);
    if (const auto* complaint = std::get_if<replay::Complaint>(&recipe)) {
      log.complaint = complaint->text;
      return;
    }
    recipe_ = std::move(std::get<replay::Recipe>(recipe));
    intake_.emplace("", *format, *recipe_, log.names);
    log.format = replay::name_of(*format);
  }

  /// Whether a line that is nothing but a time counts: all of its fields are missing.
  [[nodiscard]] bool takes_time_alone() const {
    return !recipe_ || std::all_of(recipe_->conditions.begin(), recipe_->conditions.end(),
                                   [](const replay::Condition& condition) { return condition.holds(replay::Entry{}); });
  }

  [[nodiscard]] std::optional<replay::Call> take(std::string_view line, replay::LineCounts& counts) {
    const std::size_t shown = counts.first.size();
    std::optional<replay::Call> call;
    if (intake_)
      call = intake_->take(line, counts);
    else
      refuse(line, counts);
    // The intake has not seen the lines that are nothing but a time.
    if (counts.first.size() > shown) counts.first.back().line = counts.lines;
    return call;
  }

 private:
  static void refuse(std::string_view line, replay::LineCounts& counts) {
    ++counts.lines;
    if (line.empty()) return;
    ++counts.malformed;
    if (counts.first.size() < replay::LineCounts::kShown) counts.first.emplace_back();
  }

  std::optional<replay::Recipe> recipe_;
  std::optional<replay::Intake> intake_;
};

}  // namespace

PastedLog read_pasted_log(std::string_view text, const LogOptions& options) {
  PastedLog log;
  const std::vector<std::string_view> lines = lines_of(text);
  OtherLines others(lines, options, log);
  if (!log.complaint.empty()) return log;
  for (const std::string_view line : lines) {
    if (log.calls.size() == PastedLog::kMostCalls) {
      log.is_cut = true;
      break;
    }
    if (const std::optional<Instant> time = time_alone(line)) {
      ++log.lines.lines;
      ++(others.takes_time_alone() ? log.lines.calls : log.lines.left_out);
      if (!others.takes_time_alone()) continue;
      log.calls.push_back({.at = *time, .line = log.lines.lines, .subject = log.names.number_of(kEverybody)});
    } else if (const std::optional<replay::Call> call = others.take(line, log.lines)) {
      log.calls.push_back(*call);
    }
  }
  if (log.format.empty() && !log.calls.empty()) log.format = "times";
  std::stable_sort(log.calls.begin(), log.calls.end(),
                   [](const replay::Call& a, const replay::Call& b) { return a.at < b.at; });
  return log;
}

}  // namespace ratelimit::playground
