// SPDX-License-Identifier: MIT
// Reads the words of a call: one cursor, whose first fault sticks. Knows no server.
//
// A parser built on it takes what must come, in order, and asks once at the end whether all was well. After a fault
// every further taking does nothing and returns some harmless value. What an argument must be is in its row of
// kArguments.
#ifndef RATELIMIT_MODULE_COMMANDS_ARGUMENTS_H
#define RATELIMIT_MODULE_COMMANDS_ARGUMENTS_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "commands/errors.h"
#include "commands/grammar.h"
#include "ratelimit/units.h"

namespace ratelimit {

class Arguments {
 public:
  /// `words` are those of the whole call, the command's name first.
  explicit Arguments(std::span<const std::string_view> words) : words_(words) {}

  /// Whether no word is left, or a fault ended the reading.
  [[nodiscard]] bool at_end() const { return fault_ || next_ == words_.size(); }

  /// Takes the next word if it is `keyword`, which is in upper case, in any case.
  bool take(std::string_view keyword);
  /// Takes the keyword of one of these options, if one stands here. Its value, if it has one, comes next.
  const OptionRow* take(OptionSet options);

  /// The words that are left.
  [[nodiscard]] std::span<const std::string_view> rest() const { return words_.subspan(next_); }
  /// Passes over words that are known: there must be so many.
  void skip(std::size_t words) { next_ += words; }

  /// Whether the next word is an integer, of any size that integers of calls may have.
  [[nodiscard]] bool is_at_integer() const;

  /// Takes a word of any content.
  std::string_view text(Argument argument);
  /// Takes an integer, within the bounds of `argument`.
  std::int64_t integer(Argument argument);
  /// Takes an integer from 0 to `most`.
  std::int64_t integer(Argument argument, std::int64_t most);
  /// The same as a count of units.
  Units count(Argument argument) { return Units(integer(argument)); }
  /// Takes a duration from 1 ms to 3650 d, or 0 if `argument` may be none.
  Span duration(Argument argument);
  /// Takes bytes of a length within the bounds of `argument`.
  std::string_view bytes(Argument argument);
  /// Takes all words that are left, at least one and `most` at most, each of which is bytes as above.
  std::span<const std::string_view> all_bytes(Argument argument, std::size_t most);
  /// Takes the label of a limit.
  std::string_view label(Argument argument = Argument::label);
  /// Takes one of the words of `argument`, in any case, and returns its position among them.
  std::size_t choice(Argument argument);

  /// Notes a fault, unless there was one before.
  void fail(const Fault& fault);
  /// Notes that the next word is none of those that may stand here.
  void fail_here(OptionSet options);
  [[nodiscard]] const std::optional<Fault>& fault() const { return fault_; }

 private:
  std::optional<std::string_view> next(Argument argument);
  void require_size(std::string_view word, Argument argument);

  std::span<const std::string_view> words_;
  std::size_t next_ = 1;
  std::optional<Fault> fault_;
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_COMMANDS_ARGUMENTS_H
