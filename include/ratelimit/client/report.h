// SPDX-License-Identifier: MIT
// What the server says about limiters to those who look after them: RL.INFO, RL.TOP, RL.LOG and RL.LIMITERS, as commands and
// as types. A reply that the command cannot have is garbage. Pure; depends on commands and replies.
#ifndef RATELIMIT_CLIENT_REPORT_H
#define RATELIMIT_CLIENT_REPORT_H

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "ratelimit/client/command.h"
#include "ratelimit/client/reply.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

using Milliseconds = std::chrono::milliseconds;

/// How often something happened.
struct Count {
  std::int64_t times = 0;
  bool has_stopped = false;  ///< at its largest number: it was at least so often
};

/// The counters of one limit of a key.
struct LabelCounts {
  std::string label{};
  std::int64_t granted = 0;
  std::int64_t denied = 0;
  std::int64_t would_deny = 0;  ///< on trial
  std::int64_t near = 0;
  Milliseconds since{};  ///< from 1970 on
};

/// Units that somebody holds until `ends`: a hold, or a lease of CONCURRENT.
struct Holding {
  std::string id{};  ///< any bytes
  Units units{};
  Milliseconds ends{};      ///< from now
  bool is_settled = false;  ///< a hold that was settled, and is remembered
};

/// One limit, and what is used of it.
struct LimitInfo {
  std::string label{};
  std::string limit{};  ///< in the words of RL.DEFINE
  Units size{};
  Units used{};
  Units remaining{};
  Milliseconds reset{};
  std::optional<Milliseconds> next_unit{};  ///< until one more unit remains; 0: none is missing; none: never
  std::optional<std::int64_t> leases{};     ///< of CONCURRENT
  std::vector<Holding> first_leases{};
};

/// RL.INFO of a key, or of a subject in it. Of a subject, the members up to `counters` say nothing.
struct Info {
  bool exists = true;  ///< false: there is no such key, or the subject is idle
  std::string form{};  ///< `single`, `dense` or `subject`
  bool is_stored = false;
  bool is_on_trial = false;
  std::int64_t subjects = 0;
  std::int64_t memory = 0;  ///< bytes
  Count granted{};
  Count denied{};
  std::int64_t would_deny = 0;
  std::int64_t near = 0;
  std::optional<Milliseconds> since{};  ///< from 1970 on
  std::vector<LabelCounts> counters{};
  std::int64_t exceptions = 0;

  std::int64_t holds = 0;
  std::vector<Holding> first_holds{};
  std::vector<LimitInfo> limits{};
  Milliseconds blocked{};
  std::string status{};                ///< one word, as RL.INFO has it
  std::string binding{};               ///< a label
  std::optional<Milliseconds> wait{};  ///< none: never
  Milliseconds waiting{};
  std::string why{};
  bool is_exception = false;
};

/// One of those whom RL.TOP names.
struct TopEntry {
  std::string subject{};
  std::int64_t times = 0;
  std::int64_t overcount = 0;  ///< at most so many of them are not the subject's
};

/// One entry of RL.LOG.
struct LogEntry {
  std::string subject{};  ///< empty: the key itself
  std::string label{};
  Milliseconds first{};  ///< from 1970 on
  Milliseconds last{};   ///< from 1970 on
  std::int64_t times = 0;
  std::optional<Milliseconds> wait{};  ///< that the last one was told; none: never
};

/// One step of the walk of RL.LIMITERS.
struct LimiterStep {
  std::uint64_t cursor = 0;  ///< of the next step; 0: there is none
  std::vector<std::string> names{};
};

/// Where a walk through all limiters goes on. The usual one begins it.
struct LimiterCursor {
  std::size_t slot = 0;      ///< the first one of the primary that is walked; 0 outside a cluster
  std::uint64_t cursor = 0;  ///< of RL.LIMITERS there
};

namespace detail {

[[nodiscard]] inline bool is_list(const Reply& reply, std::size_t items) {
  return reply.kind == Reply::Kind::list && reply.items.size() == items;
}
[[nodiscard]] inline bool is_text(const Reply& reply) { return reply.kind == Reply::Kind::text; }
[[nodiscard]] inline bool is_number(const Reply& reply) {
  return reply.kind == Reply::Kind::integer && reply.integer >= 0;
}

template <class Number>
[[nodiscard]] std::optional<Number> number_in(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// -1 is never.
[[nodiscard]] inline std::optional<Milliseconds> wait_of(std::int64_t integer) {
  return integer < 0 ? std::nullopt : std::optional(Milliseconds{integer});
}

/// A list of names and values. A name that is not there has the value of an empty type; a value of a wrong kind spoils the
/// whole.
class NamedValues {
 public:
  explicit NamedValues(const Reply& reply)
      : items_(reply.items), is_well_(reply.kind == Reply::Kind::list && items_.size() % 2 == 0) {
    for (std::size_t i = 0; is_well_ && i < items_.size(); i += 2) is_well_ = is_text(items_[i]);
  }

  [[nodiscard]] bool is_well() const { return is_well_; }
  [[nodiscard]] bool has(std::string_view name) const { return find(name) != nullptr; }

  [[nodiscard]] std::string text(std::string_view name) {
    const Reply* value = find(name);
    return value != nullptr && require(is_text(*value)) ? value->text : std::string();
  }
  [[nodiscard]] std::int64_t integer(std::string_view name) {
    const Reply* value = find(name);
    return value != nullptr && require(is_number(*value)) ? value->integer : 0;
  }
  [[nodiscard]] Units units(std::string_view name) { return Units(integer(name)); }
  [[nodiscard]] Milliseconds time(std::string_view name) { return Milliseconds{integer(name)}; }

  [[nodiscard]] std::optional<Milliseconds> wait(std::string_view name) {
    const Reply* value = find(name);
    if (value == nullptr || !require(is_wait(*value))) return std::nullopt;
    return wait_of(value->integer);
  }

  /// A number, or the text `1048575+` of one that has stopped.
  [[nodiscard]] Count count(std::string_view name) {
    const Reply* value = find(name);
    if (value == nullptr || !is_text(*value)) return {.times = integer(name)};
    std::string_view digits = value->text;
    const bool has_stopped = digits.ends_with('+');
    if (has_stopped) digits.remove_suffix(1);
    const auto times = number_in<std::int64_t>(digits);
    return require(has_stopped && times && *times >= 0) ? Count{*times, true} : Count{};
  }

  /// What `read(values)` makes of each list of names and values in a list.
  template <class Read>
  [[nodiscard]] auto each(std::string_view name, Read read) {
    std::vector<decltype(read(*this))> all;
    const Reply* value = find(name);
    if (value == nullptr || !require(value->kind == Reply::Kind::list)) return all;
    for (const Reply& item : value->items) {
      NamedValues values(item);
      all.push_back(read(values));
      if (!require(values.is_well())) return all;
    }
    return all;
  }

 private:
  [[nodiscard]] const Reply* find(std::string_view name) const {
    for (std::size_t i = 0; is_well_ && i < items_.size(); i += 2) {
      if (items_[i].text == name) return &items_[i + 1];
    }
    return nullptr;
  }
  bool require(bool is_right) {
    is_well_ = is_well_ && is_right;
    return is_right;
  }

  const std::vector<Reply>& items_;
  bool is_well_;
};

[[nodiscard]] inline LabelCounts label_counts_in(NamedValues& values) {
  return {.label = values.text("label"),
          .granted = values.integer("granted"),
          .denied = values.integer("denied"),
          .would_deny = values.integer("would_deny"),
          .near = values.integer("near"),
          .since = values.time("since_ms")};
}

[[nodiscard]] inline Holding holding_in(NamedValues& values) {
  return {.id = values.text("id"),
          .units = values.units("units"),
          .ends = values.time("ends_ms"),
          .is_settled = values.integer("settled") != 0};
}

[[nodiscard]] inline LimitInfo limit_info_in(NamedValues& values) {
  LimitInfo limit{.label = values.text("label"),
                  .limit = values.text("limit"),
                  .size = values.units("size"),
                  .used = values.units("used"),
                  .remaining = values.units("remaining"),
                  .reset = values.time("reset_ms"),
                  .next_unit = values.wait("next_unit_ms")};
  if (values.has("leases")) limit.leases = values.integer("leases");
  limit.first_leases = values.each("first_leases", holding_in);
  return limit;
}

inline void read_key(NamedValues& values, Info& info) {
  info.is_stored = values.integer("stored") != 0;
  info.is_on_trial = values.integer("shadow") != 0;
  info.subjects = values.integer("subjects");
  info.memory = values.integer("memory");
  info.granted = values.count("granted");
  info.denied = values.count("denied");
  info.would_deny = values.integer("would_deny");
  info.near = values.integer("near");
  if (values.has("since_ms")) info.since = values.time("since_ms");
  info.counters = values.each("counters", label_counts_in);
  info.exceptions = values.integer("exceptions");
}

inline void read_subject(NamedValues& values, Info& info) {
  info.holds = values.integer("holds");
  info.first_holds = values.each("first_holds", holding_in);
  info.limits = values.each("limits", limit_info_in);
  info.blocked = values.time("blocked");
  info.status = values.text("status");
  info.binding = values.text("binding");
  info.wait = values.wait("wait_ms");
  info.waiting = values.time("waiting_ms");
  info.why = values.text("why");
  info.is_exception = values.integer("exception") != 0;
}

/// What `read(item)` makes of each item of a list. None if the reply is no list, or one item makes nothing.
template <class Item, class Read>
[[nodiscard]] std::optional<std::vector<Item>> list_of(const Reply& reply, Read read) {
  if (reply.kind != Reply::Kind::list) return std::nullopt;
  std::vector<Item> all;
  for (const Reply& each : reply.items) {
    std::optional<Item> item = read(each);
    if (!item) return std::nullopt;
    all.push_back(std::move(*item));
  }
  return all;
}

}  // namespace detail

// --- replies. Each gives none if the reply is garbage ------------------------------------------------

[[nodiscard]] inline std::optional<Info> parse_info(const Reply& reply) {
  if (reply.kind == Reply::Kind::null) return Info{.exists = false};
  detail::NamedValues values(reply);
  Info info{.form = values.text("form")};
  detail::read_key(values, info);
  detail::read_subject(values, info);
  if (!values.is_well() || info.form.empty()) return std::nullopt;
  return info;
}

[[nodiscard]] inline std::optional<std::vector<TopEntry>> parse_top(const Reply& reply) {
  return detail::list_of<TopEntry>(reply, [](const Reply& item) -> std::optional<TopEntry> {
    const std::vector<Reply>& of = item.items;
    if (!detail::is_list(item, 3) || !detail::is_text(of[0])) return std::nullopt;
    if (!detail::is_number(of[1]) || !detail::is_number(of[2])) return std::nullopt;
    return TopEntry{of[0].text, of[1].integer, of[2].integer};
  });
}

[[nodiscard]] inline std::optional<std::vector<LogEntry>> parse_log(const Reply& reply) {
  return detail::list_of<LogEntry>(reply, [](const Reply& item) -> std::optional<LogEntry> {
    const std::vector<Reply>& of = item.items;
    if (!detail::is_list(item, 6) || !detail::is_text(of[0]) || !detail::is_text(of[1])) return std::nullopt;
    if (!std::all_of(of.begin() + 2, of.begin() + 5, detail::is_number) || !detail::is_wait(of[5])) return std::nullopt;
    return LogEntry{.subject = of[0].text,
                    .label = of[1].text,
                    .first = Milliseconds{of[2].integer},
                    .last = Milliseconds{of[3].integer},
                    .times = of[4].integer,
                    .wait = detail::wait_of(of[5].integer)};
  });
}

[[nodiscard]] inline std::optional<LimiterStep> parse_limiters(const Reply& reply) {
  if (!detail::is_list(reply, 2) || !detail::is_text(reply.items[0])) return std::nullopt;
  const auto cursor = detail::number_in<std::uint64_t>(reply.items[0].text);
  auto names = detail::list_of<std::string>(reply.items[1], [](const Reply& item) {
    return detail::is_text(item) ? std::optional(item.text) : std::nullopt;
  });
  if (!cursor || !names) return std::nullopt;
  return LimiterStep{*cursor, std::move(*names)};
}

// --- commands ----------------------------------------------------------------------------------------

namespace detail {

/// A command whose reply `parse` understands.
template <auto parse>
[[nodiscard]] Command asking_for(std::initializer_list<std::string_view> words) {
  Command command(words);
  command.shape.kind = Shape::Kind::report;
  command.shape.is_report = [](const Reply& reply) { return parse(reply).has_value(); };
  return command;
}

}  // namespace detail

/// RL.INFO. Without a subject it is about the key.
[[nodiscard]] inline Command info_command(std::string_view key, std::string_view subject) {
  Command command = detail::asking_for<parse_info>({"RL.INFO", key});
  command.add_subject(subject);
  return command;
}

enum class Top : std::uint8_t { denied, near };

/// RL.TOP. `count` is 1 to 1024.
[[nodiscard]] inline Command top_command(std::string_view key, std::size_t count, Top top) {
  Command command = detail::asking_for<parse_top>({"RL.TOP", key, std::to_string(count)});
  if (top == Top::near) command.add("NEAR");
  return command;
}

/// RL.LOG. `count` is 1 to 5000, and at most what the bounds of a reply leave room for.
[[nodiscard]] inline Command log_command(std::string_view key, std::size_t count) {
  return detail::asking_for<parse_log>({"RL.LOG", key, std::to_string(count)});
}

/// RL.LIMITERS. An empty pattern matches all names. `count`, 1 to 1000, is how many keys of any kind the server looks at.
[[nodiscard]] inline Command limiters_command(std::uint64_t cursor, std::string_view pattern, std::size_t count) {
  Command command = detail::asking_for<parse_limiters>({"RL.LIMITERS", std::to_string(cursor)});
  if (!pattern.empty()) command.add({"MATCH", pattern});
  command.add({"COUNT", std::to_string(count)});
  return command;
}

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_REPORT_H
