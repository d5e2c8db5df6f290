// SPDX-License-Identifier: MIT
// Reads limits, as users write them: `FIXED 100 1m ALIGNED AS minute`. Knows no server: whoever reads brings the time
// zones.
#ifndef RATELIMIT_MODULE_COMMANDS_LIMIT_READER_H
#define RATELIMIT_MODULE_COMMANDS_LIMIT_READER_H

#include <cstddef>
#include <string_view>

#include "commands/arguments.h"
#include "commands/grammar.h"
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
class LimitReader {
 public:
  LimitReader(Arguments& arguments, const ZoneFinder& zones) : arguments_(arguments), zones_(zones) {}

  /// Takes the numbers that follow the keyword of this algorithm, into a limit whose options may come next.
  void read_numbers(const AlgorithmRow& row, LimitSpec& spec);

  /// Takes a limit with its numbers, if one stands here. If the list is full, that is the fault `too_many`.
  template <std::size_t kMost>
  bool take_limit(BoundedList<LimitSpec, kMost>& limits, const Fault& too_many) {
    const AlgorithmRow* row = take_algorithm();
    if (row == nullptr) return false;
    if (limits.full()) {
      arguments_.fail(too_many);
    } else {
      read_numbers(*row, limits.push_back({}));
    }
    return true;
  }

  /// Takes an option of the limit that was read last, if one stands here. False as long as none was read.
  bool take_option() { return spec_ != nullptr && take_option_of_limit(); }

 private:
  bool take_option_of_limit();
  const AlgorithmRow* take_algorithm();
  void read(const OptionRow& row);
  void read_anchor();
  void read_zone();

  Arguments& arguments_;
  const ZoneFinder& zones_;
  LimitSpec* spec_ = nullptr;  ///< the limit that was read last
  OptionSet options_;          ///< those that it may have
  OptionSet given_;            ///< those that it was given
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_COMMANDS_LIMIT_READER_H
