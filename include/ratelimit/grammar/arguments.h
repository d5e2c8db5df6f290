// SPDX-License-Identifier: MIT
// Reads the words of a call: one cursor, whose first fault sticks. Knows no server.
//
// A parser built on it takes what must come, in order, and asks once at the end whether all was well. After a fault
// every further taking does nothing and returns some harmless value. What an argument must be is in its row of
// kArguments.
#ifndef RATELIMIT_GRAMMAR_ARGUMENTS_H
#define RATELIMIT_GRAMMAR_ARGUMENTS_H

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "ratelimit/grammar/fault.h"
#include "ratelimit/grammar/grammar.h"
#include "ratelimit/limit.h"
#include "ratelimit/units.h"

namespace ratelimit {
namespace detail {

[[nodiscard]] constexpr char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

[[nodiscard]] constexpr bool same_ignoring_case(std::string_view word, std::string_view keyword) {
  if (word.size() != keyword.size()) return false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (upper(word[i]) != keyword[i]) return false;
  }
  return true;
}

/// The same for two words in any case.
[[nodiscard]] constexpr bool same_in_any_case(std::string_view word, std::string_view other) {
  return std::ranges::equal(word, other, [](char a, char b) { return upper(a) == upper(b); });
}

[[nodiscard]] constexpr bool is_keyword_of_limit(std::string_view word) {
  return std::ranges::any_of(
      kAlgorithms, [word](const AlgorithmRow& row) { return same_ignoring_case(word, keyword(row.algorithm)); });
}

/// The integer that all of `digits` spell, as the server itself reads integers: no sign, no leading zero.
[[nodiscard]] constexpr std::optional<std::int64_t> parse_integer(std::string_view digits) {
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
constexpr std::int64_t take_unit(std::string_view& word) {
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

[[nodiscard]] constexpr std::optional<Span> parse_duration(std::string_view word, std::int64_t least) {
  const std::int64_t milliseconds = take_unit(word);
  const std::optional<std::int64_t> number = parse_integer(word);
  constexpr auto kMost = std::chrono::floor<std::chrono::milliseconds>(kMaxSpan).count();
  if (!number || *number < least || *number > kMost / milliseconds) return std::nullopt;
  return Span{std::chrono::milliseconds{*number * milliseconds}};
}

}  // namespace detail

class Arguments {
 public:
  /// `words` are those of the whole call. Before the first argument stands the command's name, or nothing.
  constexpr explicit Arguments(std::span<const std::string_view> words, std::size_t first = 1)
      : words_(words), first_(first), next_(first) {}

  /// Whether no word is left, or a fault ended the reading.
  [[nodiscard]] constexpr bool at_end() const { return fault_ || next_ == words_.size(); }

  /// Takes the next word if it is `keyword`, which is in upper case, in any case.
  constexpr bool take(std::string_view keyword);
  /// Takes the name of one of these arguments, in any case, if one stands here. Its value comes next.
  constexpr std::optional<Argument> take_name(std::span<const Argument> arguments);
  /// Takes the keyword of one of these options, if one stands here. Its value, if it has one, comes next.
  constexpr const OptionRow* take(OptionSet options);

  /// The words that are left.
  [[nodiscard]] constexpr std::span<const std::string_view> rest() const { return words_.subspan(next_); }
  /// Passes over words that are known: there must be so many.
  constexpr void skip(std::size_t words) { next_ += words; }

  /// Whether the next word is an integer, of any size that integers of calls may have.
  [[nodiscard]] constexpr bool is_at_integer() const;

  /// Takes a word of any content.
  constexpr std::string_view text(Argument argument);
  /// Takes an integer, within the bounds of `argument`.
  constexpr std::int64_t integer(Argument argument);
  /// Takes an integer from 0 to `most`.
  constexpr std::int64_t integer(Argument argument, std::int64_t most);
  /// The same as a count of units.
  constexpr Units count(Argument argument) { return Units(integer(argument)); }
  /// Takes a duration from 1 ms to 3650 d, or 0 if `argument` may be none.
  constexpr Span duration(Argument argument);
  /// Takes bytes of a length within the bounds of `argument`.
  constexpr std::string_view bytes(Argument argument);
  /// Takes all words that are left, at least one and `most` at most, each of which is bytes as above.
  constexpr std::span<const std::string_view> all_bytes(Argument argument, std::size_t most);
  /// Takes the label of a limit.
  constexpr std::string_view label(Argument argument = Argument::label);
  /// Takes one of the words of `argument`, in any case, and returns its position among them.
  constexpr std::size_t choice(Argument argument);

  /// Notes a fault, unless there was one before.
  constexpr void fail(const Fault& fault);
  /// Notes that the next word is none of those that may stand here.
  constexpr void fail_here(OptionSet options);
  /// Notes to which limit the argument belongs that is missing, if one is.
  constexpr void note_limit(Algorithm limit);
  [[nodiscard]] constexpr const std::optional<Fault>& fault() const { return fault_; }

 private:
  constexpr std::optional<std::string_view> next(Argument argument);
  constexpr void require_size(std::string_view word, Argument argument);

  std::span<const std::string_view> words_;
  std::size_t first_;
  std::size_t next_;
  std::optional<Fault> fault_;
};

constexpr bool Arguments::take(std::string_view keyword) {
  if (at_end() || !detail::same_ignoring_case(words_[next_], keyword)) return false;
  ++next_;
  return true;
}

constexpr std::optional<Argument> Arguments::take_name(std::span<const Argument> arguments) {
  if (at_end()) return std::nullopt;
  for (const Argument argument : arguments) {
    if (!detail::same_in_any_case(words_[next_], row_of(argument).name)) continue;
    ++next_;
    return argument;
  }
  return std::nullopt;
}

constexpr const OptionRow* Arguments::take(OptionSet options) {
  if (at_end()) return nullptr;
  const std::string_view word = words_[next_];
  for (const Option option : options) {
    const OptionRow& row = row_of(option);
    if (!detail::same_ignoring_case(word, row.keyword)) continue;
    ++next_;
    if (!row.second_word.empty() && !take(row.second_word)) fail({Fault::Kind::incomplete_per_request});
    return &row;
  }
  return nullptr;
}

constexpr bool Arguments::is_at_integer() const {
  return !at_end() && detail::parse_integer(words_[next_]).has_value();
}

constexpr std::optional<std::string_view> Arguments::next(Argument argument) {
  if (fault_) return std::nullopt;
  if (next_ == words_.size()) {
    fail({Fault::Kind::missing, argument});
    return std::nullopt;
  }
  return words_[next_++];
}

constexpr std::string_view Arguments::text(Argument argument) { return next(argument).value_or(std::string_view{}); }

constexpr std::int64_t Arguments::integer(Argument argument) {
  const ArgumentRow& row = row_of(argument);
  const auto word = next(argument);
  if (!word) return row.least;
  const auto number = detail::parse_integer(*word);
  if (number && row.least <= *number && *number <= row.most) return *number;
  fail({Fault::Kind::malformed, argument});
  return row.least;
}

constexpr std::int64_t Arguments::integer(Argument argument, std::int64_t most) {
  const auto word = next(argument);
  if (!word) return 0;
  const auto number = detail::parse_integer(*word);
  if (number && *number <= most) return *number;
  fail({Fault::Kind::malformed, argument});
  return 0;
}

constexpr Span Arguments::duration(Argument argument) {
  const auto word = next(argument);
  if (!word) return kMinSpan;
  if (const auto span = detail::parse_duration(*word, row_of(argument).least)) return *span;
  fail({Fault::Kind::malformed, argument});
  return kMinSpan;
}

constexpr std::string_view Arguments::bytes(Argument argument) {
  const auto word = next(argument);
  if (!word) return {};
  require_size(*word, argument);
  return *word;
}

constexpr void Arguments::require_size(std::string_view word, Argument argument) {
  const ArgumentRow& row = row_of(argument);
  const auto size = static_cast<std::int64_t>(word.size());
  if (size < row.least || size > row.most) fail({Fault::Kind::malformed, argument});
}

constexpr std::span<const std::string_view> Arguments::all_bytes(Argument argument, std::size_t most) {
  const std::span<const std::string_view> all = rest();
  if (fault_) return {};
  if (all.empty()) fail({Fault::Kind::missing, argument});
  if (all.size() > most) fail({Fault::Kind::too_many_arguments});
  for (const std::string_view word : all) require_size(word, argument);
  next_ = words_.size();
  return all;
}

constexpr std::string_view Arguments::label(Argument argument) {
  const auto word = next(argument);
  if (word && !is_valid_label(*word)) fail({Fault::Kind::malformed, argument});
  return word.value_or(std::string_view{});
}

constexpr std::size_t Arguments::choice(Argument argument) {
  const std::span<const std::string_view> choices = row_of(argument).choices;
  const auto word = next(argument);
  if (!word) return 0;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (detail::same_in_any_case(*word, choices[i])) return i;
  }
  fail({Fault::Kind::malformed, argument});
  return 0;
}

constexpr void Arguments::fail(const Fault& fault) {
  if (!fault_) fault_ = fault;
}

constexpr void Arguments::fail_here(OptionSet options) {
  const bool may_lack_key = first_ == 1 && next_ == 2 && options.has(Option::limit);
  if (may_lack_key && detail::is_keyword_of_limit(words_[1])) return fail({Fault::Kind::no_key, Argument::key});
  fail({Fault::Kind::unknown_option, Argument::none, static_cast<std::uint16_t>(next_ - first_ + 1), options});
}

constexpr void Arguments::note_limit(Algorithm limit) {
  if (fault_ && fault_->kind == Fault::Kind::missing) fault_->limit = limit;
}

}  // namespace ratelimit

#endif  // RATELIMIT_GRAMMAR_ARGUMENTS_H
