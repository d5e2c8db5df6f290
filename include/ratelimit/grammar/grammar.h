// SPDX-License-Identifier: MIT
// The grammar of all commands, in one description: arguments (argument_row.h), options and algorithms (here), and the
// form of each command (forms.h).
//
// From these rows are made: what the parser takes (arguments.h, limit_reader.h, requests.h), COMMAND DOCS
// (argument_docs.h), the syntax on the pages in docs/commands (syntax.h), the texts of errors (errors.h) and the way a
// limit is written back (limit_text.h). Knows no server.
//
// A call is a few words in a fixed order, the key among them, and then options in any order. What begins a limit, such
// as FIXED, is an option too. An option of a limit belongs to the limit before it.
#ifndef RATELIMIT_GRAMMAR_GRAMMAR_H
#define RATELIMIT_GRAMMAR_GRAMMAR_H

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/any_algorithm.h"
#include "ratelimit/grammar/argument_row.h"

namespace ratelimit {

// --- options ----------------------------------------------------------------------------------------

/// What may follow the words of fixed order. Each has a row in kOptions. Documents name them in this order.
enum class Option : std::uint8_t {
  limit,  ///< an algorithm with its numbers
  aligned,
  approximate,
  anchor,
  zone,
  label,
  per_request,
  subject,
  cost,
  costs,
  charge,
  partial,
  force,
  max_wait,
  id,
  each,
  jitter,
  headers,
  brief,
  shadow,
  near,
  subjects,  ///< one or more, which end the call
  pattern,
  scanned,
};
inline constexpr std::size_t kOptionCount = static_cast<std::size_t>(Option::scanned) + 1;

/// Some options. As a range, in the order of documents.
class OptionSet {
 public:
  class Iterator {
   public:
    constexpr explicit Iterator(std::uint32_t bits) : bits_(bits) {}
    constexpr Option operator*() const { return static_cast<Option>(std::countr_zero(bits_)); }
    constexpr Iterator& operator++() {
      bits_ &= bits_ - 1;
      return *this;
    }
    friend constexpr bool operator==(Iterator, Iterator) = default;

   private:
    std::uint32_t bits_;
  };

  constexpr OptionSet() = default;
  constexpr OptionSet(std::initializer_list<Option> options) {
    for (const Option option : options) bits_ |= bit(option);
  }

  [[nodiscard]] constexpr bool has(Option option) const { return (bits_ & bit(option)) != 0; }
  [[nodiscard]] constexpr bool has_any_of(OptionSet others) const { return (bits_ & others.bits_) != 0; }
  [[nodiscard]] constexpr OptionSet without(OptionSet others) const { return OptionSet(bits_ & ~others.bits_); }
  constexpr void add(Option option) { bits_ |= bit(option); }
  [[nodiscard]] constexpr Iterator begin() const { return Iterator(bits_); }
  [[nodiscard]] static constexpr Iterator end() { return Iterator(0); }

  friend constexpr OptionSet operator|(OptionSet a, OptionSet b) { return OptionSet(a.bits_ | b.bits_); }
  friend constexpr bool operator==(OptionSet, OptionSet) = default;

 private:
  constexpr explicit OptionSet(std::uint32_t bits) : bits_(bits) {}
  static constexpr std::uint32_t bit(Option option) { return 1U << static_cast<unsigned>(option); }

  std::uint32_t bits_ = 0;
};
static_assert(kOptionCount <= 32);

struct OptionRow {
  Option option;
  std::string_view keyword{};        ///< in upper case; none for a limit, which begins with that of its algorithm
  std::string_view second_word{};    ///< of a keyword that has two
  Argument argument;                 ///< its value. Of an option without a value, what errors are about
  Argument one_of = Argument::none;  ///< a call has one of the options with the same `one_of`
  bool errors_name_value = false;    ///< errors name the value, and not the keyword
  Argument second = Argument::none;  ///< of an option with two values
  bool may_repeat = false;           ///< a call may have the option several times
  bool is_for_each_key = false;      ///< where there are several keys, a value for each follows the keyword
  bool ends_call = false;            ///< must be given, with one or more values, behind which nothing comes
};

inline constexpr std::array<OptionRow, kOptionCount> kOptions{{
    {.option = Option::limit, .argument = Argument::limits, .errors_name_value = true},
    {.option = Option::aligned, .keyword = "ALIGNED", .argument = Argument::aligned},
    {.option = Option::approximate, .keyword = "APPROX", .argument = Argument::approximate},
    {.option = Option::anchor, .keyword = "ANCHOR", .argument = Argument::anchor},
    {.option = Option::zone, .keyword = "TZ", .argument = Argument::zone},
    {.option = Option::label, .keyword = "AS", .argument = Argument::label, .errors_name_value = true},
    {.option = Option::per_request, .keyword = "PER", .second_word = "REQUEST", .argument = Argument::per_request},
    {.option = Option::subject, .keyword = "FOR", .argument = Argument::subject, .is_for_each_key = true},
    {.option = Option::cost, .keyword = "COST", .argument = Argument::cost, .one_of = Argument::any_cost},
    {.option = Option::costs,
     .keyword = "COSTS",
     .argument = Argument::costs,
     .one_of = Argument::any_cost,
     .is_for_each_key = true},
    {.option = Option::charge,
     .keyword = "CHARGE",
     .argument = Argument::charged_label,
     .second = Argument::charged_cost,
     .may_repeat = true},
    {.option = Option::partial, .keyword = "PARTIAL", .argument = Argument::mode, .one_of = Argument::mode},
    {.option = Option::force, .keyword = "FORCE", .argument = Argument::mode, .one_of = Argument::mode},
    {.option = Option::max_wait, .keyword = "MAXWAIT", .argument = Argument::longest_wait, .one_of = Argument::mode},
    {.option = Option::id, .keyword = "ID", .argument = Argument::id, .errors_name_value = true},
    {.option = Option::each, .keyword = "EACH", .argument = Argument::each},
    {.option = Option::jitter, .keyword = "JITTER", .argument = Argument::jitter},
    {.option = Option::headers, .keyword = "HEADERS", .argument = Argument::headers, .one_of = Argument::reply_form},
    {.option = Option::brief, .keyword = "BRIEF", .argument = Argument::brief, .one_of = Argument::reply_form},
    {.option = Option::shadow, .keyword = "SHADOW", .argument = Argument::shadow},
    {.option = Option::near, .keyword = "NEAR", .argument = Argument::near},
    {.option = Option::subjects, .keyword = "FOR", .argument = Argument::subject, .ends_call = true},
    {.option = Option::pattern, .keyword = "MATCH", .argument = Argument::pattern},
    {.option = Option::scanned, .keyword = "COUNT", .argument = Argument::scanned},
}};

[[nodiscard]] constexpr const OptionRow& row_of(Option option) { return kOptions[static_cast<std::size_t>(option)]; }
static_assert(std::all_of(kOptions.begin(), kOptions.end(),
                          [](const OptionRow& row) { return &row == &row_of(row.option); }),
              "each option has a row, at its place");

/// Whether a value follows the keyword.
[[nodiscard]] constexpr bool has_value(const OptionRow& row) {
  const ArgumentKind kind = row_of(row.argument).kind;
  return kind != ArgumentKind::flag && kind != ArgumentKind::alternatives;
}

/// The options that a call cannot have beside each one: itself, and those of which there can be only one.
inline constexpr auto kExclusions = [] {
  std::array<OptionSet, kOptionCount> all;
  for (const OptionRow& row : kOptions) {
    OptionSet& excluded = all[static_cast<std::size_t>(row.option)];
    excluded.add(row.option);
    for (const OptionRow& other : kOptions) {
      if (row.one_of != Argument::none && row.one_of == other.one_of) excluded.add(other.option);
    }
  }
  return all;
}();
[[nodiscard]] constexpr OptionSet excluded_by(Option option) { return kExclusions[static_cast<std::size_t>(option)]; }

// --- limits -----------------------------------------------------------------------------------------

/// What follows the keyword of an algorithm: its numbers in this order, and its own options. The command that is named
/// after the algorithm, such as RL.FIXED, is made from the same row.
struct AlgorithmRow {
  Algorithm algorithm;  ///< whose `keyword` it is. An option may make it another one, as APPROX does
  Argument size;
  Argument rate = Argument::none;
  Argument span;  ///< a duration, or a unit of the calendar
  OptionSet options{};
  const char* example;  ///< of its numbers
  const char* summary;  ///< of the command
  const char* complexity = "O(1)";
};

inline constexpr std::array kAlgorithms{
    AlgorithmRow{.algorithm = Algorithm::token_bucket,
                 .size = Argument::capacity,
                 .rate = Argument::refill,
                 .span = Argument::period,
                 .example = "20 10 1s",
                 .summary = "Decides a call under a bucket that refills continuously"},
    AlgorithmRow{.algorithm = Algorithm::leaky_bucket,
                 .size = Argument::capacity,
                 .rate = Argument::leak,
                 .span = Argument::period,
                 .example = "20 10 1s",
                 .summary = "Queues a call, and tells how long to wait for its turn"},
    AlgorithmRow{.algorithm = Algorithm::fixed_window,
                 .size = Argument::window_limit,
                 .span = Argument::window,
                 .options = {Option::aligned},
                 .example = "100 1m",
                 .summary = "Decides a call under a limit per window of fixed length"},
    AlgorithmRow{.algorithm = Algorithm::sliding_window_log,
                 .size = Argument::limit,
                 .span = Argument::window,
                 .options = {Option::approximate},
                 .example = "100 1m",
                 .summary = "Decides a call under a limit that holds for any window of the given length",
                 .complexity = "O(log M), with M the number of grants in the window"},
    AlgorithmRow{.algorithm = Algorithm::quota,
                 .size = Argument::window_limit,
                 .span = Argument::unit,
                 .options = {Option::anchor, Option::zone},
                 .example = "1000 DAY",
                 .summary = "Decides a call under a limit per hour, day, week, month, quarter or year of the calendar"},
    AlgorithmRow{
        .algorithm = Algorithm::concurrent,
        .size = Argument::limit,
        .span = Argument::lease,
        .example = "10 30s",
        .summary = "Takes a lease, if not too many are taken",
        .complexity = "O(log M), with M the number of leases; a scan of those that ended since the last grant"},
};

/// The options of a limit of any algorithm, and all options of limits.
inline constexpr OptionSet kAnyLimitOptions{Option::label, Option::per_request};
inline constexpr OptionSet kLimitOptions = [] {
  OptionSet all = kAnyLimitOptions;
  for (const AlgorithmRow& row : kAlgorithms) all = all | row.options;
  return all;
}();

/// Where the row of each algorithm stands, by the algorithm's number.
inline constexpr auto kPlaces = [] {
  std::array<std::uint8_t, 16> places{};
  for (std::size_t number = 1; number < places.size(); ++number) {
    for (std::size_t i = 0; i < kAlgorithms.size(); ++i) {
      const bool is_it = keyword(kAlgorithms[i].algorithm) == keyword(static_cast<Algorithm>(number));
      if (is_it) places[number] = static_cast<std::uint8_t>(i);
    }
  }
  return places;
}();

static_assert(
    [] {
      for (std::size_t number = 1; number < kPlaces.size(); ++number) {
        const std::string_view word = keyword(static_cast<Algorithm>(number));
        if (!word.empty() && keyword(kAlgorithms[kPlaces[number]].algorithm) != word) return false;
      }
      return true;
    }(),
    "each algorithm of ratelimit/any_algorithm.h has a row in kAlgorithms");

/// The row of an algorithm. SLIDING has one row, with and without APPROX.
[[nodiscard]] constexpr const AlgorithmRow& row_of(Algorithm algorithm) {
  return kAlgorithms[kPlaces[static_cast<std::size_t>(algorithm)]];
}

}  // namespace ratelimit

#endif  // RATELIMIT_GRAMMAR_GRAMMAR_H
