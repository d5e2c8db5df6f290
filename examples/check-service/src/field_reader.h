// SPDX-License-Identifier: MIT
// Reads fields by their names and kinds; the first problem sticks. A query knows no kinds: there each value is a text, and a
// number may be one. Pure; depends on the fields of a request and the units of the core.
#ifndef RATELIMIT_SERVICE_FIELD_READER_H
#define RATELIMIT_SERVICE_FIELD_READER_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "fields.h"
#include "ratelimit/units.h"

namespace ratelimit::service {

/// A number with at most six digits behind its point, exactly: `digits` / `scale`.
struct Decimal {
  std::int64_t digits = 0;
  std::int64_t scale = 1;  ///< a power of ten
};

/// None if the text is no such number, negative, or larger than units can be.
[[nodiscard]] std::optional<Decimal> parse_decimal(std::string_view text);

/// A duration in the words of a command: an integer with ms, s, m, h or d; without a unit, seconds. None if it is none.
[[nodiscard]] std::optional<Span> parse_duration(std::string_view text);

class FieldReader {
 public:
  /// Borrows the fields.
  FieldReader(Fields& fields, bool is_query) : fields_(fields), is_query_(is_query) {}

  [[nodiscard]] const std::optional<Problem>& problem() const { return problem_; }
  /// Unless there is a problem already.
  void fail(std::string detail) {
    if (!problem_) problem_ = Problem{400, std::move(detail)};
  }

  [[nodiscard]] bool has(std::string_view name) const;

  // A field that is absent gives none, and no problem.

  /// A text of `least` to `most` bytes.
  [[nodiscard]] std::optional<std::string> text(std::string_view name, std::size_t least, std::size_t most);
  [[nodiscard]] std::optional<Units> units(std::string_view name, Units least);
  [[nodiscard]] std::optional<Decimal> decimal(std::string_view name);
  /// A number of seconds, or a text such as "500ms".
  [[nodiscard]] std::optional<Span> duration(std::string_view name);

  /// That a field of that name is there. False is a problem.
  bool needs(std::string_view name);
  /// That every field was read: a name that nobody knows is a problem.
  void end();

 private:
  [[nodiscard]] Field* take(std::string_view name);
  void fail(std::string_view name, std::string_view must_be);

  Fields& fields_;
  const bool is_query_;
  std::optional<Problem> problem_;
};

}  // namespace ratelimit::service

#endif  // RATELIMIT_SERVICE_FIELD_READER_H
