// SPDX-License-Identifier: MIT
// The target of a request: its path, and the fields of its query. Pure; depends on the fields of a request.
#ifndef RATELIMIT_SERVICE_QUERY_H
#define RATELIMIT_SERVICE_QUERY_H

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "fields.h"

namespace ratelimit::service {

struct Target {
  std::string_view path;
  std::string_view query;  ///< without its question mark; empty if there is none
};

/// Also of an absolute URI, as clients of a proxy send it (RFC 9112, 3.2.2): who it names does not matter here.
[[nodiscard]] inline Target split_target(std::string_view target) {
  if (const std::size_t scheme = target.find("://"); scheme != std::string_view::npos && !target.starts_with('/')) {
    target.remove_prefix(std::min(target.find_first_of("/?", scheme + 3), target.size()));
  }
  const std::size_t end = target.find('?');
  if (end == std::string_view::npos) return {target, {}};
  return {target.substr(0, end), target.substr(end + 1)};
}

/// The fields of a query, `name=value&…`, with `%41` and `+` decoded. All values are texts.
[[nodiscard]] Read<Fields> fields_of_query(std::string_view query);

/// A segment of a path, with `%41` decoded: any bytes. None if a % has no two hexadecimal digits behind it.
[[nodiscard]] std::optional<std::string> decoded_segment(std::string_view segment);

/// Any bytes as a segment of a path, or as a value of a query.
[[nodiscard]] std::string encoded_segment(std::string_view bytes);

}  // namespace ratelimit::service

#endif  // RATELIMIT_SERVICE_QUERY_H
