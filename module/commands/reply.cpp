// SPDX-License-Identifier: MIT
#include "commands/reply.h"

#include <algorithm>
#include <chrono>

#include "ratelimit/codec/redis_cell.h"
#include "ratelimit/denial_log.h"

namespace ratelimit {
namespace {

// What `wait_ms` says of a call that will never be granted. No minus one exists before this line.
constexpr std::int64_t kWireNever = -1;

// What redis-cell says of such a call, and of one that need not wait.
constexpr std::int64_t kNoRetry = -1;

void reply_each(const server::Context& context, const std::vector<std::optional<KeyReply>>& each) {
  context.reply_list(each.size());
  for (const std::optional<KeyReply>& one : each) {
    if (!one) {
      context.reply_null();
    } else {
      reply_check(context, one->decision, {.label = one->label, .note = one->note});
    }
  }
}

void reply_fields(const server::Context& context, const std::vector<HttpField>& fields) {
  context.reply_list(2 * fields.size());
  for (const HttpField& field : fields) {
    context.reply(field.name);
    context.reply(field.value);
  }
}

/// Replies to a check. `reply_more` adds `more` elements before the fields.
template <class ReplyMore>
void reply_with(const server::Context& context, const Decision& decision, const CheckReply& form, std::size_t more,
                ReplyMore reply_more) {
  const bool has_label = !form.label.empty();
  context.reply_list(5U + (has_label ? 1U : 0U) + (form.note ? 1U : 0U) + more + (form.fields != nullptr ? 1U : 0U));
  context.reply(decision.granted.count());
  context.reply(decision.size.count());
  context.reply(decision.remaining.count());
  context.reply(wait_in_milliseconds(decision));
  context.reply(milliseconds(decision.reset));
  if (has_label) context.reply(form.label);
  if (form.note && form.note->empty()) {
    context.reply_null();
  } else if (form.note) {
    context.reply(*form.note);
  }
  reply_more();
  if (form.fields != nullptr) reply_fields(context, *form.fields);
}

}  // namespace

std::int64_t wait_in_milliseconds(const Decision& decision) {
  return decision.outcome == Outcome::never ? kWireNever : milliseconds(decision.wait);
}

std::int64_t milliseconds(Span span) { return std::chrono::ceil<std::chrono::milliseconds>(span).count(); }

std::int64_t wait_of_denial(Span wait) { return wait == DenialLog::kNever ? kWireNever : milliseconds(wait); }

std::int64_t unix_milliseconds(Instant instant) {
  return std::chrono::floor<std::chrono::milliseconds>(instant.time_since_epoch()).count();
}

void reply_check(const server::Context& context, const Decision& decision, const CheckReply& form) {
  reply_with(context, decision, form, 0, [] {});
}

void reply_check(const server::Context& context, const Decision& decision, const CheckReply& form,
                 const std::vector<std::optional<KeyReply>>& each) {
  reply_with(context, decision, form, 1, [&] { reply_each(context, each); });
}

void reply_brief(const server::Context& context, const Decision& decision) {
  switch (decision.outcome) {
    case Outcome::granted: return context.reply(decision.remaining.count());
    case Outcome::denied: return context.reply(-std::max<std::int64_t>(milliseconds(decision.wait), 1));
    case Outcome::never: return context.reply_null();
  }
}

void reply_throttle(const server::Context& context, const Decision& decision) {
  const bool may_retry = decision.outcome == Outcome::denied;
  context.reply_list(5);
  context.reply(decision.outcome == Outcome::granted ? 0 : 1);
  context.reply(decision.size.count());
  context.reply(decision.remaining.count());
  context.reply(may_retry ? seconds_rounded_up(decision.wait).count() : kNoRetry);
  context.reply(seconds_rounded_up(decision.reset).count());
}

}  // namespace ratelimit
