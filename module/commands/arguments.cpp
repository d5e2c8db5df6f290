// SPDX-License-Identifier: MIT
#include "commands/arguments.h"

#include <chrono>
#include <limits>
#include <utility>

#include "ratelimit/limit.h"

namespace ratelimit {
namespace {

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

bool same_ignoring_case(std::string_view word, std::string_view keyword) {
  if (word.size() != keyword.size()) return false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (upper(word[i]) != keyword[i]) return false;
  }
  return true;
}

/// The integer that all of `digits` spell, as the server itself reads integers: no sign, no leading zero.
std::optional<std::int64_t> parse_integer(std::string_view digits) {
  constexpr std::size_t kMostDigits = std::numeric_limits<std::uint64_t>::digits10;  // so many never overflow
  if (digits.empty() || digits.size() > kMostDigits || (digits.front() == '0' && digits.size() > 1))
    return std::nullopt;
  std::uint64_t number = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    number = 10 * number + static_cast<std::uint64_t>(c - '0');
  }
  if (!std::in_range<std::int64_t>(number)) return std::nullopt;
  return static_cast<std::int64_t>(number);
}

/// Takes the unit from the end of a duration and says how many milliseconds it has; a second, if there is none.
std::int64_t take_unit(std::string_view& word) {
  const auto take = [&word](std::size_t letters, std::int64_t milliseconds) {
    word.remove_suffix(letters);
    return milliseconds;
  };
  if (word.empty()) return 1000;
  switch (word.back()) {
    case 's': return word.ends_with("ms") ? take(2, 1) : take(1, 1000);
    case 'm': return take(1, 60'000);
    case 'h': return take(1, 3'600'000);
    case 'd': return take(1, 86'400'000);
    default: return 1000;
  }
}

std::optional<Span> parse_duration(std::string_view word, std::int64_t least) {
  const std::int64_t milliseconds = take_unit(word);
  const std::optional<std::int64_t> number = parse_integer(word);
  constexpr auto kMost = std::chrono::floor<std::chrono::milliseconds>(kMaxSpan).count();
  if (!number || *number < least || *number > kMost / milliseconds) return std::nullopt;
  return Span{std::chrono::milliseconds{*number * milliseconds}};
}

}  // namespace

bool Arguments::take(std::string_view keyword) {
  if (at_end() || !same_ignoring_case(words_[next_], keyword)) return false;
  ++next_;
  return true;
}

const OptionRow* Arguments::take(OptionSet options) {
  if (at_end()) return nullptr;
  const std::string_view word = words_[next_];
  for (const Option option : options) {
    const OptionRow& row = row_of(option);
    if (!same_ignoring_case(word, row.keyword)) continue;
    ++next_;
    if (!row.second_word.empty() && !take(row.second_word)) fail({Fault::Kind::incomplete_per_request});
    return &row;
  }
  return nullptr;
}

bool Arguments::is_at_integer() const { return !at_end() && parse_integer(words_[next_]).has_value(); }

std::optional<std::string_view> Arguments::next(Argument argument) {
  if (fault_) return std::nullopt;
  if (next_ == words_.size()) {
    fail({Fault::Kind::missing, argument});
    return std::nullopt;
  }
  return words_[next_++];
}

std::string_view Arguments::text(Argument argument) { return next(argument).value_or(std::string_view{}); }

std::int64_t Arguments::integer(Argument argument) {
  const ArgumentRow& row = row_of(argument);
  const auto word = next(argument);
  if (!word) return row.least;
  const auto number = parse_integer(*word);
  if (number && row.least <= *number && *number <= row.most) return *number;
  fail({Fault::Kind::malformed, argument});
  return row.least;
}

std::int64_t Arguments::integer(Argument argument, std::int64_t most) {
  const auto word = next(argument);
  if (!word) return 0;
  const auto number = parse_integer(*word);
  if (number && *number <= most) return *number;
  fail({Fault::Kind::malformed, argument});
  return 0;
}

Span Arguments::duration(Argument argument) {
  const auto word = next(argument);
  if (!word) return kMinSpan;
  if (const auto span = parse_duration(*word, row_of(argument).least)) return *span;
  fail({Fault::Kind::malformed, argument});
  return kMinSpan;
}

std::string_view Arguments::bytes(Argument argument) {
  const auto word = next(argument);
  if (!word) return {};
  require_size(*word, argument);
  return *word;
}

void Arguments::require_size(std::string_view word, Argument argument) {
  const ArgumentRow& row = row_of(argument);
  const auto size = static_cast<std::int64_t>(word.size());
  if (size < row.least || size > row.most) fail({Fault::Kind::malformed, argument});
}

std::span<const std::string_view> Arguments::all_bytes(Argument argument, std::size_t most) {
  const std::span<const std::string_view> all = rest();
  if (fault_) return {};
  if (all.empty()) fail({Fault::Kind::missing, argument});
  if (all.size() > most) fail({Fault::Kind::too_many_arguments});
  for (const std::string_view word : all) require_size(word, argument);
  next_ = words_.size();
  return all;
}

std::string_view Arguments::label(Argument argument) {
  const auto word = next(argument);
  if (word && !is_valid_label(*word)) fail({Fault::Kind::malformed, argument});
  return word.value_or(std::string_view{});
}

std::size_t Arguments::choice(Argument argument) {
  const std::span<const std::string_view> choices = row_of(argument).choices;
  const auto word = next(argument);
  if (!word) return 0;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (same_ignoring_case(*word, choices[i])) return i;
  }
  fail({Fault::Kind::malformed, argument});
  return 0;
}

void Arguments::fail(const Fault& fault) {
  if (!fault_) fault_ = fault;
}

void Arguments::fail_here(OptionSet options) {
  fail({Fault::Kind::unknown_option, Argument::none, static_cast<std::uint16_t>(next_), options});
}

}  // namespace ratelimit
