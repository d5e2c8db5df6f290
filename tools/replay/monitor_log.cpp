// SPDX-License-Identifier: MIT
// What redis-cli MONITOR prints:
//
//     1339518083.107412 [0 127.0.0.1:60866] "RL.CHECK" "api:free" "FOR" "user:42"
//
// `key` is the first argument, or the first key of a command that has several. `for` is the word behind FOR. A call is a
// command that asks for a limit: one of the module, or a function of the same name. If `command` is wanted, the user
// chooses by it, and every command is a call.
#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "ratelimit/grammar/arguments.h"
#include "replay/log_reader.h"
#include "replay/numbers.h"
#include "replay/time_text.h"

namespace ratelimit::replay {
namespace {

using View = std::string_view;

[[nodiscard]] int hex_of(char c) {
  if ('0' <= c && c <= '9') return c - '0';
  if ('a' <= c && c <= 'f') return c - 'a' + 10;
  if ('A' <= c && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// The byte that an escape stands for, whose backslash is at `at`. `at` moves to its last character.
[[nodiscard]] char unescape(View text, std::size_t& at) {
  const char kind = text[++at];
  switch (kind) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'a': return '\a';
    case 'b': return '\b';
    case 'x': {
      const int high = at + 2 < text.size() ? hex_of(text[at + 1]) : -1;
      const int low = high >= 0 ? hex_of(text[at + 2]) : -1;
      if (low < 0) return kind;
      at += 2;
      return static_cast<char>(high * 16 + low);
    }
    default: return kind;
  }
}

class MonitorReader final : public LogReader {
 public:
  explicit MonitorReader(const Wanted& wanted)
      : names_(wanted.fields.names()),
        takes_any_(std::find(names_.begin(), names_.end(), "command") != names_.end()),
        may_lack_for_(wanted.may_lack_for) {}

  [[nodiscard]] Line read(View line, Entry& entry) override {
    if (line.empty() || line == "OK") return Line::no_call;
    entry.values = {};
    const std::size_t blank = line.find(' ');
    const std::optional<Instant> at = times_.read(line.substr(0, blank));
    if (!at) return Line::no_time;
    entry.at = *at;
    if (blank == View::npos || blank + 1 >= line.size() || line[blank + 1] != '[') return Line::cut_short;
    const std::size_t close = line.find("] ", blank);
    if (close == View::npos) return Line::cut_short;
    const View origin = line.substr(blank + 2, close - blank - 2);
    if (const Line words = take_words(line.substr(close + 2)); words != Line::call) return words;
    if (!takes_any_ && !asks()) return Line::no_call;
    return fill(origin, entry);
  }

 private:
  static constexpr std::size_t kMostWords = 4096;

  /// Takes the words apart; those behind the first kMostWords are left out. They are kept here, since their escapes are
  /// undone.
  [[nodiscard]] Line take_words(View text) {
    words_ = 0;
    for (std::size_t at = 0; at < text.size() && words_ < kMostWords; ++at) {
      if (text[at] == ' ') continue;
      if (text[at] != '"') return Line::cut_short;
      if (storage_.size() == words_) storage_.emplace_back();
      std::string& word = storage_[words_++];
      word.clear();
      for (++at; at < text.size() && text[at] != '"'; ++at) {
        const bool is_escape = text[at] == '\\' && at + 1 < text.size();
        word += is_escape ? unescape(text, at) : text[at];
      }
      if (at >= text.size()) return Line::not_quoted;
    }
    return words_ > 0 ? Line::call : Line::cut_short;
  }

  [[nodiscard]] Line fill(View origin, Entry& entry) const {
    const std::size_t blank = std::min(origin.find(' '), origin.size());
    const View address = blank < origin.size() ? origin.substr(blank + 1) : View("");
    for (std::size_t i = 0; i < names_.size(); ++i) {
      View& value = entry.values[i];
      const View name = names_[i];
      if (name == "db") {
        value = origin.substr(0, blank);
      } else if (name == "address") {
        value = address.substr(0, address.rfind(':'));
      } else {
        const std::size_t place = place_of(name);
        const bool may_lack = may_lack_for_ && name == "for";
        if (place >= words_ && !may_lack) return Line::no_call;  // a command without what is wanted, such as PING
        value = place < words_ ? View(storage_[place]) : View("");
      }
    }
    return Line::call;
  }

  /// The place among the words; behind them if there is no such word.
  [[nodiscard]] std::size_t place_of(View name) const {
    if (name == "command") return 0;
    if (name == "key") return place_of_key();
    if (name == "for") return place_behind_for();
    return static_cast<std::size_t>(parse_count(name.substr(3)).value_or(kMostWords));
  }

  template <std::size_t N>
  [[nodiscard]] static bool is_in(View word, const std::array<View, N>& commands) {
    return std::any_of(commands.begin(), commands.end(),
                       [word](View command) { return detail::same_in_any_case(word, command); });
  }

  /// Whether the command asks for a limit. The function rl_check is RL.CHECK.
  [[nodiscard]] bool asks() const {
    if (is_in(storage_[0], kAsking)) return true;
    constexpr std::array<View, 1> kFunction{"FCALL"};
    if (words_ < 2 || !is_in(storage_[0], kFunction) || !storage_[1].starts_with("rl_")) return false;
    std::string name = storage_[1];
    name[2] = '.';
    return is_in(name, kAsking);
  }

  [[nodiscard]] std::size_t place_of_key() const {
    constexpr std::array<View, 6> kScripts{"EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO", "FCALL", "FCALL_RO"};
    constexpr std::array<View, 4> kNumbered{"RL.CHECKALL", "RL.RESERVEALL", "RL.SETTLEALL", "MSETEX"};
    if (is_in(storage_[0], kScripts)) return words_ > 2 && storage_[2] != "0" ? 3 : words_;
    return is_in(storage_[0], kNumbered) ? 2 : 1;
  }

  [[nodiscard]] std::size_t place_behind_for() const {
    for (std::size_t i = place_of_key() + 1; i < words_; ++i) {
      if (detail::same_in_any_case(storage_[i], "FOR")) return i + 1;
    }
    return words_;
  }

  static constexpr std::array<View, 12> kAsking{"RL.CHECK",      "RL.CHECKALL",    "RL.CHECKEACH", "RL.RESERVE",
                                                "RL.RESERVEALL", "RL.TOKENBUCKET", "RL.FIXED",     "RL.LEAKYBUCKET",
                                                "RL.CONCURRENT", "RL.SLIDING",     "RL.QUOTA",     "CL.THROTTLE"};

  const std::vector<std::string>& names_;
  bool takes_any_ = false;
  bool may_lack_for_ = false;
  TimeReader times_;
  std::vector<std::string> storage_;
  std::size_t words_ = 0;
};

}  // namespace

std::unique_ptr<LogReader> make_monitor_reader(const Wanted& wanted) { return std::make_unique<MonitorReader>(wanted); }

}  // namespace ratelimit::replay
