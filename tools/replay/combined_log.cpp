// SPDX-License-Identifier: MIT
// Access logs of nginx and Apache, common and combined:
//
//     203.0.113.9 - frank [10/Oct/2000:13:55:36 -0700] "GET /a?b=c HTTP/1.1" 200 2326 "http://r.example/" "Agent"
//
// A further quoted value is that of X-Forwarded-For, as nginx ships its `main` format. A name and port of the server may
// stand before the address (Apache's vhost_combined). What follows is nobody's business.
#include <array>
#include <cstddef>
#include <optional>

#include "replay/log_reader.h"
#include "replay/quoted.h"
#include "replay/time_text.h"

namespace ratelimit::replay {
namespace {

using View = std::string_view;

/// The places of the fields in an entry, for those that are wanted.
struct Places {
  explicit Places(const WantedFields& fields) {
    for (std::size_t i = 0; i < fields.size(); ++i) set(fields.names()[i], i);
  }
  void set(View name, std::size_t place) {
    const std::array<std::pair<View, std::optional<std::size_t>*>, 14> all{{{"address", &address},
                                                                            {"user", &user},
                                                                            {"host", &host},
                                                                            {"request", &request},
                                                                            {"method", &method},
                                                                            {"url", &url},
                                                                            {"path", &path},
                                                                            {"query", &query},
                                                                            {"protocol", &protocol},
                                                                            {"status", &status},
                                                                            {"bytes", &bytes},
                                                                            {"referer", &referer},
                                                                            {"agent", &agent},
                                                                            {"forwarded", &forwarded}}};
    for (const auto& [known, where] : all) {
      if (known == name) *where = place;
    }
    is_in_request = method || url || path || query || protocol;
    is_behind_bytes = referer || agent || forwarded;
  }

  std::optional<std::size_t> address, user, host, request, method, url, path, query, protocol, status, bytes, referer,
      agent, forwarded;
  bool is_in_request = false;
  bool is_behind_bytes = false;
};

/// The text up to `end`, and what follows it; none if `end` is not there.
[[nodiscard]] std::optional<View> take_until(View& text, char end) {
  const std::size_t at = text.find(end);
  if (at == View::npos) return std::nullopt;
  const View taken = text.substr(0, at);
  text.remove_prefix(at + 1);
  return taken;
}

[[nodiscard]] View take_word(View& text) {
  const std::size_t begin = text.find_first_not_of(' ');
  if (begin == View::npos) return text = {};
  const std::size_t end = std::min(text.find(' ', begin), text.size());
  const View word = text.substr(begin, end - begin);
  text.remove_prefix(end);
  return word;
}

/// Takes what is quoted, whose quotes may be escaped by backslashes. The escapes stay as they are.
[[nodiscard]] std::optional<View> take_quoted(View& text) {
  const std::size_t begin = text.find('"');
  if (begin == View::npos) return std::nullopt;
  const std::size_t end = find_end_of_quoted(text, begin + 1).at;
  if (end == View::npos) return std::nullopt;
  const View quoted = text.substr(begin + 1, end - begin - 1);
  text.remove_prefix(end + 1);
  return quoted;
}

class CombinedReader final : public LogReader {
 public:
  explicit CombinedReader(const Wanted& wanted) : places_(wanted.fields) {}

  [[nodiscard]] Line read(View line, Entry& entry) override {
    if (line.empty()) return Line::no_call;
    entry.values = {};
    const std::optional<View> who = take_until(line, '[');
    if (!who) return Line::no_time;
    const std::optional<View> when = take_until(line, ']');
    const std::optional<Instant> at = when ? times_.read(*when) : std::nullopt;
    if (!at) return Line::no_time;
    entry.at = *at;
    if (!take_caller(*who, entry)) return Line::cut_short;
    const std::optional<View> request = take_quoted(line);
    if (!request) return Line::not_quoted;
    put(places_.request, *request, entry);
    if (places_.is_in_request) take_request(*request, entry);
    const View status = take_word(line);
    const View bytes = take_word(line);
    if (bytes.empty()) return Line::cut_short;
    put(places_.status, status, entry);
    put(places_.bytes, bytes == "-" ? View("0") : bytes, entry);
    if (places_.is_behind_bytes) take_rest(line, entry);
    return Line::call;
  }

 private:
  static void put(std::optional<std::size_t> place, View value, Entry& entry) {
    if (place) entry.values[*place] = value.data() == nullptr ? View("") : value;
  }

  /// `address ident user`, or `host address ident user`. A user may contain blanks.
  [[nodiscard]] bool take_caller(View text, Entry& entry) const {
    View rest = text;
    View first = take_word(rest);
    const View second = take_word(rest);
    View third = take_word(rest);
    if (third.empty()) return false;
    const View fourth = take_word(rest);
    const bool has_host = !fourth.empty() && fourth.data() + fourth.size() >= text.data() + text.size() - 1 &&
                          third == "-" && second != "-";
    if (has_host) {
      put(places_.host, first, entry);
      put(places_.address, second, entry);
      put(places_.user, fourth, entry);
      return true;
    }
    put(places_.address, first, entry);
    const std::size_t from = static_cast<std::size_t>(third.data() - text.data());
    View user = text.substr(from);
    while (!user.empty() && user.back() == ' ') user.remove_suffix(1);
    put(places_.user, user, entry);
    return true;
  }

  /// `GET /a?b=c HTTP/1.1`. Noise that is no request has a method at most.
  void take_request(View request, Entry& entry) const {
    put(places_.method, take_word(request), entry);
    const View url = take_word(request);
    put(places_.url, url, entry);
    put(places_.protocol, take_word(request), entry);
    const std::size_t question = std::min(url.find('?'), url.size());
    put(places_.path, url.substr(0, question), entry);
    put(places_.query, question < url.size() ? url.substr(question + 1) : View(""), entry);
  }

  void take_rest(View rest, Entry& entry) const {
    for (const auto place : {places_.referer, places_.agent, places_.forwarded}) {
      const std::optional<View> value = take_quoted(rest);
      if (!value) return;
      put(place, *value, entry);
    }
  }

  Places places_;
  TimeReader times_;
};

}  // namespace

std::unique_ptr<LogReader> make_combined_reader(const Wanted& wanted) {
  return std::make_unique<CombinedReader>(wanted);
}

}  // namespace ratelimit::replay
