#include "value.h"

#include <algorithm>
#include <limits>
#include <new>
#include <type_traits>
#include <utility>

#include "ratelimit/codec.h"

namespace ratelimit {
namespace {

/// The log that a cell holds, if it holds one.
const EventLog* log_in(const Limit& limit, const Cell& cell) {
  return limit.visit([&cell]<class A>(const A& algorithm) -> const EventLog* {
    if constexpr (std::is_same_v<A, SlidingLog>) return state_in(cell, algorithm).log();
    return nullptr;
  });
}

}  // namespace

// The cells are constructed right behind the object, in the memory that `create` allocates for both.
std::span<Cell> Value::cells() { return {std::launder(reinterpret_cast<Cell*>(this + 1)), limits_->size()}; }
std::span<const Cell> Value::cells() const {
  return {std::launder(reinterpret_cast<const Cell*>(this + 1)), limits_->size()};
}

Value::Value(SharedLimits limits) : limits_(std::move(limits)) {
  std::uninitialized_default_construct_n(reinterpret_cast<Cell*>(this + 1), limits_->size());
  construct_idle(*limits_, cells());
}

Value::~Value() { ratelimit::destroy(*limits_, cells()); }

Value::Pointer Value::create(SharedLimits limits) {
  void* memory = ::operator new(sizeof(Value) + limits->size() * sizeof(Cell));
  return Pointer(new (memory) Value(std::move(limits)));
}

void Value::destroy(Value* value) {
  value->~Value();
  ::operator delete(value);
}

Value::Pointer Value::decode(std::string_view bytes, LimitsPool& pool) {
  Reader in(bytes);
  LimitSpecs specs;
  if (!decode_specs(in, specs)) return nullptr;
  SharedLimits limits = pool.get(specs.span());
  if (!limits) return nullptr;
  Pointer value = create(std::move(limits));
  if (!decode_states(in, value->limits(), value->cells())) return nullptr;
  return value;
}

std::string Value::encoded() const {
  std::string bytes;
  bytes.reserve(64);  // enough for most: one limit and a small state
  Writer out(bytes);
  encode_limits(out, limits());
  encode_states(out, limits(), cells());
  return bytes;
}

void Value::count_call(Outcome outcome) {
  std::uint32_t& counter = outcome == Outcome::granted ? granted_calls_ : denied_calls_;
  if (counter < std::numeric_limits<std::uint32_t>::max()) ++counter;
}

void Value::take_counters_of(const Value& other) {
  granted_calls_ = other.granted_calls_;
  denied_calls_ = other.denied_calls_;
}

Instant Value::idle_at() const {
  Instant latest{};
  for (std::size_t i = 0; i < limits().size(); ++i) {
    limits()[i].visit(
        [&](const auto& algorithm) { latest = std::max(latest, algorithm.idle_at(state_in(cells()[i], algorithm))); });
  }
  return latest;
}

std::size_t Value::bytes_behind() const {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < limits().size(); ++i) {
    if (const EventLog* log = log_in(limits()[i], cells()[i])) bytes += sizeof(EventLog) + log->heap_bytes();
  }
  return bytes;
}

std::size_t Value::pieces_behind(std::size_t limit) const {
  const EventLog* log = log_in(limits()[limit], cells()[limit]);
  return log != nullptr ? 1 + log->heap_pieces() : 0;
}

std::size_t Value::memory_pieces() const {
  std::size_t pieces = 1;
  for (std::size_t i = 0; i < limits().size(); ++i) pieces += pieces_behind(i);
  return pieces;
}

}  // namespace ratelimit
