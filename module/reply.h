// Writes replies: the one place where spans become milliseconds, outcomes become numbers, and limits become text.
#ifndef RATELIMIT_MODULE_REPLY_H
#define RATELIMIT_MODULE_REPLY_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ratelimit/limits.h"
#include "server/api.h"

namespace ratelimit {

/// Whole milliseconds, rounded up: whoever waits that long has waited long enough.
[[nodiscard]] std::int64_t milliseconds(Span span);

/// What a check replies besides the five integers.
struct CheckReply {
  bool label = false;                      ///< that of the binding limit
  std::optional<std::string_view> note{};  ///< what comes last, an id for example; null if it is empty
};
void reply_check(const server::Context& context, const Limits& limits, const Verdict& verdict, const CheckReply& form);

/// A limit as a user writes it, with each duration in the largest unit that divides it.
[[nodiscard]] std::string text_of(const Limit& limit);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_REPLY_H
