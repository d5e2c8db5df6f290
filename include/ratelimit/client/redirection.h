// SPDX-License-Identifier: MIT
// What a node of a cluster says when another node has the key. Pure; depends on slots.
#ifndef RATELIMIT_CLIENT_REDIRECTION_H
#define RATELIMIT_CLIENT_REDIRECTION_H

#include <charconv>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "ratelimit/client/slot_map.h"

namespace ratelimit::client {

/// Another node has the key's slot.
struct Redirection {
  bool is_ask = false;  ///< for this call only, after ASKING
  std::size_t slot = 0;
  std::string host;  ///< empty: the host of the node that sent the redirection
  int port = 0;
};

namespace detail {

template <class Number>
[[nodiscard]] std::optional<Number> number_of(std::string_view digits, Number max) {
  Number number{};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool is_whole = error == std::errc{} && end == digits.data() + digits.size();
  if (!is_whole || number > max) return std::nullopt;
  return number;
}

}  // namespace detail

/// Reads the text of an error: `MOVED 3999 127.0.0.1:6381` or `ASK …`. None if it is another error.
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
  if (to.host == "?") to.host.clear();  // the node does not know the name of the other
  return to;
}

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_REDIRECTION_H
