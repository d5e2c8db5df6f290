// Fuzzes what reads the binary form: the value of a RESTORE or an RDB file, and the change of an RL._APPLY.
//
// An input is the length of a value (two bytes, little-endian), the value, and the payload of a change. What is
// accepted must be canonical and harmless: it is written back to the very same bytes, answers within its bounds at any
// instant, denies nobody for longer than a full span, and stays readable whatever is done to it.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz.h"
#include "limits_pool.h"
#include "ratelimit/codec.h"
#include "value.h"

namespace ratelimit::fuzz {
namespace {

using namespace std::chrono_literals;

constexpr Instant kToday{std::chrono::sys_days{std::chrono::year{2024} / 2 / 29}};

Value::Pointer copy_of(const Value& value, LimitsPool& pool) {
  const std::string bytes = value.encoded();
  Value::Pointer copy = Value::decode(bytes, pool);
  require(copy != nullptr, "what is written can be read");
  require(copy->encoded() == bytes, "and is written the same again");
  return copy;
}

void require_sane_use(const Value& value, Instant now) {
  for (std::size_t i = 0; i < value.limits().size(); ++i) {
    const Limit& limit = value.limits()[i];
    limit.visit([&](const auto& algorithm) {
      const auto& state = state_in(value.cells()[i], algorithm);
      const Units used = algorithm.used(state, now);
      require(kNoUnits <= used && used <= limit.size(), "what is used is within the limit");
      const Span longest = full_span(limit.spec());
      // As RL.INFO asks.
      require_sane(algorithm.decide(state, kMaxUnits + Units(1), now).decision, Units(1), longest);
    });
  }
}

/// A call as the module handles it: charged if granted; brought back to now if denied by a state that is ahead.
void call(Value& value, Units cost, Instant now) {
  const Limits& limits = value.limits();
  const Verdict verdict = decide(limits, value.cells(), cost, now);
  require_sane(verdict.decision, cost, longest_full_span(limits));
  if (verdict.decision.outcome == Outcome::granted) {
    apply(limits, value.cells(), verdict);
    require(value.idle_at() <= now + longest_full_span(limits), "a grant leaves nothing of the future");
  } else if (any_is_ahead(limits, value.cells(), now)) {
    clamp(limits, value.cells(), now);
    require(decide(limits, value.cells(), cost, now).decision.wait == verdict.decision.wait,
            "a clamp answers the same");
  }
}

/// Calls of that cost, at once and after the wait that was told.
void require_never_denied_for_ever(const Value& original, LimitsPool& pool, Units cost, Instant now) {
  const Value::Pointer value = copy_of(original, pool);
  const Decision first = decide(value->limits(), value->cells(), cost, now).decision;
  call(*value, cost, now);
  const Instant then = now + first.wait;
  if (first.outcome == Outcome::denied && then <= kLatest) {
    require(decide(value->limits(), value->cells(), cost, then).decision.outcome == Outcome::granted,
            "who waits as told is granted");
    call(*value, cost, then);
  }
  copy_of(*value, pool);
}

void require_safe(const Value& value, LimitsPool& pool) {
  const Instant idle_at = value.idle_at();
  for (const Instant instant :
       {kEarliest, kEarliest + 1ms, kToday, idle_at - 1ns, idle_at, idle_at + 1ns, kLatest - kMaxSpan, kLatest}) {
    const Instant now = std::clamp(instant, kEarliest, kLatest);
    require_sane_use(value, now);
    const Units size = value.limits()[0].size();
    for (const Units cost : {kMinUnits, size, kMaxUnits}) require_never_denied_for_ever(value, pool, cost, now);
  }
}

void try_change(Value& value, std::string_view payload, LimitsPool& pool) {
  Reader in(payload);
  std::array<Cell, kMaxLimits> changes;
  if (!decode_changes(in, value.limits(), changes)) return;
  std::string bytes;
  Writer out(bytes);
  encode_changes(out, value.limits(), changes);
  require(bytes == payload, "a change is written to the bytes that it was read from");

  if (!accepts(value.limits(), value.cells(), changes)) return;

  Verdict verdict;
  verdict.changes = changes;
  apply(value.limits(), value.cells(), verdict);
  require_safe(value, pool);
}

void run(std::string_view input) {
  Choices choices(input);
  const std::string_view bytes = choices.take(static_cast<std::size_t>(choices.number(2)));
  LimitsPool pool;
  const Value::Pointer value = Value::decode(bytes, pool);
  if (!value) return;
  require(value->encoded() == bytes, "a value is written to the bytes that it was read from");
  require((value->bytes_behind() == 0) == (value->memory_pieces() == 1), "bytes behind a value are in pieces");
  require_safe(*value, pool);
  try_change(*value, choices.take(input.size()), pool);
}

}  // namespace
}  // namespace ratelimit::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  ratelimit::fuzz::run({reinterpret_cast<const char*>(bytes), size});
  return 0;
}
