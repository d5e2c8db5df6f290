// SPDX-License-Identifier: MIT
#include "commands/limit_text.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "commands/grammar.h"
#include "ratelimit/algorithms/anchor.h"

namespace ratelimit {
namespace {

std::string text_of(Span span) {
  constexpr std::array<std::pair<const char*, std::int64_t>, 4> kUnits{
      {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}}};
  const std::int64_t count = std::chrono::ceil<std::chrono::milliseconds>(span).count();
  for (const auto& [unit, factor] : kUnits) {
    if (count % factor == 0) return std::to_string(count / factor) + unit;
  }
  return std::to_string(count) + "ms";
}

/// The value of an option of a limit, empty if it has none. No value at all if the limit was not given the option.
std::optional<std::string> value_of(const LimitSpec& spec, Option option) {
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
    case Option::limit:
    case Option::subject:
    case Option::cost:
    case Option::costs:
    case Option::charge:
    case Option::partial:
    case Option::force:
    case Option::max_wait:
    case Option::id:
    case Option::each:
    case Option::jitter:
    case Option::headers:
    case Option::brief:
    case Option::shadow:
    case Option::subjects: return std::nullopt;  // not among kLimitOptions
  }
  return std::nullopt;
}

}  // namespace

std::string text_of(const Limit& limit) {
  const LimitSpec spec = limit.spec();
  const AlgorithmRow& row = row_of(spec.algorithm);
  std::string text(keyword(spec.algorithm));
  const auto add = [&text](std::string_view word) {
    if (!word.empty()) text.append(" ").append(word);
  };
  add(std::to_string(spec.size.count()));
  if (row.rate != Argument::none) add(std::to_string(spec.refill.count()));
  add(row.span == Argument::unit ? std::string(keyword(spec.unit)) : text_of(spec.span));
  for (const Option option : row.options | kAnyLimitOptions) {
    const std::optional<std::string> value = value_of(spec, option);
    if (!value) continue;
    add(row_of(option).keyword);
    add(row_of(option).second_word);
    add(*value);
  }
  return text;
}

}  // namespace ratelimit
