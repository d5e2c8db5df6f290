// SPDX-License-Identifier: MIT
// Names of keys and subjects: different for different rules and values, whatever bytes these have; printable, and bounded in
// length. Pure.
//
//     envoy:{messaging}:message_type=marketing|to_number      a rule; its subjects are the values of to_number
//     envoy:{messaging}!minute:message_type|to_number         limits that came with requests; the subjects are all values
#ifndef RATELIMIT_SERVICE_ENVOY_NAMES_H
#define RATELIMIT_SERVICE_ENVOY_NAMES_H

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "messages.h"

namespace ratelimit::service::envoy {

inline constexpr std::size_t kLongestName = 512;

/// Appends a text in which `%`, `{`, `}`, `|`, `=`, `#`, blanks and control characters are written as `%` and two digits.
void append_escaped(std::string& name, std::string_view text);

/// `text`, or its SHA-256 behind `%%` if it is longer than `most` bytes. No escaped text has `%%`.
[[nodiscard]] std::string bounded(std::string text, std::size_t most);

/// What all keys of a domain begin with. The braces are a hash tag: a cluster keeps these keys together.
[[nodiscard]] std::string domain_prefix(std::string_view prefix, std::string_view domain);

/// Values as the name of a subject. For a fixed number of values, different values have different names.
class SubjectName {
 public:
  void add(std::string_view value);
  /// At most kMaxSubjectBytes. Empty for no values, and for one that is empty.
  [[nodiscard]] std::string take();

 private:
  std::string name_;
  bool is_any_ = false;
};

/// The key of a limit that came with a request.
[[nodiscard]] std::string override_key(std::string_view prefix, std::string_view domain, const LimitOverride& limit,
                                       std::span<const Entry> entries);

/// `second`; empty if there is no such unit.
[[nodiscard]] std::string_view name_of(Unit unit);

/// The unit of that name, in any case; `unknown` if there is none.
[[nodiscard]] Unit unit_of(std::string_view name);

}  // namespace ratelimit::service::envoy

#endif  // RATELIMIT_SERVICE_ENVOY_NAMES_H
