// SPDX-License-Identifier: MIT
#include "storage/value.h"
#include "ratelimit/carried_states.h"

#include <algorithm>
#include <limits>
#include <new>
#include <utility>

namespace ratelimit {
namespace {

constexpr std::uint32_t kMostDenied = std::numeric_limits<std::uint32_t>::max() >> 2U;

}  // namespace

// Behind the object, in the memory that `create` allocates for all of it: the pointer to the reservations, if there is room
// for them, and the cells.
std::span<Cell> Value::cells() { return {std::launder(reinterpret_cast<Cell*>(slot() + has_room_)), limits_->size()}; }
std::span<const Cell> Value::cells() const {
  return {std::launder(reinterpret_cast<const Cell*>(slot() + has_room_)), limits_->size()};
}
Value::Slot* Value::slot() { return std::launder(reinterpret_cast<Slot*>(this + 1)); }
const Value::Slot* Value::slot() const { return std::launder(reinterpret_cast<const Slot*>(this + 1)); }

Value::Value(SharedLimits limits, Room room)
    : limits_(std::move(limits)), has_room_(room == Room::for_reservations ? 1 : 0) {
  if (has_room_ != 0) std::construct_at(slot(), std::make_unique<Reservations>());
  std::uninitialized_default_construct_n(reinterpret_cast<Cell*>(slot() + has_room_), limits_->size());
  construct_idle(*limits_, cells());
}

Value::~Value() {
  ratelimit::destroy(*limits_, cells());
  if (has_room_ != 0) std::destroy_at(slot());
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

Value::Pointer Value::decode(std::string_view bytes, LimitsPool& pool, const SharedLimits& known,
                             std::optional<SubjectTableHead>* subject_table) {
  Reader in(bytes);
  in.require(in.fixed<std::uint8_t>() == kFormatVersion);
  Pointer value = decode_body(in, pool, known, subject_table);
  return value && in.done() ? std::move(value) : nullptr;
}

Value::Pointer Value::decode_body(Reader& in, LimitsPool& pool, const SharedLimits& known,
                                  std::optional<SubjectTableHead>* subject_table) {
  SubjectHead head;
  if (!decode_body_head(in, pool.zone_finder(), head) || (head.has_subject_table && subject_table == nullptr))
    return nullptr;
  SharedLimits limits = head.specs.empty() ? known : pool.get(head.specs.span());
  if (!limits) return nullptr;
  Pointer value = create(std::move(limits), head.has_reservations ? Room::for_reservations : Room::for_states);
  if (!decode_states(in, value->limits(), value->cells(), head.has_reservations ? value->reservations() : nullptr)) {
    return nullptr;
  }
  if (head.has_subject_table && !decode_subject_table_head(in, subject_table->emplace())) return nullptr;
  return value;
}

std::string Value::encoded() const {
  std::string bytes;
  bytes.reserve(64);  // enough for most: one limit and a small state
  Writer out(bytes);
  encode_subject(out, limits(), cells(), reservations());
  return bytes;
}

Value::Pointer Value::copy(const Subject& subject) {
  Pointer copy = create(subject.shared_limits(), subject.is_reserved() ? Room::for_reservations : Room::for_states);
  for (std::size_t i = 0; i < subject.limits().size(); ++i) {
    subject.limits()[i].visit([&](const auto& algorithm) {
      state_in(copy->cells()[i], algorithm) = state_in(subject.cells()[i], algorithm);
    });
  }
  if (subject.is_reserved()) *copy->reservations() = *subject.reservations();
  return copy;
}

Value::Pointer Value::with_reservations() {
  Pointer roomy = take(subject());
  roomy->set_counters(granted_calls_, denied_calls_);
  return roomy;
}

Value::Pointer Value::take(const Subject& subject) {
  Pointer roomy = create(subject.shared_limits(), Room::for_reservations);
  for (std::size_t i = 0; i < subject.limits().size(); ++i) {
    subject.limits()[i].visit([&](const auto& algorithm) {
      state_in(roomy->cells()[i], algorithm) = std::move(state_in(subject.cells()[i], algorithm));
    });
  }
  if (subject.reservations() != nullptr) *roomy->reservations() = std::move(*subject.reservations());
  return roomy;
}

void Value::count_call(Outcome outcome) {
  if (outcome == Outcome::granted) {
    if (granted_calls_ < std::numeric_limits<std::uint32_t>::max()) ++granted_calls_;
  } else if (denied_calls_ < kMostDenied) {
    denied_calls_ = (denied_calls_ + 1) & kMostDenied;
  }
}

void Value::set_counters(std::uint32_t granted, std::uint32_t denied) {
  granted_calls_ = granted;
  denied_calls_ = denied & kMostDenied;
}

Instant Value::idle_at() const { return ratelimit::idle_at(limits(), cells(), reservations()); }

std::size_t Value::bytes_behind() const { return ratelimit::bytes_behind(limits(), cells(), reservations()); }

std::size_t Value::memory_pieces() const {
  return 1 + (has_room_ != 0 ? 1 : 0) + pieces_behind(limits(), cells(), reservations());
}

Value::Pointer carry_over(const Subject& subject, const SharedLimits& limits, Instant now) {
  Value::Pointer value =
      Value::create(limits, subject.is_reserved() ? Value::Room::for_reservations : Value::Room::for_states);
  CarriedStates(subject.limits(), subject.cells(), *limits, subject.turn().or_later(now)).move_into(value->cells());
  if (subject.is_reserved()) *value->reservations() = std::move(*subject.reservations());
  return value;
}

}  // namespace ratelimit
