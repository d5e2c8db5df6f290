// SPDX-License-Identifier: MIT
// What a server replied, and whether that is a possible answer to the call that was made.
//
// A reply is never trusted: one that the command cannot have is garbage, and grants nothing. Pure; depends on answers.
#ifndef RATELIMIT_CLIENT_REPLY_H
#define RATELIMIT_CLIENT_REPLY_H

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ratelimit/client/answer.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

/// A reply as it came. `kind` says which of the other members mean something.
struct Reply {
  enum class Kind : std::uint8_t { null, integer, text, error, list };

  Kind kind = Kind::null;
  std::int64_t integer = 0;
  std::string text;  ///< of a text or an error
  std::vector<Reply> items;
};

enum class Blame : std::uint8_t { caller, server };

/// Whose fault an error is. Of the server: it cannot answer now, and that passes by itself. Any other error is a mistake of
/// the caller, or of who set the server up: it stays until somebody mends it (docs/middleware.md has the policy).
[[nodiscard]] inline Blame blame(std::string_view error) {
  constexpr std::array<std::string_view, 12> kOutages{
      "LOADING", "BUSY ", "MASTERDOWN", "READONLY", "CLUSTERDOWN", "TRYAGAIN",
      "MOVED ",  "ASK ",  "OOM ",       "MISCONF",  "NOREPLICAS",  "ERR max number of clients"};
  const auto begins = [error](std::string_view prefix) { return error.starts_with(prefix); };
  return error.empty() || std::any_of(kOutages.begin(), kOutages.end(), begins) ? Blame::server : Blame::caller;
}

/// Whether it is an error that stays until somebody mends it.
[[nodiscard]] inline bool is_mistake(const Reply& reply) {
  return reply.kind == Reply::Kind::error && blame(reply.text) == Blame::caller;
}

/// What a command may be granted.
struct Expected {
  Units cost{};
  bool may_be_part = false;  ///< with PARTIAL
  bool may_be_held = false;  ///< RESERVE: a hold of that id may have another size
};

/// Which replies a command may get, besides errors.
struct Shape {
  enum class Kind : std::uint8_t { answer, answer_or_null, integer, text, each, brief, all, report };
  Kind kind = Kind::answer;
  Expected expected{};
  std::size_t items = 0;                      ///< each: how many answers
  std::vector<Units> costs{};                 ///< all: of each key
  bool (*is_report)(const Reply&) = nullptr;  ///< report: whether it is one
};

namespace detail {

[[nodiscard]] inline bool is_count(const Reply& reply) {
  return reply.kind == Reply::Kind::integer && reply.integer >= 0 && Units(reply.integer) <= kMaxUnits;
}

/// In milliseconds. The longest span is ten years. Turns and debts may add to it, so ten times that is allowed.
inline constexpr std::int64_t kLongestWait = 10 * std::chrono::ceil<std::chrono::milliseconds>(kMaxSpan).count();

[[nodiscard]] inline bool is_wait(const Reply& reply) {
  return reply.kind == Reply::Kind::integer && reply.integer >= -1 && reply.integer <= kLongestWait;
}

[[nodiscard]] inline bool is_name(const Reply& reply) {
  return reply.kind == Reply::Kind::null || reply.kind == Reply::Kind::text;
}

[[nodiscard]] inline bool can_be_granted(Units granted, const Expected& expected) {
  if (granted == kNoUnits || granted == expected.cost || expected.may_be_held) return true;
  return expected.may_be_part && granted < expected.cost;
}

}  // namespace detail

/// The answer in a reply of RL.CHECK, RL.PEEK, RL.RESERVE or RL.SETTLE. None if the reply is garbage.
[[nodiscard]] inline std::optional<Answer> parse_answer(const Reply& reply, const Expected& expected) {
  const std::vector<Reply>& items = reply.items;
  if (reply.kind != Reply::Kind::list || items.size() < 6 || items.size() > 7) return std::nullopt;
  const bool has_numbers = std::all_of(items.begin(), items.begin() + 3, detail::is_count) &&
                           std::all_of(items.begin() + 3, items.begin() + 5, detail::is_wait);
  if (!has_numbers || !std::all_of(items.begin() + 5, items.end(), detail::is_name)) return std::nullopt;
  Answer answer;
  answer.granted = Units(items[0].integer);
  if (!detail::can_be_granted(answer.granted, expected) || items[4].integer < 0) return std::nullopt;
  const bool is_never = items[3].integer == -1;
  const bool is_granted = answer.granted > kNoUnits || expected.cost == kNoUnits;
  if (is_never && is_granted) return std::nullopt;
  answer.outcome = is_granted ? Outcome::granted : is_never ? Outcome::never : Outcome::denied;
  answer.limit = Units(items[1].integer);
  answer.remaining = Units(items[2].integer);
  if (!is_never) answer.wait = std::chrono::milliseconds{items[3].integer};
  answer.reset = std::chrono::milliseconds{items[4].integer};
  answer.label = items[5].text;
  if (items.size() == 7) answer.id = items[6].text;
  return answer;
}

/// The answer to a call that may cost nothing: then it is granted if there is nothing to wait for. None if it is garbage.
[[nodiscard]] inline std::optional<Answer> parse_look(const Reply& reply, Units cost) {
  if (cost > kNoUnits) return parse_answer(reply, {.cost = cost});
  std::optional<Answer> answer = parse_answer(reply, {.cost = kMinUnits});
  if (!answer || answer->granted > kNoUnits) return std::nullopt;
  if (reply.items[3].integer == 0) answer->outcome = Outcome::granted;
  return answer;
}

/// The answer in a reply of RL.CHECKALL with EACH. None if the reply is garbage.
[[nodiscard]] inline std::optional<Answer> parse_answer_to_all(const Reply& reply, const Shape& shape) {
  if (reply.kind != Reply::Kind::list || reply.items.size() < 7 || reply.items.size() > 8) return std::nullopt;
  const Reply& each = reply.items.back();
  if (each.kind != Reply::Kind::list || each.items.size() != shape.costs.size()) return std::nullopt;
  const Reply own{
      .kind = Reply::Kind::list, .integer = 0, .text = {}, .items = {reply.items.begin(), reply.items.end() - 1}};
  std::optional<Answer> answer = parse_look(own, shape.expected.cost);
  for (std::size_t i = 0; answer && i < each.items.size(); ++i) {
    std::optional<Answer> part = parse_look(each.items[i], shape.costs[i]);
    if (!part) return std::nullopt;
    answer->each.push_back(std::move(*part));
  }
  return answer;
}

/// One of the answers to RL.CHECKEACH: units remaining, minus the wait, or null for never. It has no `limit`, `reset` and
/// `label`. None if it is garbage.
[[nodiscard]] inline std::optional<Answer> parse_brief_answer(const Reply& item, Units cost) {
  Answer answer;
  if (item.kind == Reply::Kind::null) {
    answer.outcome = Outcome::never;
    return answer;
  }
  if (item.kind != Reply::Kind::integer) return std::nullopt;
  if (detail::is_count(item)) {
    answer.outcome = Outcome::granted;
    answer.granted = cost;
    answer.remaining = Units(item.integer);
    return answer;
  }
  if (item.integer >= 0 || item.integer < -detail::kLongestWait) return std::nullopt;
  answer.wait = std::chrono::milliseconds{-item.integer};
  return answer;
}

/// Whether a reply that is no error is possible for the command. If not, it is garbage.
[[nodiscard]] inline bool has_shape(const Reply& reply, const Shape& shape) {
  if (shape.kind == Shape::Kind::integer) return detail::is_count(reply);
  if (shape.kind == Shape::Kind::each) {
    const auto is_brief = [&shape](const Reply& item) {
      return parse_brief_answer(item, shape.expected.cost).has_value();
    };
    return reply.kind == Reply::Kind::list && reply.items.size() == shape.items &&
           std::all_of(reply.items.begin(), reply.items.end(), is_brief);
  }
  if (shape.kind == Shape::Kind::text) return reply.kind == Reply::Kind::text;
  if (shape.kind == Shape::Kind::report) return shape.is_report(reply);
  if (shape.kind == Shape::Kind::all) return parse_answer_to_all(reply, shape).has_value();
  if (shape.kind == Shape::Kind::answer_or_null && reply.kind == Reply::Kind::null) return true;
  return parse_answer(reply, shape.expected).has_value();
}

/// Whether the limits that answered include CONCURRENT: a lease may end early, and a denial be over before its wait.
[[nodiscard]] inline bool has_lease_id(const Reply& reply) {
  return reply.kind == Reply::Kind::list && reply.items.size() > 6;
}

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_REPLY_H
