// SPDX-License-Identifier: MIT
// All calls in their order, in a temporary file without a name, to be read again and again by the search for limits. So
// memory does not grow with the log.
#ifndef RATELIMIT_TOOLS_REPLAY_CALL_SPOOL_H
#define RATELIMIT_TOOLS_REPLAY_CALL_SPOOL_H

#include <array>
#include <cstdint>
#include <cstdio>
#include <memory>

#include "replay/call.h"

namespace ratelimit::replay {

class CallSpool {
 public:
  CallSpool() : file_(std::tmpfile()) {}

  /// False if the file cannot be made, or the disk is full.
  [[nodiscard]] bool is_well() const { return file_ != nullptr && !is_full_; }

  void append(const Call& call) {
    if (!is_well()) return;
    const Record record{call.at.time_since_epoch().count(), call.cost.count(), call.subject, call.prefix};
    is_full_ = std::fwrite(&record, sizeof(record), 1, file_.get()) != 1;
  }

  /// Calls `visit(call)` for each call, in their order. False as soon as `should_stop()` is true.
  template <class Visit, class ShouldStop>
  bool visit(Visit visit, ShouldStop should_stop) {
    std::rewind(file_.get());
    std::array<Record, kTogether> records{};
    for (;;) {
      const std::size_t count = std::fread(records.data(), sizeof(Record), records.size(), file_.get());
      for (std::size_t i = 0; i < count; ++i) {
        const Record& record = records[i];
        visit(Call{.at = Instant{Span{record.at}},
                   .cost = Units(record.cost),
                   .subject = record.subject,
                   .prefix = record.prefix});
      }
      if (should_stop()) return false;
      if (count < records.size()) return true;
    }
  }

 private:
  static constexpr std::size_t kTogether = 1024;

  struct Record {
    std::int64_t at = 0;
    std::int64_t cost = 0;
    std::uint32_t subject = 0;
    std::uint32_t prefix = 0;
  };
  static_assert(sizeof(Record) == 24, "as --help says");

  struct Close {
    void operator()(std::FILE* file) const { static_cast<void>(std::fclose(file)); }
  };

  std::unique_ptr<std::FILE, Close> file_;
  bool is_full_ = false;
};

}  // namespace ratelimit::replay

#endif  // RATELIMIT_TOOLS_REPLAY_CALL_SPOOL_H
