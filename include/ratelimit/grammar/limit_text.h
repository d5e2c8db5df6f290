// SPDX-License-Identifier: MIT
// Writes limits as users write them: the way back from limit_reader.h. Knows no server.
#ifndef RATELIMIT_GRAMMAR_LIMIT_TEXT_H
#define RATELIMIT_GRAMMAR_LIMIT_TEXT_H

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ratelimit/algorithms/anchor.h"
#include "ratelimit/algorithms/calendar_unit.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/any_algorithm.h"
#include "ratelimit/grammar/argument_row.h"
#include "ratelimit/grammar/grammar.h"
#include "ratelimit/limit.h"
#include "ratelimit/units.h"

namespace ratelimit {

/// A duration as Arguments reads it: rounded up to milliseconds, in the largest unit that divides it.
[[nodiscard]] inline std::string text_of(Span span) {
  constexpr std::array<std::pair<const char*, std::int64_t>, 4> kUnits{
      {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}}};
  const std::int64_t count = std::chrono::ceil<std::chrono::milliseconds>(span).count();
  for (const auto& [unit, factor] : kUnits) {
    if (count % factor == 0) return std::to_string(count / factor) + unit;
  }
  return std::to_string(count) + "ms";
}

namespace detail {

/// The value of an option of a limit, empty if it has none. No value at all if the limit was not given the option.
[[nodiscard]] inline std::optional<std::string> value_of(const LimitSpec& spec, Option option) {
  const auto given_if = [](bool is_given, std::string_view value = {}) {
    return is_given ? std::optional<std::string>(value) : std::nullopt;
  };
  switch (option) {
    case Option::aligned: return given_if(spec.aligned);
    case Option::approximate: return given_if(spec.algorithm == Algorithm::sliding_window_counter);
    case Option::anchor: return spec.anchor.is_given() ? std::optional(text_of(spec.anchor)) : std::nullopt;
    case Option::zone: return given_if(!spec.zone.empty(), spec.zone);
    case Option::label: return given_if(!spec.label.empty(), spec.label);
    case Option::per_request: return given_if(spec.per_request);
    default: return std::nullopt;  // not among kLimitOptions
  }
}

}  // namespace detail

/// The words of a limit, as LimitReader reads them.
[[nodiscard]] inline std::vector<std::string> words_of(const LimitSpec& spec) {
  const AlgorithmRow& row = row_of(spec.algorithm);
  std::vector<std::string> words{std::string(keyword(spec.algorithm))};
  const auto add = [&words](std::string_view word) {
    if (!word.empty()) words.emplace_back(word);
  };
  add(std::to_string(spec.size.count()));
  if (row.rate != Argument::none) add(std::to_string(spec.refill.count()));
  add(row.span == Argument::unit ? std::string(keyword(spec.unit)) : text_of(spec.span));
  for (const Option option : row.options | kAnyLimitOptions) {
    const std::optional<std::string> value = detail::value_of(spec, option);
    if (!value) continue;
    add(row_of(option).keyword);
    add(row_of(option).second_word);
    add(*value);
  }
  return words;
}

/// The same in one line.
[[nodiscard]] inline std::string text_of(const Limit& limit) {
  std::string text;
  for (const std::string& word : words_of(limit.spec())) text.append(text.empty() ? "" : " ").append(word);
  return text;
}

}  // namespace ratelimit

#endif  // RATELIMIT_GRAMMAR_LIMIT_TEXT_H
