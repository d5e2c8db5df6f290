// SPDX-License-Identifier: MIT
// The fields of a request, as a body or a query names them, before anybody knows what they mean; and what is wrong with a
// request. std only.
#ifndef RATELIMIT_SERVICE_FIELDS_H
#define RATELIMIT_SERVICE_FIELDS_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace ratelimit::service {

inline constexpr std::size_t kMaxFields = 16;

struct Field {
  enum class Kind : std::uint8_t { text, number, truth };
  std::string name;
  Kind kind = Kind::text;
  std::string value;     ///< a number as it was written
  bool is_read = false;  ///< somebody knew its name
};

using Fields = std::vector<Field>;

/// Why a request is refused. `detail` is for the client.
struct Problem {
  unsigned status = 400;
  std::string detail;
};

/// What a function read, or why it could not.
template <class T>
using Read = std::variant<T, Problem>;

/// The name of a field as an error shows it: short, whatever the client sent.
[[nodiscard]] inline std::string shown(std::string_view name) {
  constexpr std::size_t kMost = 40;
  return name.size() <= kMost ? std::string(name) : std::string(name.substr(0, kMost)) + "…";
}

/// Adds a field, unless there is one of that name, or there are too many.
[[nodiscard]] inline bool add_field(Fields& fields, Field field, Problem& problem) {
  if (fields.size() >= kMaxFields) {
    problem = {400, "a request has at most " + std::to_string(kMaxFields) + " fields"};
    return false;
  }
  for (const Field& other : fields) {
    if (other.name != field.name) continue;
    problem = {400, "the field \"" + shown(field.name) + "\" is there twice"};
    return false;
  }
  fields.push_back(std::move(field));
  return true;
}

}  // namespace ratelimit::service

#endif  // RATELIMIT_SERVICE_FIELDS_H
