// Fuzzes what reads the binary form: the value of a RESTORE or an RDB file, the change of an RL._APPLY, and the
// operation of an RL._PERFORM.
//
// An input is the length of a value (two bytes, little-endian), the value, and a payload, which is tried as a change
// and as an operation. What is accepted must be canonical and harmless: it is written back to the very same bytes,
// answers within its bounds at any instant and in any mode, denies nobody for longer than it says, and stays readable
// whatever is done to it.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

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
  require(value.copy()->encoded() == bytes, "a copy is written the same");
  Value::Pointer copy = Value::decode(bytes, pool);
  require(copy != nullptr, "what is written can be read");
  require(copy->encoded() == bytes, "and is written the same again");
  return copy;
}

/// Does an operation as the module does it.
void perform(Value::Pointer& value, const Operation& operation) {
  const bool reserves = operation.kind == Operation::Kind::reserve || operation.span > Span{};
  if (reserves && value->reservations() == nullptr) value = value->move_to_more_room();
  value->perform(operation);
}

void require_sane_use(const Value& value, Instant now) {
  for (std::size_t i = 0; i < value.limits().size(); ++i) {
    const Limit& limit = value.limits()[i];
    const Cell& cell = value.cells()[i];
    limit.visit([&](const auto& algorithm) {
      const auto& state = state_in(cell, algorithm);
      const Units used = algorithm.used(state, now);
      require(kNoUnits <= used && used <= most_used(limit, cell), "what is used is within the limit, and its debt");
      // As RL.INFO asks.
      const Decision standing = algorithm.decide(state, Ask{kNoUnits, {}, true}, now).decision;
      const Span longest = longest_span(limit, cell);
      require_sane(standing, {.cost = kNoUnits, .mode = Mode::force}, longest);
      require((standing.wait > Span{}) == (used > limit.size()), "a debt lasts, and nothing else");
      require((standing.reset > Span{}) == (used > kNoUnits), "what is used comes back, and nothing else");
      const Units left = std::max(limit.size() - used, kNoUnits);
      require(standing.remaining == left || standing.remaining == kNoUnits, "what is not used remains, if it can be");
    });
  }
}

/// A call as the module handles it: charged if granted; brought back to now if denied by a state that is ahead, and
/// before it is asked for a turn.
void call(Value::Pointer& value, const Request& request, Instant now) {
  if (value->reservations() != nullptr && value->reservations()->any_hold_ended(now)) {
    value->perform({.kind = Operation::Kind::collect, .at = now});
  }
  const Limits& limits = value->limits();
  if (request.mode == Mode::may_wait && !is_never(limits, request)) value->clamp(now);
  const Verdict verdict = decide(limits, value->cells(), value->turn(), request, now);
  require_sane(verdict.decision, request, longest_answer(limits, value->cells(), value->turn(), request));
  if (verdict.decision.outcome == Outcome::granted) {
    if (verdict.turn > Span{} || value->reservations() != nullptr) {
      perform(value, {.kind = Operation::Kind::charge,
                      .at = now,
                      .units = verdict.decision.granted,
                      .span = verdict.turn,
                      .id = verdict.id});
    } else {
      apply(limits, value->cells(), verdict);
    }
    require(!any_is_ahead(value->limits(), value->cells(), now + verdict.turn), "a grant leaves nothing of the future");
    require(idle_at(value->limits(), value->cells()) == now + verdict.idle_in, "and is forgotten when it says");
  } else if (value->is_ahead(now)) {
    value->clamp(now);
    require(!value->is_ahead(now), "what is clamped is ahead no longer");
    const Decision again = decide(limits, value->cells(), value->turn(), request, now).decision;
    require(again.wait == verdict.decision.wait, "a clamp answers the same");
  }
}

/// Calls like that, at once and after the wait that was told.
void require_never_denied_for_ever(const Value& original, LimitsPool& pool, const Request& request, Instant now) {
  Value::Pointer value = copy_of(original, pool);
  call(value, request, now);
  const Decision first = decide(value->limits(), value->cells(), value->turn(), request, now).decision;
  const Instant then = now + first.wait;
  if (first.outcome == Outcome::denied && then <= kLatest) {
    const Decision second = decide(value->limits(), value->cells(), value->turn(), request, then).decision;
    require(second.outcome == Outcome::granted, "who waits as told is granted");
    call(value, request, then);
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
    for (const Units cost : {kMinUnits, size, kMaxUnits}) {
      require_never_denied_for_ever(value, pool, {.cost = cost, .id = "a"}, now);
    }
    require_never_denied_for_ever(value, pool, {.cost = kMaxUnits, .mode = Mode::partial, .id = "new"}, now);
    require_never_denied_for_ever(value, pool, {.cost = kMaxUnits, .mode = Mode::force, .id = "new"}, now);
    require_never_denied_for_ever(value, pool, {.cost = size, .mode = Mode::may_wait, .longest_wait = 1h, .id = "new"},
                                  now);
  }
}

void try_change(Value::Pointer value, std::string_view payload, LimitsPool& pool) {
  Reader in(payload);
  Verdict verdict;
  if (!decode_changes(in, value->limits(), verdict.changes, verdict.id)) return;
  std::string bytes;
  Writer out(bytes);
  encode_changes(out, value->limits(), verdict.changes, verdict.id);
  require(bytes == payload, "a change is written to the bytes that it was read from");

  if (!accepts(value->limits(), value->cells(), verdict)) return;
  apply(value->limits(), value->cells(), verdict);
  require_safe(*value, pool);
}

void try_operation(Value::Pointer value, std::string_view payload, LimitsPool& pool) {
  Reader in(payload);
  Operation operation;
  if (!decode_operation(in, operation)) return;
  std::string bytes;
  Writer out(bytes);
  encode_operation(out, operation);
  require(bytes == payload, "an operation is written to the bytes that it was read from");

  Value::Pointer replica = copy_of(*value, pool);
  perform(value, operation);
  perform(replica, operation);
  require(replica->encoded() == value->encoded(), "an operation does the same everywhere");
  require_safe(*value, pool);
  // Once more, on what it left.
  perform(value, operation);
  copy_of(*value, pool);
}

void run(std::string_view input) {
  Choices choices(input);
  const std::string_view bytes = choices.take(static_cast<std::size_t>(choices.number(2)));
  LimitsPool pool;
  const Value::Pointer value = Value::decode(bytes, pool);
  if (!value) return;
  require(value->encoded() == bytes, "a value is written to the bytes that it was read from");
  require(value->bytes_behind() == 0 || value->memory_pieces() > 1, "bytes behind a value are in pieces");
  require_safe(*value, pool);
  const std::string_view payload = choices.take(input.size());
  try_change(copy_of(*value, pool), payload, pool);
  try_operation(copy_of(*value, pool), payload, pool);
}

}  // namespace
}  // namespace ratelimit::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  ratelimit::fuzz::run({reinterpret_cast<const char*>(bytes), size});
  return 0;
}
