// SPDX-License-Identifier: MIT
// The texts of errors: one function makes them all.
//
// A text names the argument and what would be right, and never repeats what the client sent. The names of arguments and
// what they must be are in their rows (grammar.h).
#ifndef RATELIMIT_GRAMMAR_ERROR_TEXT_H
#define RATELIMIT_GRAMMAR_ERROR_TEXT_H

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/any_algorithm.h"
#include "ratelimit/grammar/argument_row.h"
#include "ratelimit/grammar/fault.h"
#include "ratelimit/grammar/grammar.h"
#include "ratelimit/units.h"

namespace ratelimit {
namespace detail {

/// `a, b or c`, with another word for "or".
template <class Words>
[[nodiscard]] std::string listed(const Words& words, std::string_view last_separator) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text.append(i + 1 == words.size() ? last_separator : ", ");
    text.append(words[i]);
  }
  return text;
}

[[nodiscard]] inline std::string keyword_of(const OptionRow& row) {
  std::string text(row.keyword);
  if (!row.second_word.empty()) text.append(" ").append(row.second_word);
  return text;
}

/// The keywords of the options of which a call has one.
[[nodiscard]] inline std::vector<std::string> keywords_of(Argument one_of) {
  std::vector<std::string> keywords;
  for (const OptionRow& row : kOptions) {
    if (row.one_of == one_of) keywords.push_back(keyword_of(row));
  }
  return keywords;
}

/// What an error calls an argument.
[[nodiscard]] inline std::string name_of(Argument argument) {
  if (row_of(argument).kind == ArgumentKind::alternatives) return listed(keywords_of(argument), " or ");
  for (const OptionRow& row : kOptions) {
    if ((row.argument == argument && !row.errors_name_value) ||
        (row.second == argument && row.second != Argument::none))
      return keyword_of(row);
  }
  return row_of(argument).name;
}

[[nodiscard]] inline std::string range_of(const ArgumentRow& row, std::string_view separator) {
  return std::to_string(row.least).append(separator).append(std::to_string(row.most));
}

/// A limit, by the keywords that begin one.
[[nodiscard]] inline std::string any_limit() {
  std::vector<std::string_view> keywords;
  keywords.reserve(kAlgorithms.size());
  for (const AlgorithmRow& row : kAlgorithms) keywords.push_back(keyword(row.algorithm));
  return "a limit (" + listed(keywords, " or ") + " and its numbers)";
}

[[nodiscard]] inline std::string text_of(Option option) {
  const OptionRow& row = row_of(option);
  if (option == Option::limit) return any_limit();
  std::string text = keyword_of(row);
  if (has_value(row)) text.append(" ").append(row_of(row.argument).name);
  if (row.second != Argument::none) text.append(" ").append(row_of(row.second).name);
  return text;
}

/// An option of a limit, with its algorithm if it is not one of all algorithms.
[[nodiscard]] inline std::string text_with_owner(Option option) {
  for (const AlgorithmRow& row : kAlgorithms) {
    if (row.options.has(option)) return text_of(option).append(" (").append(keyword(row.algorithm)).append(")");
  }
  return text_of(option);
}

/// What may stand where an unknown word does, to follow "expected".
[[nodiscard]] inline std::string expected(OptionSet options) {
  std::vector<std::string> texts;
  for (const Option option : options) texts.push_back(text_of(option));
  if (!options.has(Option::limit)) return listed(texts, " or ");
  std::vector<std::string> of_limits;
  for (const Option option : kLimitOptions) of_limits.push_back(text_with_owner(option));
  return listed(texts, ", ") + "; after a limit: " + listed(of_limits, ", ");
}

[[nodiscard]] inline std::vector<std::string_view> names_of_settings() {
  std::vector<std::string_view> names;
  names.reserve(kSettings.size());
  for (const Argument setting : kSettings) names.emplace_back(row_of(setting).name);
  return names;
}

/// What a call must know that one integer does not say, after what asks for it.
[[nodiscard]] inline std::string reason_against_brief(Argument argument) {
  switch (argument) {
    case Argument::mode: return "PARTIAL: the reply must say how many units were granted";
    case Argument::longest_wait: return "MAXWAIT: the reply must say how long a granted call waits";
    case Argument::leak: return "LEAKYBUCKET: the reply must say how long a granted call waits";
    default: return "CONCURRENT without ID: the reply must have the id of the lease";
  }
}

}  // namespace detail

/// What an argument must be, to follow "must be". Of a flag, "given".
[[nodiscard]] inline std::string requirement_of(Argument argument) {
  const ArgumentRow& row = row_of(argument);
  std::string what = row.requirement != nullptr ? row.requirement : "";
  switch (row.kind) {
    case ArgumentKind::key:
    case ArgumentKind::text: return what;
    case ArgumentKind::integer: return what + " from " + detail::range_of(row, " to ");
    case ArgumentKind::duration:
      return std::string(row.least == 0 ? "0 or " : "") +
             "a duration from 1ms to 3650d, such as 500ms, 10s, 1m, 2h or 1d; without a unit, seconds";
    case ArgumentKind::bytes: return what + (what.empty() ? "" : ", of ") + detail::range_of(row, " to ") + " bytes";
    case ArgumentKind::label:
      return "1 to " + std::to_string(kMaxLabelBytes) + " visible ASCII characters other than \" and \\";
    case ArgumentKind::choice: return detail::listed(row.choices, " or ");
    case ArgumentKind::flag:
    case ArgumentKind::alternatives: return "given";
  }
  return "given";
}
static_assert(kMinSpan == std::chrono::milliseconds{1} && kMaxSpan == std::chrono::days{3650}, "as the text says");

/// How a limit is written: `TOKENBUCKET capacity refill period`.
[[nodiscard]] inline std::string form_of(const AlgorithmRow& row) {
  std::string text(keyword(row.algorithm));
  text.append(" ").append(row_of(row.size).name);
  if (row.rate != Argument::none) text.append(" ").append(row_of(row.rate).name);
  return text.append(" ").append(row_of(row.span).name);
}

/// A limit as it may be written: `TOKENBUCKET 20 10 1s`.
[[nodiscard]] inline std::string example_of(const AlgorithmRow& row) {
  return std::string(keyword(row.algorithm)) + ' ' + row.example;
}

namespace detail {

/// What to write where the call ends too early. A key can only be missing behind the number of keys: the server itself
/// refuses a call without any.
[[nodiscard]] inline std::string text_of_missing(const Fault& fault) {
  if (row_of(fault.argument).kind == ArgumentKind::key) {
    return "key is missing: as many keys as numkeys says must follow it, such as 2 user:42 team:7";
  }
  std::string text = name_of(fault.argument) + " is missing: it must be " + requirement_of(fault.argument);
  if (!fault.limit) return text;
  const AlgorithmRow& row = row_of(*fault.limit);
  return text + "; write " + form_of(row) + ", such as " + example_of(row);
}

}  // namespace detail

/// The reply for a fault: an error code, a space and a sentence.
[[nodiscard]] inline std::string message(const Fault& fault) {
  const std::string name = detail::name_of(fault.argument);
  switch (fault.kind) {
    case Fault::Kind::missing: return "ERR " + detail::text_of_missing(fault);
    case Fault::Kind::no_key:
      return "ERR key is missing: it comes first, and then the limits, such as user:42 " + example_of(kAlgorithms[0]);
    case Fault::Kind::malformed: return "ERR " + name + " must be " + requirement_of(fault.argument);
    case Fault::Kind::repeated:
      return "ERR " + (fault.options == OptionSet{} ? name : detail::text_of(*fault.options.begin())) +
             " is given twice";
    case Fault::Kind::refills_too_slowly:
      return "ERR " + name + " must be large enough for the bucket to " +
             (fault.argument == Argument::leak ? "run empty" : "refill from empty") + " within 3650d";
    case Fault::Kind::repeated_label: return "ERR label must be different for each limit of a call";
    case Fault::Kind::too_many_limits: return "ERR limits must be at most " + std::to_string(kMaxLimits);
    case Fault::Kind::too_many_arguments: return "ERR too many arguments";
    case Fault::Kind::nothing_more: return "ERR " + name + " must be the last argument";
    case Fault::Kind::unknown_option:
      return "ERR syntax error at argument " + std::to_string(fault.position) + ": expected " +
             detail::expected(fault.options);
    case Fault::Kind::not_together:
      return "ERR only one of " + detail::listed(detail::keywords_of(fault.argument), " and ") + " can be given";
    case Fault::Kind::unknown_label: return "ERR " + name + " must name the label of one of the limits";
    case Fault::Kind::charged_twice: return "ERR " + name + " is given twice for the same label";
    case Fault::Kind::not_with_charge:
      return "ERR PARTIAL cannot be given with " + name + ": the reply has one number for what was granted";
    case Fault::Kind::not_for_each:
      return "ERR RL.CHECKEACH cannot decide under " +
             std::string(fault.argument == Argument::leak
                             ? "LEAKYBUCKET: an answer must say how long a granted call waits"
                             : "CONCURRENT: an answer must have the id of the lease");
    case Fault::Kind::not_with_brief:
      return "ERR BRIEF cannot be given with " + detail::reason_against_brief(fault.argument);
    case Fault::Kind::incomplete_per_request: return "ERR PER must be followed by REQUEST";
    case Fault::Kind::no_limits:
      return "NOLIMITS this call names no limits and the key stores none: name one, such as TOKENBUCKET 20 10 1s, or "
             "store it with RL.DEFINE";
    case Fault::Kind::settled:
      return "ERR " + name + " is that of a settled reservation: use another one until its ttl has ended";
    case Fault::Kind::other_limits: return "ERR the key stores other limits: name none, or change them with RL.DEFINE";
    case Fault::Kind::stores_none:
      return "NOLIMITS the key stores no limits to which there could be an exception: store them with RL.DEFINE first";
    case Fault::Kind::other_labels: return "ERR the limits of an exception must have the labels of those in the key";
    case Fault::Kind::too_many_exceptions:
      return "ERR a key has " + std::to_string(kMaxExceptions) + " exceptions at most";
    case Fault::Kind::not_with_subject: return "ERR SHADOW cannot be given with FOR: a key is on trial as a whole";
    case Fault::Kind::too_many_changes:
      return "TRYAGAIN the limits of this key have changed " + std::to_string(kMaxPendingChanges) +
             " times, and not all subjects have them yet: try again a little later";
    case Fault::Kind::not_one_for_each_key: return "ERR " + name + " must be given once for each key, or not at all";
    case Fault::Kind::repeated_subject:
      return "ERR the same key and subject is given twice: give all its limits to one call of RL.CHECK instead";
    case Fault::Kind::used_in_both:
      return "ERR the subject is in use in both keys, and in from it has holds, leases or a caller who waits: settle, "
             "release or wait first, or forget it in to with RL.RESET";
    case Fault::Kind::invalid_cursor: return "ERR invalid cursor: it must be " + requirement_of(fault.argument);
    case Fault::Kind::wrong_type: return "WRONGTYPE Operation against a key holding the wrong kind of value";
    case Fault::Kind::internal_only: return "ERR this command is for replication and for loading files only";
    case Fault::Kind::unknown_module_argument:
      return "ERR the arguments of the module are " + detail::listed(detail::names_of_settings(), ", ") +
             ", each with a value, and DEBUG";
  }
  return "ERR";
}

/// The sentence alone, for programs that know no error codes.
[[nodiscard]] inline std::string sentence(const Fault& fault) {
  const std::string text = message(fault);
  return text.substr(text.find(' ') + 1);
}

}  // namespace ratelimit

#endif  // RATELIMIT_GRAMMAR_ERROR_TEXT_H
