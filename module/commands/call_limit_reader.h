// SPDX-License-Identifier: MIT
// Reads the limits of a call that may be known from earlier calls. Knows no server.
#ifndef RATELIMIT_MODULE_COMMANDS_CALL_LIMIT_READER_H
#define RATELIMIT_MODULE_COMMANDS_CALL_LIMIT_READER_H

#include <cstddef>

#include "commands/call_limits.h"
#include "commands/known_limits.h"
#include "ratelimit/algorithms/zone.h"
#include "ratelimit/grammar/arguments.h"
#include "ratelimit/grammar/fault.h"
#include "ratelimit/grammar/grammar.h"
#include "ratelimit/grammar/limit_reader.h"

namespace ratelimit {

/// A LimitReader. A call whose limits stand together is read in three steps: `take_known`, and only if that fails the
/// words, then `remember`. Options may follow in either case.
class CallLimitReader {
 public:
  /// `algorithm` is the one that the command names, or null.
  CallLimitReader(Arguments& arguments, CallLimits& limits, const AlgorithmRow* algorithm, FindZone find_zone)
      : arguments_(arguments),
        limits_(limits),
        algorithm_(algorithm),
        find_zone_(find_zone),
        reader_(arguments, limits, find_zone_) {}
  CallLimitReader(const CallLimitReader&) = delete;
  CallLimitReader& operator=(const CallLimitReader&) = delete;
  ~CallLimitReader() = default;

  /// Takes the limits that stand here, if they are known. To be called first.
  bool take_known(const KnownLimits& known) {
    words_ = arguments_.rest();
    const KnownLimits::Entry* const entry = known.find(words_, algorithm_);
    if (entry == nullptr) return false;
    limits_.begin_with(*entry);
    reader_.go_on_behind(entry->options());
    arguments_.skip(entry->words());
    return true;
  }
  /// Remembers the limits that were read, unless other words stood before or between them. The call must be read to its
  /// end, without a fault.
  void remember(KnownLimits& known) const {
    const bool stand_together = taken_ > 0 && taken_ == end_;
    if (stand_together) known.remember(words_, end_, algorithm_, limits_.span(), reader_.options());
  }

  void take_numbers() {
    const std::size_t before = left();
    reader_.take_numbers(*algorithm_);
    note_taken(before);
  }
  bool take_limit(const Fault& too_many) {
    const std::size_t before = left();
    const bool is_taken = reader_.take_limit(too_many);
    if (is_taken) note_taken(before);
    return is_taken;
  }
  bool take_option() {
    const std::size_t before = left();
    const bool is_taken = reader_.take_option();
    if (is_taken) note_taken(before);
    return is_taken;
  }

 private:
  [[nodiscard]] std::size_t left() const { return arguments_.rest().size(); }
  void note_taken(std::size_t left_before) {
    taken_ += left_before - left();
    end_ = words_.size() - left();
  }

  Arguments& arguments_;
  CallLimits& limits_;
  const AlgorithmRow* algorithm_;
  FindZone find_zone_;
  LimitReader<CallLimits, FindZone> reader_;
  KnownLimits::Words words_;  ///< those that were left at first
  std::size_t taken_ = 0;     ///< how many of them were of limits,
  std::size_t end_ = 0;       ///< and where the last of these ended
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_COMMANDS_CALL_LIMIT_READER_H
