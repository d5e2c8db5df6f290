#include "value.h"

#include <algorithm>
#include <limits>
#include <new>
#include <utility>

#include "ratelimit/codec.h"
#include "zones.h"

namespace ratelimit {
namespace {

/// Adds up what `measure` says of each state that owns memory.
template <class Measure>
std::size_t sum_over_states(const Limits& limits, std::span<const Cell> cells, Measure measure) {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < limits.size(); ++i) {
    limits[i].visit([&](const auto& algorithm) {
      const auto& state = state_in(cells[i], algorithm);
      if constexpr (requires { state.heap_pieces(); }) sum += measure(state);
    });
  }
  return sum;
}

}  // namespace

// The cells are constructed right behind the object, in the memory that `create` allocates for both; and behind them the
// pointer to the reservations, if there is room for it.
std::span<Cell> Value::cells() { return {std::launder(reinterpret_cast<Cell*>(this + 1)), limits_->size()}; }
std::span<const Cell> Value::cells() const {
  return {std::launder(reinterpret_cast<const Cell*>(this + 1)), limits_->size()};
}
Value::Slot* Value::slot() {
  return std::launder(reinterpret_cast<Slot*>(reinterpret_cast<Cell*>(this + 1) + limits_->size()));
}
const Value::Slot* Value::slot() const {
  return std::launder(reinterpret_cast<const Slot*>(reinterpret_cast<const Cell*>(this + 1) + limits_->size()));
}

Value::Value(SharedLimits limits, Room room)
    : limits_(std::move(limits)), has_reservations_(room == Room::for_reservations ? 1 : 0) {
  std::uninitialized_default_construct_n(reinterpret_cast<Cell*>(this + 1), limits_->size());
  construct_idle(*limits_, cells());
  if (has_reservations_ != 0) std::construct_at(slot(), std::make_unique<Reservations>());
}

Value::~Value() {
  ratelimit::destroy(*limits_, cells());
  if (has_reservations_ != 0) std::destroy_at(slot());
}

Value::Pointer Value::create(SharedLimits limits, Room room) {
  const std::size_t slot_bytes = room == Room::for_reservations ? sizeof(Slot) : 0;
  void* memory = ::operator new(sizeof(Value) + limits->size() * sizeof(Cell) + slot_bytes);
  return Pointer(new (memory) Value(std::move(limits), room));
}

void Value::destroy(Value* value) {
  value->~Value();
  ::operator delete(value);
}

Value::Pointer Value::decode(std::string_view bytes, LimitsPool& pool) {
  Reader in(bytes);
  SubjectHead head;
  if (!decode_head(in, find_zone, head)) return nullptr;
  SharedLimits limits = pool.get(head.specs.span());
  if (!limits) return nullptr;
  Pointer value = create(std::move(limits), head.has_reservations ? Room::for_reservations : Room::for_states);
  if (!decode_states(in, value->limits(), value->cells(), value->reservations())) return nullptr;
  return value;
}

std::string Value::encoded() const {
  std::string bytes;
  bytes.reserve(64);  // enough for most: one limit and a small state
  Writer out(bytes);
  encode_subject(out, limits(), cells(), reservations());
  return bytes;
}

Value::Pointer Value::copy() const {
  Pointer copy = create(limits_, has_reservations_ != 0 ? Room::for_reservations : Room::for_states);
  for (std::size_t i = 0; i < limits().size(); ++i) {
    limits()[i].visit(
        [&](const auto& algorithm) { state_in(copy->cells()[i], algorithm) = state_in(cells()[i], algorithm); });
  }
  if (has_reservations_ != 0) *copy->reservations() = *reservations();
  return copy;
}

Value::Pointer Value::move_to_more_room() {
  Pointer roomy = create(limits_, Room::for_reservations);
  for (std::size_t i = 0; i < limits().size(); ++i) {
    limits()[i].visit([&](const auto& algorithm) {
      state_in(roomy->cells()[i], algorithm) = std::move(state_in(cells()[i], algorithm));
    });
  }
  if (has_reservations_ != 0) *roomy->reservations() = std::move(*reservations());
  roomy->take_counters_of(*this);
  return roomy;
}

bool Value::perform(const Operation& operation) {
  Reservations none;
  return Account(limits(), cells(), has_reservations_ != 0 ? *reservations() : none).perform(operation);
}

bool Value::is_ahead(Instant now) const {
  return turn().is_ahead(now) || any_is_ahead(limits(), cells(), turn().or_later(now));
}

void Value::clamp(Instant now) {
  if (has_reservations_ != 0) reservations()->turn.clamp(now);
  ratelimit::clamp(limits(), cells(), turn().or_later(now));
}

void Value::count_call(Outcome outcome) {
  constexpr std::uint32_t kMost = std::numeric_limits<std::uint32_t>::max() >> 1U;
  if (outcome == Outcome::granted) {
    if (granted_calls_ < std::numeric_limits<std::uint32_t>::max()) ++granted_calls_;
  } else if (denied_calls_ < kMost) {
    denied_calls_ = (denied_calls_ + 1) & kMost;
  }
}

void Value::take_counters_of(const Value& other) {
  granted_calls_ = other.granted_calls_;
  denied_calls_ = other.denied_calls_;
}

Instant Value::idle_at() const {
  const Instant states = ratelimit::idle_at(limits(), cells());
  return has_reservations_ != 0 ? std::max(states, reservations()->idle_at()) : states;
}

std::size_t Value::bytes_behind() const {
  const std::size_t states = sum_over_states(limits(), cells(), [](const auto& state) { return state.heap_bytes(); });
  return states + (has_reservations_ != 0 ? reservations()->heap_bytes() : 0);
}

std::size_t Value::memory_pieces() const {
  const std::size_t states = sum_over_states(limits(), cells(), [](const auto& state) { return state.heap_pieces(); });
  return 1 + states + (has_reservations_ != 0 ? 1 + reservations()->heap_pieces() : 0);
}

}  // namespace ratelimit
