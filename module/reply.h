// Writes replies: the one place where spans become milliseconds, outcomes become numbers, and limits become text.
#ifndef RATELIMIT_MODULE_REPLY_H
#define RATELIMIT_MODULE_REPLY_H

#include <cstdint>
#include <string>
#include <string_view>

#include "ratelimit/limits.h"
#include "server/api.h"

namespace ratelimit {

/// Whole milliseconds, rounded up: whoever waits that long has waited long enough.
[[nodiscard]] std::int64_t milliseconds(Span span);

/// The five integers.
void reply_decision(const server::Context& context, const Decision& decision);

/// The five integers and the label of the binding limit.
void reply_verdict(const server::Context& context, const Limits& limits, const Verdict& verdict);

/// A limit as a user writes it, with each duration in the largest unit that divides it.
[[nodiscard]] std::string text_of(const Limit& limit);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_REPLY_H
