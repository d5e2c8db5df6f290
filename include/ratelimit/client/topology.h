// SPDX-License-Identifier: MIT
// What servers say about where the others are: the map of a cluster, and the primary that a Sentinel names. Pure; depends on
// replies, commands and slots.
#ifndef RATELIMIT_CLIENT_TOPOLOGY_H
#define RATELIMIT_CLIENT_TOPOLOGY_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ratelimit/client/command.h"
#include "ratelimit/client/endpoint.h"
#include "ratelimit/client/redirection.h"
#include "ratelimit/client/reply.h"
#include "ratelimit/client/slot_map.h"

namespace ratelimit::client {

/// Slots from the first to the last, each included, and the primary that has them.
struct SlotRange {
  std::size_t first = 0;
  std::size_t last = 0;
  Endpoint primary{};
};

[[nodiscard]] inline Command cluster_slots_command() { return {"CLUSTER", "SLOTS"}; }
[[nodiscard]] inline Command role_command() { return {"ROLE"}; }
[[nodiscard]] inline Command primary_of_command(std::string_view name) {
  return {"SENTINEL", "GET-MASTER-ADDR-BY-NAME", name};
}

namespace detail {

[[nodiscard]] inline bool is_below(const Reply& reply, std::int64_t end) {
  return reply.kind == Reply::Kind::integer && reply.integer >= 0 && reply.integer < end;
}

/// One range of CLUSTER SLOTS: first, last, the primary as [host, port, …], replicas. A host that is null or empty is that
/// of the node that was asked; `?` is one that the node does not know.
[[nodiscard]] inline std::optional<SlotRange> range_of(const Reply& reply, const std::string& asked_host) {
  if (reply.kind != Reply::Kind::list || reply.items.size() < 3) return std::nullopt;
  const Reply& first = reply.items[0];
  const Reply& last = reply.items[1];
  const Reply& primary = reply.items[2];
  if (!is_below(first, kSlots) || !is_below(last, kSlots) || first.integer > last.integer) return std::nullopt;
  if (primary.kind != Reply::Kind::list || primary.items.size() < 2) return std::nullopt;
  const Reply& host = primary.items[0];
  const Reply& port = primary.items[1];
  const bool has_host = host.kind == Reply::Kind::text && !host.text.empty();
  if ((!has_host && host.kind != Reply::Kind::text && host.kind != Reply::Kind::null) || !is_below(port, 65536) ||
      port.integer == 0 || (has_host && host.text == "?"))
    return std::nullopt;
  return SlotRange{.first = static_cast<std::size_t>(first.integer),
                   .last = static_cast<std::size_t>(last.integer),
                   .primary = {.host = has_host ? host.text : asked_host, .port = static_cast<int>(port.integer)}};
}

}  // namespace detail

/// The ranges in a reply of CLUSTER SLOTS, without those that make no sense. Empty, if the node knows none.
[[nodiscard]] inline std::vector<SlotRange> parse_cluster_slots(const Reply& reply, const std::string& asked_host) {
  std::vector<SlotRange> ranges;
  if (reply.kind != Reply::Kind::list) return ranges;
  for (const Reply& each : reply.items) {
    if (std::optional<SlotRange> range = detail::range_of(each, asked_host)) ranges.push_back(std::move(*range));
  }
  return ranges;
}

/// The primary in the reply of a Sentinel. None if it knows none of that name.
[[nodiscard]] inline std::optional<Endpoint> parse_primary(const Reply& reply) {
  if (reply.kind != Reply::Kind::list || reply.items.size() != 2) return std::nullopt;
  const Reply& host = reply.items[0];
  const Reply& port = reply.items[1];
  if (host.kind != Reply::Kind::text || port.kind != Reply::Kind::text || host.text.empty()) return std::nullopt;
  const auto number = detail::number_of<unsigned>(port.text, 65535);
  if (!number || *number == 0) return std::nullopt;
  return Endpoint{.host = host.text, .port = static_cast<int>(*number)};
}

/// Whether a reply of ROLE is that of a primary.
[[nodiscard]] inline bool is_primary(const Reply& reply) {
  return reply.kind == Reply::Kind::list && !reply.items.empty() && reply.items[0].kind == Reply::Kind::text &&
         reply.items[0].text == "master";
}

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_TOPOLOGY_H
