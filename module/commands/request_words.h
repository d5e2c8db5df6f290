// SPDX-License-Identifier: MIT
// The words of a call that stand in fixed order, and its options, as the forms of commands name them. For the parsers.
#ifndef RATELIMIT_MODULE_COMMANDS_REQUEST_WORDS_H
#define RATELIMIT_MODULE_COMMANDS_REQUEST_WORDS_H

#include <cstddef>
#include <string_view>
#include <type_traits>
#include <utility>

#include "commands/forms.h"
#include "ratelimit/grammar/arguments.h"
#include "ratelimit/grammar/fault.h"
#include "ratelimit/grammar/grammar.h"
#include "ratelimit/units.h"

namespace ratelimit {

/// Takes one word into a value of the type that its argument has.
template <Argument kArgument, class Value>
void take_word(Arguments& arguments, Value& value) {
  constexpr ArgumentKind kKind = row_of(kArgument).kind;
  if constexpr (std::is_same_v<Value, Span>) {
    static_assert(kKind == ArgumentKind::duration);
    value = arguments.duration(kArgument);
  } else if constexpr (std::is_same_v<Value, std::string_view>) {
    static_assert(kKind == ArgumentKind::bytes || kKind == ArgumentKind::key);
    value = kKind == ArgumentKind::key ? arguments.text(kArgument) : arguments.bytes(kArgument);
  } else {
    static_assert(kKind == ArgumentKind::integer);
    value = static_cast<Value>(arguments.integer(kArgument));
  }
}

/// Takes the key, and each word that follows it in the form into one of the values.
template <const Form& kForm, class... Values>
void take_words(Arguments& arguments, Values&... values) {
  static_assert(!kForm.has_many_keys() && kForm.words.size() == 1 + sizeof...(Values), "a value for each word");
  arguments.text(kForm.words[0]);
  [&]<std::size_t... I>(std::index_sequence<I...>) { (take_word<kForm.words[1 + I]>(arguments, values), ...); }
  (std::index_sequence_for<Values...>{});
}

/// Takes the word that may be left out, if it is there; nothing may follow it.
template <const Form& kForm, class Value>
void take_last_word(Arguments& arguments, Value& value) {
  if (!arguments.at_end()) take_word<kForm.last>(arguments, value);
  if (!arguments.at_end()) arguments.fail({Fault::Kind::nothing_more, kForm.last});
}

/// The fault of an option that was given before, or that excludes one that was.
[[nodiscard]] inline Fault fault_of_second(const OptionRow& row, OptionSet given) {
  if (!given.has(row.option)) return {Fault::Kind::not_together, row.one_of};
  const bool is_word = row_of(row.argument).kind == ArgumentKind::alternatives;
  return {Fault::Kind::repeated, row.argument, 0, is_word ? OptionSet{row.option} : OptionSet{}};
}

/// Notes that an option is given, and a fault if it was given before, or one that excludes it.
inline void note_option(Arguments& arguments, const OptionRow& row, OptionSet& given) {
  if (given.has_any_of(excluded_by(row.option)) && !row.may_repeat) arguments.fail(fault_of_second(row, given));
  given.add(row.option);
}

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_COMMANDS_REQUEST_WORDS_H
