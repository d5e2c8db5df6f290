// SPDX-License-Identifier: MIT
#include "question.h"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

#include "../field_reader.h"
#include "../query.h"
#include "ratelimit/client/slot_map.h"
#include "ratelimit/units.h"

namespace ratelimit::service::operators {
namespace {

constexpr std::size_t kLongestKey = 1024;
constexpr std::string_view kLimiters = "/limiters";

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// The parts of a path behind `/limiters/`: a name, and what is asked of it.
struct LimiterPath {
  std::string_view name;  ///< with %41
  std::string_view what;  ///< empty: the limiter itself
};

std::optional<LimiterPath> limiter_path(std::string_view path) {
  if (!path.starts_with(kLimiters)) return std::nullopt;
  path.remove_prefix(kLimiters.size());
  if (!path.starts_with('/')) return std::nullopt;
  path.remove_prefix(1);
  const std::size_t slash = path.find('/');
  if (slash == std::string_view::npos) return LimiterPath{path, {}};
  const std::string_view what = path.substr(slash + 1);
  if (what.empty()) return std::nullopt;
  return LimiterPath{path.substr(0, slash), what};
}

std::string needed_name(FieldReader& reader) {
  return reader.needs("limiter") ? reader.text("limiter", 1, kLongestKey).value_or("") : std::string();
}

std::size_t count_in(FieldReader& reader, std::size_t usual) {
  const std::optional<Units> count = reader.units("count", kMinUnits);
  if (count && *count > Units(Question::kMostShown)) {
    reader.fail("the field \"count\" must be an integer from 1 to " + std::to_string(Question::kMostShown));
    return usual;
  }
  return count ? static_cast<std::size_t>(count->count()) : usual;
}

void read_limiters(FieldReader& reader, Question& question) {
  question.pattern = reader.text("match", 1, kLongestKey).value_or("");
  question.count = count_in(reader, 50);
  const std::optional<std::string> text = reader.text("cursor", 1, 40);
  if (!text) return;
  const auto cursor = parse_cursor(*text);
  if (!cursor) return reader.fail("the field \"cursor\" must be the \"next\" of an answer");
  question.cursor = *cursor;
}

}  // namespace

std::string_view name_of(Page page) {
  switch (page) {
    case Page::limiters: return "limiters";
    case Page::limiter: return "limiter";
    case Page::top: return "top";
    case Page::log: return "log";
    case Page::why: return "why";
  }
  return {};
}

std::optional<Page> page_of(std::string_view path) {
  if (path == "/why") return Page::why;
  if (path == kLimiters) return Page::limiters;
  const std::optional<LimiterPath> parts = limiter_path(path);
  if (!parts || parts->name.empty()) return std::nullopt;
  if (parts->what.empty()) return Page::limiter;
  if (parts->what == "top") return Page::top;
  if (parts->what == "log") return Page::log;
  return std::nullopt;
}

Read<Question> read_question(std::string_view path, std::string_view query) {
  Read<Fields> fields = fields_of_query(query);
  if (const auto* problem = std::get_if<Problem>(&fields)) return *problem;
  Question question;
  question.page = *page_of(path);
  if (const auto parts = limiter_path(path)) {
    auto name = decoded_segment(parts->name);
    if (!name) return Problem{400, "the path has a % without two hexadecimal digits"};
    if (name->size() > kLongestKey) return Problem{400, "the name of a limiter has at most 1024 bytes"};
    question.limiter = std::move(*name);
  }
  FieldReader reader(std::get<Fields>(fields), true);
  if (question.page == Page::limiters) {
    read_limiters(reader, question);
  } else if (question.page == Page::why) {
    question.limiter = needed_name(reader);
    question.subject = reader.text("subject", 1, kMaxSubjectBytes).value_or("");
  } else if (question.page != Page::limiter) {
    question.count = count_in(reader, question.count);
  }
  reader.end();
  if (reader.problem()) return *reader.problem();
  return question;
}

std::string text_of(const client::LimiterCursor& cursor) {
  return std::to_string(cursor.slot) + "-" + std::to_string(cursor.cursor);
}

std::optional<client::LimiterCursor> parse_cursor(std::string_view text) {
  const std::size_t dash = std::min(text.find('-'), text.size());
  const auto slot = number_of<std::size_t>(text.substr(0, dash));
  const auto cursor = number_of<std::uint64_t>(text.substr(std::min(dash + 1, text.size())));
  if (!slot || *slot >= client::kSlots || !cursor) return std::nullopt;
  return client::LimiterCursor{*slot, *cursor};
}

}  // namespace ratelimit::service::operators
