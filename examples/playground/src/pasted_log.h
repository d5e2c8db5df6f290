// SPDX-License-Identifier: MIT
// Calls out of a log that somebody pasted, read by the readers of ratelimit-replay.
#ifndef RATELIMIT_PLAYGROUND_PASTED_LOG_H
#define RATELIMIT_PLAYGROUND_PASTED_LOG_H

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "replay/call.h"
#include "replay/intake.h"
#include "replay/subject_names.h"

namespace ratelimit::playground {

/// What the user says about a log, as ratelimit-replay takes it.
struct LogOptions {
  std::string subject;                  ///< who is limited, as for --subject; empty: the usual one of the format
  std::vector<std::string> conditions;  ///< only calls like this, as for --where
};

struct PastedLog {
  static constexpr std::size_t kMostCalls = 20'000;

  std::string format;     ///< empty if no format fits
  std::string complaint;  ///< what is wrong with the options; then there are no calls
  std::vector<replay::Call> calls;
  replay::SubjectNames names;
  replay::LineCounts lines;
  bool is_cut = false;  ///< there are more lines than calls are shown
};

/// Reads lines of any format that ratelimit-replay knows, and lines that are nothing but a time.
[[nodiscard]] PastedLog read_pasted_log(std::string_view text, const LogOptions& options);

}  // namespace ratelimit::playground

#endif  // RATELIMIT_PLAYGROUND_PASTED_LOG_H
