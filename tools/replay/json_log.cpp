// SPDX-License-Identifier: MIT
// Logs of one JSON object a line, such as those of nginx with escape=json, Caddy, Traefik and most services:
//
//     {"time":"2026-11-30T13:26:40Z","client_ip":"203.0.113.9","request":{"path":"/a"},"bytes":2326}
//
// A field is named by its member; `request.path` is a member of a member. Of an array, the first element counts. The
// usual names of a few fields are known: "address" is also found as remote_addr, client_ip and so on.
#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "replay/log_reader.h"
#include "replay/quoted.h"
#include "replay/time_text.h"

namespace ratelimit::replay {
namespace {

using View = std::string_view;

constexpr std::size_t kDeepest = 32;

struct Alias {
  View field;
  std::array<View, 9> members;
};
constexpr std::array<Alias, 6> kAliases{{
    {"time", {"time", "ts", "timestamp", "@timestamp", "time_iso8601", "time_local", "msec", "datetime", "StartUTC"}},
    {"address",
     {"address", "remote_addr", "client_ip", "remote_ip", "ip", "client", "request.client_ip", "request.remote_ip",
      "ClientHost"}},
    {"path", {"path", "uri", "request_uri", "url", "request.uri", "request.path", "RequestPath"}},
    {"user", {"user", "remote_user", "user_id", "subject"}},
    {"agent", {"agent", "http_user_agent", "user_agent", "request.headers.User-Agent"}},
    {"bytes", {"bytes", "body_bytes_sent", "bytes_sent", "size"}},
}};

/// The members under which a field may be found, the best first.
[[nodiscard]] std::vector<std::string> members_of(View field) {
  std::vector<std::string> members{std::string(field)};
  for (const Alias& alias : kAliases) {
    if (alias.field != field) continue;
    for (const View member : alias.members) {
      if (!member.empty() && member != field) members.emplace_back(member);
    }
  }
  return members;
}

/// Something to look for: where it may be found, and what was found.
struct Target {
  std::vector<std::string> members;
  std::size_t best = 0;  ///< the place among the members of the one that was found; behind the last: none
  View value{};
  std::string unescaped{};
};

/// Reads one object. Each value whose member is wanted is told to its target.
class ObjectReader {
 public:
  ObjectReader(View text, std::vector<Target>& targets, std::string& member)
      : text_(text), targets_(targets), member_(member) {}

  [[nodiscard]] bool read() {
    member_.clear();
    skip_blanks();
    if (!take('{') || !take_members(0)) return false;
    skip_blanks();
    return at_ == text_.size();
  }

 private:
  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r')) ++at_;
  }
  [[nodiscard]] char next() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  [[nodiscard]] bool take(char expected) {
    if (at_ == text_.size() || text_[at_] != expected) return false;
    ++at_;
    return true;
  }

  [[nodiscard]] bool take_members(std::size_t depth) {
    skip_blanks();
    if (take('}')) return true;
    const std::size_t outer = member_.size();
    for (;;) {
      skip_blanks();
      bool has_escapes = false;
      const std::optional<View> name = take_string(has_escapes);
      skip_blanks();
      if (!name || !take(':')) return false;
      if (outer > 0) member_ += '.';
      member_.append(*name);
      const bool is_well = take_value(depth, true);
      member_.resize(outer);
      if (!is_well) return false;
      skip_blanks();
      if (take('}')) return true;
      if (!take(',')) return false;
    }
  }

  [[nodiscard]] bool take_elements(std::size_t depth, bool is_wanted) {
    skip_blanks();
    if (take(']')) return true;
    for (bool is_first = is_wanted;; is_first = false) {
      if (!take_value(depth, is_first)) return false;
      skip_blanks();
      if (take(']')) return true;
      if (!take(',')) return false;
    }
  }

  [[nodiscard]] bool take_value(std::size_t depth, bool is_wanted) {
    skip_blanks();
    switch (next()) {
      case '{': ++at_; return depth < kDeepest && take_members(depth + 1);
      case '[': ++at_; return depth < kDeepest && take_elements(depth + 1, is_wanted);
      case '"': {
        bool has_escapes = false;
        const std::optional<View> value = take_string(has_escapes);
        if (value && is_wanted) tell(*value, has_escapes);
        return value.has_value();
      }
      default: return take_bare(is_wanted);
    }
  }

  /// A number, true, false or null; null is a value that is missing.
  [[nodiscard]] bool take_bare(bool is_wanted) {
    const std::size_t begin = at_;
    while (at_ < text_.size() && text_.find_first_of(",]} \t\r", at_) != at_) ++at_;
    const View value = text_.substr(begin, at_ - begin);
    const bool is_number = !value.empty() && value.find_first_not_of("0123456789+-.eE") == View::npos;
    if (value == "null") return true;
    if (!is_number && value != "true" && value != "false") return false;
    if (is_wanted) tell(value, false);
    return true;
  }

  /// What stands between two quotes, its escapes as they are.
  [[nodiscard]] std::optional<View> take_string(bool& has_escapes) {
    if (!take('"')) return std::nullopt;
    const std::size_t begin = at_;
    const EndOfQuoted end = find_end_of_quoted(text_, begin);
    has_escapes = end.has_escapes;
    at_ = std::min(end.at, text_.size());
    if (at_ == text_.size()) return std::nullopt;
    return text_.substr(begin, at_++ - begin);
  }

  void tell(View value, bool has_escapes) {
    for (Target& target : targets_) {
      const std::size_t end = std::min(target.best, target.members.size());
      for (std::size_t i = 0; i < end; ++i) {
        if (target.members[i] != member_) continue;
        target.best = i;
        target.value = has_escapes ? unescaped(value, target.unescaped) : value;
        break;
      }
    }
  }

  [[nodiscard]] static View unescaped(View text, std::string& into) {
    into.clear();
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '\\' || i + 1 == text.size()) {
        into += text[i];
        continue;
      }
      switch (text[++i]) {
        case 'n': into += '\n'; break;
        case 't': into += '\t'; break;
        case 'r': into += '\r'; break;
        case 'b': into += '\b'; break;
        case 'f': into += '\f'; break;
        case 'u': i = append_code_point(text, i, into); break;
        default: into += text[i];
      }
    }
    return into;
  }

  [[nodiscard]] static std::uint32_t hex(View digits) {
    std::uint32_t value = 0;
    for (const char c : digits) {
      const bool is_digit = '0' <= c && c <= '9';
      const char lower = static_cast<char>(c | 0x20);
      if (!is_digit && (lower < 'a' || lower > 'f')) return 0xFFFD;
      value = value * 16 + static_cast<std::uint32_t>(is_digit ? c - '0' : lower - 'a' + 10);
    }
    return value;
  }

  /// Writes the code point of `u1234` at `i` in UTF-8; of a surrogate pair, both halves. Returns the last place used.
  [[nodiscard]] static std::size_t append_code_point(View text, std::size_t i, std::string& into) {
    if (i + 4 >= text.size()) return i;
    std::uint32_t code = hex(text.substr(i + 1, 4));
    i += 4;
    const bool is_high = 0xD800 <= code && code < 0xDC00;
    if (is_high && text.substr(i + 1, 2) == "\\u" && i + 6 < text.size()) {
      const std::uint32_t low = hex(text.substr(i + 3, 4));
      if (0xDC00 <= low && low < 0xE000) {
        code = 0x10000 + ((code - 0xD800) << 10U) + (low - 0xDC00);
        i += 6;
      }
    }
    const auto add = [&into](std::uint32_t byte) { into += static_cast<char>(byte); };
    if (code < 0x80) {
      add(code);
    } else if (code < 0x800) {
      add(0xC0 | code >> 6U), add(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
      add(0xE0 | code >> 12U), add(0x80 | (code >> 6U & 0x3F)), add(0x80 | (code & 0x3F));
    } else {
      add(0xF0 | code >> 18U), add(0x80 | (code >> 12U & 0x3F)), add(0x80 | (code >> 6U & 0x3F)),
          add(0x80 | (code & 0x3F));
    }
    return i;
  }

  View text_;
  std::size_t at_ = 0;
  std::vector<Target>& targets_;
  std::string& member_;
};

class JsonReader final : public LogReader {
 public:
  explicit JsonReader(const Wanted& wanted) {
    for (const std::string& name : wanted.fields.names()) targets_.push_back({.members = members_of(name)});
    if (wanted.time.empty()) {
      targets_.push_back({.members = members_of("time")});
    } else {
      targets_.push_back({.members = {wanted.time}});
    }
  }

  [[nodiscard]] Line read(View line, Entry& entry) override {
    if (line.find_first_not_of(" \t\r") == View::npos) return Line::no_call;
    for (Target& target : targets_) target.best = target.members.size();
    if (!ObjectReader(line, targets_, member_).read()) return Line::not_json;
    entry.values = {};
    const Target& time = targets_.back();
    const std::optional<Instant> at = is_found(time) ? times_.read(time.value) : std::nullopt;
    if (!at) return Line::no_time;
    entry.at = *at;
    for (std::size_t i = 0; i + 1 < targets_.size(); ++i) {
      if (is_found(targets_[i])) entry.values[i] = targets_[i].value;
    }
    return Line::call;
  }

 private:
  [[nodiscard]] static bool is_found(const Target& target) { return target.best < target.members.size(); }

  TimeReader times_;
  std::vector<Target> targets_;  ///< the wanted fields, and then the time
  std::string member_;
};

}  // namespace

std::unique_ptr<LogReader> make_json_reader(const Wanted& wanted) { return std::make_unique<JsonReader>(wanted); }

}  // namespace ratelimit::replay
