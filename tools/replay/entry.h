// SPDX-License-Identifier: MIT
// One line of a log, as a reader understood it: an instant and the values of the fields that somebody wants.
//
// Somebody wants a field by its name, before the first line is read. So a reader looks for what is wanted and skips the
// rest. Depends on units only.
#ifndef RATELIMIT_TOOLS_REPLAY_ENTRY_H
#define RATELIMIT_TOOLS_REPLAY_ENTRY_H

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ratelimit/units.h"

namespace ratelimit::replay {

inline constexpr std::size_t kMaxFields = 16;            ///< that one run may want
inline constexpr std::size_t kMaxLineBytes = 1U << 20U;  ///< a longer line is malformed

/// What a reader made of a line.
enum class Line : std::uint8_t {
  call,          ///< somebody asked for something: the entry is filled
  no_call,       ///< rightly there, and not a call: an empty line, a header, a command without a key
  too_long,      ///< longer than kMaxLineBytes
  no_time,       ///< there is no time, or it cannot be read
  cut_short,     ///< the line ends before its fields do
  not_json,      ///< not an object of JSON
  not_quoted,    ///< a quote is opened and not closed
  no_field,      ///< a wanted field is missing
  no_cost,       ///< the field of the cost is not a number from 0 on
  long_subject,  ///< the subject has more bytes than a name may have
};

/// The reason of a malformed line, as the report gives it.
[[nodiscard]] std::string_view reason_of(Line line);

/// The names of the fields that are wanted, each once.
class WantedFields {
 public:
  /// The place of the field's value in an entry; none if too many are wanted.
  std::optional<std::size_t> want(std::string_view name) {
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (found != names_.end()) return static_cast<std::size_t>(found - names_.begin());
    if (names_.size() == kMaxFields) return std::nullopt;
    names_.emplace_back(name);
    return names_.size() - 1;
  }

  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  [[nodiscard]] std::size_t size() const { return names_.size(); }

 private:
  std::vector<std::string> names_;
};

/// A value without data is missing; an empty one has data. All are borrowed: from the line or from the reader, until the
/// next line is read.
struct Entry {
  Instant at{};
  std::array<std::string_view, kMaxFields> values{};

  [[nodiscard]] bool has(std::size_t field) const { return values[field].data() != nullptr; }
};

}  // namespace ratelimit::replay

#endif  // RATELIMIT_TOOLS_REPLAY_ENTRY_H
