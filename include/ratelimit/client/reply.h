// What a server's reply says: a decision, a redirection, an error, or nothing that makes sense.
//
// A reply is never trusted: what is no possible answer to the call that was made is garbage, and grants nothing. Pure;
// depends on answers.
#ifndef RATELIMIT_CLIENT_REPLY_H
#define RATELIMIT_CLIENT_REPLY_H

#include <algorithm>
#include <array>
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

#include "ratelimit/client/answer.h"
#include "ratelimit/client/slot_map.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

/// A reply as it came.
struct Value {
  enum class Kind : std::uint8_t { null, integer, text, error, list };

  Kind kind = Kind::null;
  std::int64_t integer = 0;
  std::string text;  ///< of an error, too
  std::vector<Value> items;
};

/// Another node has the key's slot.
struct Redirection {
  bool is_ask = false;  ///< for this call only, after ASKING
  std::size_t slot = 0;
  std::string host;  ///< empty: that of the node that says so
  int port = 0;
};

namespace detail {

template <class Number>
[[nodiscard]] std::optional<Number> number_of(std::string_view digits, Number most) {
  Number number{};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool is_whole = error == std::errc{} && end == digits.data() + digits.size();
  if (!is_whole || number > most) return std::nullopt;
  return number;
}

}  // namespace detail

/// What `MOVED 3999 127.0.0.1:6381` and `ASK …` say; none if it is another error.
[[nodiscard]] inline std::optional<Redirection> parse_redirection(std::string_view error) {
  Redirection to;
  to.is_ask = error.starts_with("ASK ");
  if (!to.is_ask && !error.starts_with("MOVED ")) return std::nullopt;
  error.remove_prefix(error.find(' ') + 1);
  const std::size_t space = error.find(' ');
  const std::size_t colon = error.rfind(':');
  if (space == std::string_view::npos || colon == std::string_view::npos || colon < space) return std::nullopt;
  const auto slot = detail::number_of<std::size_t>(error.substr(0, space), kSlots - 1);
  const auto port = detail::number_of<unsigned>(error.substr(colon + 1), 65535);
  if (!slot || !port || *port == 0) return std::nullopt;
  to.slot = *slot;
  to.port = static_cast<int>(*port);
  to.host = error.substr(space + 1, colon - space - 1);
  if (to.host == "?") to.host.clear();  // a node that knows no name of the other
  return to;
}

enum class Blame : std::uint8_t { caller, server };

/// Whose fault an error is. That of the caller: the call would be wrong on any server that is well.
[[nodiscard]] inline Blame blame(std::string_view error) {
  constexpr std::array<std::string_view, 4> kServersOwn{"ERR unknown command", "ERR max number of clients",
                                                        "ERR command not allowed", "ERR unknown subcommand"};
  const auto begins = [error](std::string_view prefix) { return error.starts_with(prefix); };
  if (std::any_of(kServersOwn.begin(), kServersOwn.end(), begins)) return Blame::server;
  constexpr std::array<std::string_view, 5> kCallers{"ERR ", "NOLIMITS ", "WRONGTYPE ", "NOPERM ", "CROSSSLOT "};
  return std::any_of(kCallers.begin(), kCallers.end(), begins) ? Blame::caller : Blame::server;
}

/// Which replies a call may get.
struct Expected {
  Units cost{};
  bool may_be_part = false;  ///< PARTIAL, and estimates
  bool may_be_held = false;  ///< RESERVE: a hold of that id may have another size
};

namespace detail {

[[nodiscard]] inline bool is_count(const Value& value) {
  return value.kind == Value::Kind::integer && value.integer >= 0 && Units(value.integer) <= kMaxUnits;
}

/// Of ten years, and what turns and debts may add.
[[nodiscard]] inline bool is_wait(const Value& value) {
  constexpr std::int64_t kMost = 10 * std::chrono::ceil<std::chrono::milliseconds>(kMaxSpan).count();
  return value.kind == Value::Kind::integer && value.integer >= -1 && value.integer <= kMost;
}

[[nodiscard]] inline bool is_name(const Value& value) {
  return value.kind == Value::Kind::null || value.kind == Value::Kind::text;
}

[[nodiscard]] inline bool can_be_granted(Units granted, const Expected& expected) {
  if (granted == kNoUnits || granted == expected.cost || expected.may_be_held) return true;
  return expected.may_be_part && granted < expected.cost;
}

}  // namespace detail

/// The answer that a reply of RL.CHECK, RL.PEEK, RL.RESERVE or RL.SETTLE is; none if it is garbage.
[[nodiscard]] inline std::optional<Answer> parse_answer(const Value& reply, const Expected& expected) {
  const std::vector<Value>& items = reply.items;
  if (reply.kind != Value::Kind::list || items.size() < 6 || items.size() > 7) return std::nullopt;
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

/// What replies a command has, besides errors.
struct Shape {
  enum class Kind : std::uint8_t { answer, answer_or_null, integer };
  Kind kind = Kind::answer;
  Expected expected{};
};

/// Whether a reply, that is no error, is possible. Whatever is not, is garbage.
[[nodiscard]] inline bool has_shape(const Value& reply, const Shape& shape) {
  if (shape.kind == Shape::Kind::integer) return detail::is_count(reply);
  if (shape.kind == Shape::Kind::answer_or_null && reply.kind == Value::Kind::null) return true;
  return parse_answer(reply, shape.expected).has_value();
}

/// Whether the limits that answered have leases: then a denial may be over before its wait is.
[[nodiscard]] inline bool tells_of_leases(const Value& reply) { return reply.items.size() > 6; }

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_REPLY_H
