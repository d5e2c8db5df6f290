// SPDX-License-Identifier: MIT
#include "commands/reply.h"

#include <chrono>

#include "ratelimit/codec/redis_cell.h"

namespace ratelimit {
namespace {

// What `wait_ms` says of a call that will never be granted. No minus one exists before this line.
constexpr std::int64_t kWireNever = -1;

// What redis-cell says of such a call, and of one that need not wait.
constexpr std::int64_t kNoRetry = -1;

void reply_five(const server::Context& context, const Decision& decision) {
  context.reply(decision.granted.count());
  context.reply(decision.size.count());
  context.reply(decision.remaining.count());
  context.reply(decision.outcome == Outcome::never ? kWireNever : milliseconds(decision.wait));
  context.reply(milliseconds(decision.reset));
}

}  // namespace

std::int64_t milliseconds(Span span) { return std::chrono::ceil<std::chrono::milliseconds>(span).count(); }

void reply_check(const server::Context& context, const Decision& decision, const CheckReply& form) {
  const bool has_label = !form.label.empty();
  context.reply_list(5U + (has_label ? 1U : 0U) + (form.note ? 1U : 0U) + (form.fields != nullptr ? 1U : 0U));
  reply_five(context, decision);
  if (has_label) context.reply(form.label);
  if (form.note && form.note->empty()) {
    context.reply_null();
  } else if (form.note) {
    context.reply(*form.note);
  }
  if (form.fields == nullptr) return;
  context.reply_list(2 * form.fields->size());
  for (const HttpField& field : *form.fields) {
    context.reply(field.name);
    context.reply(field.value);
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
