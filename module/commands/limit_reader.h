// SPDX-License-Identifier: MIT
// Reads limits, as users write them: `FIXED 100 1m ALIGNED AS minute`. Knows no server: whoever reads brings the time
// zones.
#ifndef RATELIMIT_MODULE_COMMANDS_LIMIT_READER_H
#define RATELIMIT_MODULE_COMMANDS_LIMIT_READER_H

#include <cstddef>
#include <string_view>

#include "commands/arguments.h"
#include "commands/call_limits.h"
#include "commands/grammar.h"
#include "commands/known_limits.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/algorithms/zone.h"
#include "ratelimit/bounded_list.h"

namespace ratelimit {

/// Where time zones come from.
struct ZoneFinder {
  bool (*is_utc)(std::string_view name);       ///< such a zone needs no rules
  const Zone* (*find)(std::string_view name);  ///< null if there is none of that name
};

/// Reads limits one after the other, and the options behind each.
///
/// A call whose limits stand together is read in three steps: `take_known`, and only if that fails the words, then
/// `remember`. Options may follow in either case.
class LimitReader {
 public:
  LimitReader(Arguments& arguments, const ZoneFinder& zones) : arguments_(arguments), zones_(zones) {}

  /// Takes the limits that stand here, if they are known. To be called first. `algorithm` is the one that the command
  /// names, or null.
  bool take_known(const KnownLimits& known, const AlgorithmRow* algorithm, CallLimits& limits);
  /// Remembers the limits that were read, unless other words stood before or between them. The call must be read to its
  /// end, without a fault.
  void remember(KnownLimits& known, const AlgorithmRow* algorithm, const CallLimits& limits) const;

  /// Takes the numbers of a limit of this algorithm, whose options may come next.
  template <class List>
  void take_numbers(const AlgorithmRow& row, List& limits) {
    const std::size_t before = left();
    read_numbers(row, limits.push_back({}));
    note_taken(before);
  }

  /// Takes a limit with its numbers, if one stands here. If the list is full, that is the fault `too_many`.
  template <class List>
  bool take_limit(List& limits, const Fault& too_many) {
    const AlgorithmRow* row = take_algorithm();
    if (row == nullptr) return false;
    ++taken_;
    if (limits.full()) {
      arguments_.fail(too_many);
    } else {
      take_numbers(*row, limits);
    }
    return true;
  }

  /// Takes an option of the limit that was read last, if one stands here. False as long as none was read.
  bool take_option() { return has_limit() && take_option_of_limit(); }

 private:
  [[nodiscard]] bool has_limit() const { return spec_ != nullptr || known_ != nullptr; }
  bool take_option_of_limit();
  const AlgorithmRow* take_algorithm();
  void read_numbers(const AlgorithmRow& row, LimitSpec& spec);
  [[nodiscard]] std::size_t left() const { return arguments_.rest().size(); }
  void note_taken(std::size_t left_before);
  void read(const OptionRow& row);
  void read_anchor();
  void read_zone();

  Arguments& arguments_;
  const ZoneFinder& zones_;
  LimitSpec* spec_ = nullptr;                ///< the limit that was read last,
  CallLimits* known_ = nullptr;              ///< or the list whose last limit is known
  OptionSet options_;                        ///< those that it may have
  OptionSet given_;                          ///< those that it was given
  std::span<const std::string_view> words_;  ///< those that were left at first
  std::size_t taken_ = 0;                    ///< how many of them were of limits,
  std::size_t end_ = 0;                      ///< and where the last of these ended
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_COMMANDS_LIMIT_READER_H
