// SPDX-License-Identifier: MIT
// Reads limits from a text, such as a setting: `TOKENBUCKET 20 10 1s AS burst FIXED 1000 1d`. What RL.CHECK takes for its
// limits is taken here, and nothing else.
//
//     LimitSpecs limits;
//     if (const std::optional<Fault> fault = read_limits(text, limits, find_zone)) std::cerr << sentence(*fault);
//
// Needs nothing but include/: a program that reads limits, and has neither a server nor the client, includes this.
#ifndef RATELIMIT_GRAMMAR_LIMITS_OF_TEXT_H
#define RATELIMIT_GRAMMAR_LIMITS_OF_TEXT_H

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/grammar/argument_row.h"
#include "ratelimit/grammar/arguments.h"
#include "ratelimit/grammar/fault.h"
#include "ratelimit/grammar/grammar.h"
#include "ratelimit/grammar/limit_reader.h"
#include "ratelimit/limits.h"

namespace ratelimit {

/// The words of a text, between blanks and ends of lines.
[[nodiscard]] inline std::vector<std::string_view> split_words(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  std::vector<std::string_view> words;
  for (std::size_t begin = 0; (begin = text.find_first_not_of(kBlanks, begin)) != std::string_view::npos;) {
    const std::size_t end = std::min(text.find_first_of(kBlanks, begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return words;
}

/// Reads limits that are all of these words: at least one. What is wrong with them, or nothing: then they are valid.
/// `find_zone` is as LimitReader wants it.
template <class FindZone>
[[nodiscard]] std::optional<Fault> read_limits(std::span<const std::string_view> words, LimitSpecs& limits,
                                               const FindZone& find_zone) {
  Arguments arguments(words, 0);
  LimitReader reader(arguments, limits, find_zone);
  while (!arguments.at_end()) {
    if (reader.take_option() || reader.take_limit({Fault::Kind::too_many_limits, Argument::limits})) continue;
    arguments.fail_here({Option::limit});
  }
  if (limits.empty()) arguments.fail({Fault::Kind::missing, Argument::limits});
  if (!arguments.fault() && !Limits::make(limits.span()))
    arguments.fail({Fault::Kind::repeated_label, Argument::label});
  return arguments.fault();
}

/// The same for a text. Labels and zones are borrowed from it.
template <class FindZone>
[[nodiscard]] std::optional<Fault> read_limits(std::string_view text, LimitSpecs& limits, const FindZone& find_zone) {
  return read_limits(std::span<const std::string_view>(split_words(text)), limits, find_zone);
}

}  // namespace ratelimit

#endif  // RATELIMIT_GRAMMAR_LIMITS_OF_TEXT_H
