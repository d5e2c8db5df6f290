// SPDX-License-Identifier: MIT
// Writes replies: the one place where spans become milliseconds, and outcomes become numbers.
#ifndef RATELIMIT_MODULE_COMMANDS_REPLY_H
#define RATELIMIT_MODULE_COMMANDS_REPLY_H

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "ratelimit/decision.h"
#include "ratelimit/grammar/limit_text.h"
#include "ratelimit/http/http_fields.h"
#include "ratelimit/units.h"
#include "server/api.h"

namespace ratelimit {

/// Whole milliseconds, rounded up: whoever waits that long has waited long enough.
[[nodiscard]] std::int64_t milliseconds(Span span);

/// The wait of a decision as replies tell it: -1 if the call is never granted, 0 if it is granted at once.
[[nodiscard]] std::int64_t wait_in_milliseconds(const Decision& decision);
/// The same of a wait that may be DenialLog::kNever.
[[nodiscard]] std::int64_t wait_of_denial(Span wait);

/// An instant as Unix time in milliseconds.
[[nodiscard]] std::int64_t unix_milliseconds(Instant instant);

/// What one key of several says.
struct KeyReply {
  Decision decision;
  std::string_view label;                  ///< of the limit that binds in this key
  std::optional<std::string_view> note{};  ///< what comes next, if anything does
};

/// What a check replies besides the five integers.
struct CheckReply {
  std::string_view label{};                ///< that of the binding limit; left out if it is empty
  std::optional<std::string_view> note{};  ///< what comes next, an id for example; null if it is empty
  const std::vector<HttpField>* fields{};  ///< what comes last, if it is not null
};
void reply_check(const server::Context& context, const Decision& decision, const CheckReply& form);
/// The same with what each key says before the fields; null of a key that says nothing.
void reply_check(const server::Context& context, const Decision& decision, const CheckReply& form,
                 const std::vector<std::optional<KeyReply>>& each);

/// Replies with one integer: units remaining if the call is granted, minus the milliseconds to wait if it is denied, which
/// are 1 at least, and null if it is never granted.
void reply_brief(const server::Context& context, const Decision& decision);

/// Replies as redis-cell does: 1 for refused, in seconds, and without a wait for who is granted.
void reply_throttle(const server::Context& context, const Decision& decision);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_COMMANDS_REPLY_H
