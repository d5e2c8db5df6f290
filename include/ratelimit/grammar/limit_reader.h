// SPDX-License-Identifier: MIT
// Reads limits, as users write them: `FIXED 100 1m ALIGNED AS minute`. Knows no server: whoever reads brings the time
// zones, and the list that takes the limits.
#ifndef RATELIMIT_GRAMMAR_LIMIT_READER_H
#define RATELIMIT_GRAMMAR_LIMIT_READER_H

#include <optional>
#include <string_view>

#include "ratelimit/algorithms/anchor.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/algorithms/token_bucket.h"
#include "ratelimit/algorithms/zone.h"
#include "ratelimit/any_algorithm.h"
#include "ratelimit/grammar/argument_row.h"
#include "ratelimit/grammar/arguments.h"
#include "ratelimit/grammar/fault.h"
#include "ratelimit/grammar/grammar.h"

namespace ratelimit {
namespace detail {

/// Reads what follows the keyword of an algorithm.
constexpr void read_numbers(Arguments& arguments, const AlgorithmRow& row, LimitSpec& spec) {
  const bool was_well = !arguments.fault();
  spec.algorithm = row.algorithm;
  spec.size = arguments.count(row.size);
  if (row.rate != Argument::none) spec.refill = arguments.count(row.rate);
  if (row.span == Argument::unit) {
    spec.unit = kCalendarUnits[arguments.choice(row.span)];
  } else {
    spec.span = arguments.duration(row.span);
  }
  if (was_well) arguments.note_limit(row.algorithm);
  const bool is_too_slow = is_bucket(spec.algorithm) && !arguments.fault() &&
                           !TokenBucket::refills_in_time(spec.size, spec.refill, spec.span);
  if (is_too_slow) arguments.fail({Fault::Kind::refills_too_slowly, row.rate});
}

constexpr void read_anchor(Arguments& arguments, LimitSpec& spec) {
  const std::string_view date = arguments.text(Argument::anchor);
  if (arguments.fault()) return;
  const std::optional<Anchor> anchor = parse_anchor(date);
  if (!anchor) return arguments.fail({Fault::Kind::malformed, Argument::anchor});
  spec.anchor = *anchor;
}

/// UTC is what a quota has that names no zone.
template <class FindZone>
constexpr void read_zone(Arguments& arguments, const FindZone& find_zone, LimitSpec& spec) {
  const std::string_view name = arguments.text(Argument::zone);
  if (arguments.fault() || is_utc(name)) return;
  spec.rules = find_zone(name);
  if (spec.rules == nullptr) return arguments.fail({Fault::Kind::malformed, Argument::zone});
  spec.zone = name;
}

/// Reads what follows the keyword of an option of a limit, if anything does.
template <class FindZone>
constexpr void read_option_of_limit(Arguments& arguments, const FindZone& find_zone, Option option, LimitSpec& spec) {
  switch (option) {
    case Option::aligned: spec.aligned = true; return;
    case Option::approximate: spec.algorithm = Algorithm::sliding_window_counter; return;
    case Option::anchor: return read_anchor(arguments, spec);
    case Option::zone: return read_zone(arguments, find_zone, spec);
    case Option::label: spec.label = arguments.label(); return;
    case Option::per_request: spec.per_request = true; return;
    default: return;  // not among kLimitOptions
  }
}

}  // namespace detail

/// The options that the last of some limits may have, and those that it was given.
struct LimitOptions {
  OptionSet possible;
  OptionSet given;
};

/// Reads limits one after the other, and the options behind each, into a list with `push_back`, `back` and `full`.
/// `find_zone(name)` is the rules of a time zone, or null if there is none of that name; it is not asked about UTC.
/// Labels and zones are borrowed from the words.
template <class List, class FindZone>
class LimitReader {
 public:
  constexpr LimitReader(Arguments& arguments, List& limits, const FindZone& find_zone)
      : arguments_(arguments), limits_(limits), find_zone_(find_zone) {}

  /// Takes the numbers of a limit of this algorithm, whose options may come next.
  constexpr void take_numbers(const AlgorithmRow& row) {
    detail::read_numbers(arguments_, row, limits_.push_back({}));
    options_ = {.possible = row.options | kAnyLimitOptions, .given = {}};
  }

  /// Takes a limit with its numbers, if one stands here. If the list is full, that is the fault `too_many`.
  constexpr bool take_limit(const Fault& too_many) {
    const AlgorithmRow* row = take_algorithm();
    if (row == nullptr) return false;
    if (limits_.full()) {
      arguments_.fail(too_many);
    } else {
      take_numbers(*row);
    }
    return true;
  }

  /// Takes an option of the limit that was read last, if one stands here. False as long as none was read.
  constexpr bool take_option() {
    if (options_.possible == OptionSet{}) return false;
    const OptionRow* row = arguments_.take(options_.possible);
    if (row == nullptr) return false;
    if (options_.given.has(row->option)) arguments_.fail({Fault::Kind::repeated, row->argument});
    options_.given.add(row->option);
    detail::read_option_of_limit(arguments_, find_zone_, row->option, limits_.back());
    return true;
  }

  /// Those of the last limit. Who remembers them with the limits can go on behind these without reading them again.
  [[nodiscard]] constexpr const LimitOptions& options() const { return options_; }
  constexpr void go_on_behind(const LimitOptions& options) { options_ = options; }

 private:
  constexpr const AlgorithmRow* take_algorithm() {
    for (const AlgorithmRow& row : kAlgorithms) {
      if (arguments_.take(keyword(row.algorithm))) return &row;
    }
    return nullptr;
  }

  Arguments& arguments_;
  List& limits_;
  const FindZone& find_zone_;
  LimitOptions options_;
};

}  // namespace ratelimit

#endif  // RATELIMIT_GRAMMAR_LIMIT_READER_H
