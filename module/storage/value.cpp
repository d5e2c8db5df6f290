// SPDX-License-Identifier: MIT
#include "storage/value.h"

#include <algorithm>
#include <limits>
#include <new>
#include <utility>

#include "ratelimit/carried_states.h"

namespace ratelimit {
// Behind the object, in the memory that `create` allocates for all of it: the pointer to the reservations, if there is room
// for them, and the cells.
std::span<Cell> Value::cells() { return {std::launder(reinterpret_cast<Cell*>(slot() + has_room_)), limits_->size()}; }
std::span<const Cell> Value::cells() const {
  return {std::launder(reinterpret_cast<const Cell*>(slot() + has_room_)), limits_->size()};
}
Value::Slot* Value::slot() { return std::launder(reinterpret_cast<Slot*>(this + 1)); }
const Value::Slot* Value::slot() const { return std::launder(reinterpret_cast<const Slot*>(this + 1)); }

std::span<Instant> Value::last_grants() {
  if (!has_several_lists()) return {};
  return {std::launder(reinterpret_cast<Instant*>(cells().data() + limits_->size())), limits_->size()};
}
std::span<const Instant> Value::last_grants() const {
  if (!has_several_lists()) return {};
  return {std::launder(reinterpret_cast<const Instant*>(cells().data() + limits_->size())), limits_->size()};
}

Value::Value(SharedLimits limits, Room room, Lists lists)
    : limits_(std::move(limits)),
      has_room_(room == Room::for_reservations ? 1 : 0),
      has_several_lists_(lists == Lists::several ? 1 : 0) {
  if (has_room_ != 0) std::construct_at(slot(), std::make_unique<Reservations>());
  auto* const cells = reinterpret_cast<Cell*>(slot() + has_room_);
  std::uninitialized_default_construct_n(cells, limits_->size());
  if (has_several_lists()) {
    std::uninitialized_value_construct_n(reinterpret_cast<Instant*>(cells + limits_->size()), limits_->size());
  }
  construct_idle(*limits_, this->cells());
}

Value::~Value() {
  ratelimit::destroy(*limits_, cells());
  if (has_room_ != 0) std::destroy_at(slot());
}

Value::Pointer Value::create(SharedLimits limits, Room room, Lists lists) {
  const std::size_t slot_bytes = room == Room::for_reservations ? sizeof(Slot) : 0;
  const std::size_t account_bytes = sizeof(Cell) + (lists == Lists::several ? sizeof(Instant) : 0);
  void* memory = ::operator new(sizeof(Value) + limits->size() * account_bytes + slot_bytes);
  return Pointer(new (memory) Value(std::move(limits), room, lists));
}

Value::Pointer Value::create_like(const Subject& subject, Room room) {
  const std::span<const Instant> last_grants = subject.last_grants();
  Pointer value = create(subject.shared_limits(), room, last_grants.empty() ? Lists::one : Lists::several);
  std::copy(last_grants.begin(), last_grants.end(), value->last_grants().begin());
  return value;
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
  SharedLimits limits = head.has_no_limits ? pool.none() : known;
  if (!head.specs.empty()) limits = pool.get(head.specs.span(), Limits::Of::accounts);
  if (!limits || (limits->have_repeated_labels() && !head.has_last_grants)) return nullptr;
  Pointer value = create(std::move(limits), head.has_reservations ? Room::for_reservations : Room::for_states,
                         head.has_last_grants ? Lists::several : Lists::one);
  if (!decode_states(in, value->limits(), value->cells(), value->last_grants(),
                     head.has_reservations ? value->reservations() : nullptr)) {
    return nullptr;
  }
  if (head.has_subject_table && !decode_subject_table_head(in, subject_table->emplace())) return nullptr;
  // Stored limits are one list, of one at least.
  const bool is_no_list = head.has_last_grants || head.has_no_limits;
  if (head.has_subject_table && (*subject_table)->is_stored && is_no_list) return nullptr;
  return value;
}

std::string Value::encoded() const {
  std::string bytes;
  bytes.reserve(64);  // enough for most: one limit and a small state
  Writer out(bytes);
  encode_subject(out, limits(), cells(), reservations(), LimitsForm::written, nullptr, last_grants());
  return bytes;
}

Value::Pointer Value::copy(const Subject& subject) {
  Pointer copy = create_like(subject, subject.is_reserved() ? Room::for_reservations : Room::for_states);
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

Value::Pointer Value::take(const Subject& subject, Room room) {
  Pointer taken = create_like(subject, room);
  for (std::size_t i = 0; i < subject.limits().size(); ++i) {
    subject.limits()[i].visit([&](const auto& algorithm) {
      state_in(taken->cells()[i], algorithm) = std::move(state_in(subject.cells()[i], algorithm));
    });
  }
  if (subject.reservations() != nullptr && room == Room::for_reservations)
    *taken->reservations() = std::move(*subject.reservations());
  return taken;
}

void Value::count_call(Outcome outcome) {
  if (outcome == Outcome::granted) {
    if (granted_calls_ < kMostGranted) ++granted_calls_;
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

namespace {

/// Takes over what a subject has reserved, if it has.
void move_reservations(const Subject& subject, Value& value) {
  if (subject.is_reserved()) *value.reservations() = std::move(*subject.reservations());
}

Value::Room room_for(const Subject& subject) {
  return subject.is_reserved() ? Value::Room::for_reservations : Value::Room::for_states;
}

}  // namespace

Value::Pointer carry_over(const Subject& subject, const SharedLimits& limits, Instant now) {
  Value::Pointer value = Value::create(limits, room_for(subject));
  CarriedStates carried(subject.limits(), subject.cells(), *limits, subject.turn().or_later(now));
  carried.move_into(value->cells());
  move_reservations(subject, *value);
  if (value->reservations() != nullptr) {
    value->reservations()->move_charges(carried.predecessors());
    value->reservations()->name_all();  // stored limits are all limits, also when they change
  }
  return value;
}

Value::Pointer take_along(const Subject& subject) {
  Value::Pointer value = Value::take(subject, room_for(subject));
  if (value->reservations() != nullptr) value->reservations()->name_only(all_accounts(value->limits()));
  return value;
}

Value::Pointer with_accounts(const Subject& subject, NamedAccounts& accounts, LimitsPool& pool) {
  LimitSpecs specs;
  accounts.add_specs(specs);
  Value::Pointer value = Value::create(pool.get(specs.span(), Limits::Of::accounts), room_for(subject),
                                       accounts.is_one_list() ? Value::Lists::one : Value::Lists::several);
  accounts.move_into(value->cells(), value->last_grants());
  move_reservations(subject, *value);
  if (value->reservations() != nullptr) value->reservations()->move_charges(accounts.predecessors());
  return value;
}

}  // namespace ratelimit
