// SPDX-License-Identifier: MIT
// Each answer as the module would give it, as lines of CSV. Depends on verdicts.
#ifndef RATELIMIT_TOOLS_REPLAY_ANSWERS_H
#define RATELIMIT_TOOLS_REPLAY_ANSWERS_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ratelimit/decision.h"
#include "ratelimit/verdict.h"
#include "replay/call.h"

namespace ratelimit::replay {

inline constexpr const char* kAnswersHeader = "line,limit,granted,size,remaining,wait_ms,reset_ms,subject\n";

/// A value of CSV, in quotes if it needs any.
inline void append_value(std::string& text, std::string_view value) {
  if (value.find_first_of(",\"") == std::string_view::npos) {
    text += value;
    return;
  }
  text += '"';
  for (const char c : value) text.append(c == '"' ? 2 : 1, c);
  text += '"';
}

/// A line for each contender: the line of the log, the contender from 1 on, the five integers of RL.CHECK, and the
/// subject, whose bytes are printable.
inline void append_answers(std::string& text, const Call& call, std::span<const Verdict> verdicts,
                           std::string_view subject) {
  const auto ms = [](Span span) { return std::chrono::ceil<std::chrono::milliseconds>(span).count(); };
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    const Decision& decision = verdicts[i].decision;
    const std::int64_t wait = decision.outcome == Outcome::never ? -1 : ms(decision.wait);
    text += std::to_string(call.line) + ',' + std::to_string(i + 1);
    for (const std::int64_t number : {decision.granted.count(), decision.size.count(), decision.remaining.count(), wait,
                                      static_cast<std::int64_t>(ms(decision.reset))}) {
      text += ',' + std::to_string(number);
    }
    text += ',';
    append_value(text, subject);
    text += '\n';
  }
}

}  // namespace ratelimit::replay

#endif  // RATELIMIT_TOOLS_REPLAY_ANSWERS_H
