// SPDX-License-Identifier: MIT
// Who a call counts for: an expression over the fields of its line.
//
//     user               the field itself
//     address            the address; of IPv6 the subnet of 56 bits, as the middlewares count it
//     address/24         the subnet of IPv4; of IPv6 that of 56 bits
//     address/24,48      the same with the bits of IPv6
//     address/128        the whole address, also of IPv6: a count above 32 is one of IPv6
//     path/2             the first two segments of a path: /api/v1/users/7 is /api/v1
//     user+path/1        several parts, with a blank between them
#ifndef RATELIMIT_TOOLS_REPLAY_SUBJECT_H
#define RATELIMIT_TOOLS_REPLAY_SUBJECT_H

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "replay/entry.h"

namespace ratelimit::replay {

class SubjectExpression {
 public:
  /// None if the text is no expression, or wants too many fields. Its fields are added to `fields`.
  [[nodiscard]] static std::optional<SubjectExpression> parse(std::string_view text, WantedFields& fields);

  /// Whether a subnet of IPv6 counts though nobody said so.
  [[nodiscard]] bool has_usual_subnet() const;

  /// The subject of a line, borrowed from the entry or from `storage`; none if a field is missing or all are empty. Empty
  /// parts at the end leave no blank.
  [[nodiscard]] std::optional<std::string_view> of(const Entry& entry, std::string& storage) const;

 private:
  /// A value of which a part counts: bits of an address, else segments of a path. 0: all of it.
  struct Part {
    std::size_t field = 0;
    unsigned count = 0;
    unsigned bits_of_v6 = 0;
    bool is_address = false;  ///< the field is the address: of IPv6 a subnet counts
  };

  /// Whether all of the value counts, as it is written. Quick for IPv4.
  [[nodiscard]] static bool is_as_written(std::string_view value, const Part& part) {
    return part.count == 0 && !(part.is_address && value.find(':') != std::string_view::npos);
  }

  [[nodiscard]] static std::optional<Part> parse_part(std::string_view text, WantedFields& fields);
  static void append(std::string& text, std::string_view value, const Part& part);

  std::vector<Part> parts_;
};

}  // namespace ratelimit::replay

#endif  // RATELIMIT_TOOLS_REPLAY_SUBJECT_H
