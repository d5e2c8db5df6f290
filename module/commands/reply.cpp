#include "commands/reply.h"

#include <array>
#include <chrono>
#include <utility>

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

std::string text_of(Span span) {
  constexpr std::array<std::pair<const char*, std::int64_t>, 4> kUnits{
      {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}}};
  const std::int64_t count = milliseconds(span);
  for (const auto& [unit, factor] : kUnits) {
    if (count % factor == 0) return std::to_string(count / factor) + unit;
  }
  return std::to_string(count) + "ms";
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

std::string text_of(const Limit& limit) {
  const LimitSpec spec = limit.spec();
  std::string text(keyword(spec.algorithm));
  text += ' ' + std::to_string(spec.size.count());
  if (is_bucket(spec.algorithm)) text += ' ' + std::to_string(spec.refill.count());
  text.append(1, ' ').append(spec.algorithm == Algorithm::quota ? std::string(keyword(spec.unit)) : text_of(spec.span));
  if (spec.aligned) text += " ALIGNED";
  if (spec.algorithm == Algorithm::sliding_window_counter) text += " APPROX";
  if (!spec.zone.empty()) text.append(" TZ ").append(spec.zone);
  if (!spec.label.empty()) text.append(" AS ").append(spec.label);
  if (spec.per_request) text += " PER REQUEST";
  return text;
}

}  // namespace ratelimit
