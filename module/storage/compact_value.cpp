// SPDX-License-Identifier: MIT
#include "storage/compact_value.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <type_traits>

namespace ratelimit {
namespace {

// The first byte has the mark of a compact value, and the low bits of the pointer that a value begins with.
static_assert(std::endian::native == std::endian::little);

template <int Bits>
constexpr std::uint64_t kMost = (std::uint64_t{1} << Bits) - 1;

}  // namespace

CompactValue* CompactValue::make(const Value& value) {
  return value.reservations() == nullptr ? make_without_room(value) : nullptr;
}

CompactValue* CompactValue::make_without_room(const Value& value) {
  const std::optional<LimitsNumber> number = value.shared_limits().number();
  if (!number || value.limits().size() != 1) return nullptr;
  const bool is_reserved = value.reservations() != nullptr && !value.reservations()->empty();
  if (is_reserved || value.has_several_lists()) return nullptr;
  return value.limits()[0].visit([&]<class A>(const A& algorithm) -> CompactValue* {
    if constexpr (std::is_same_v<A, TokenBucket>) {
      const TokenBucket::State& state = state_in(value.cells()[0], algorithm);
      if (algorithm.parts_of_a_nanosecond() > kMost<kFractionBits> + 1 || !fits(state)) return nullptr;
      value.shared_limits().keep();
      return new CompactValue(*number, value, state);
    } else {
      return nullptr;
    }
  });
}

CompactValue::CompactValue(LimitsNumber limits, const Value& value, const TokenBucket::State& state)
    : limits_(limits & kMost<kLimitsBits>),
      fraction_(state.fraction & kMost<kFractionBits>),
      granted_calls_(std::min<std::uint64_t>(value.granted_calls(), kMost<kGrantedBits>) & kMost<kGrantedBits>),
      denied_calls_(std::min<std::uint64_t>(value.denied_calls(), kMost<kDeniedBits>) & kMost<kDeniedBits>),
      full_at_(state.full_at()) {}

CompactValue* CompactValue::copy(const LimitsPool& pool) const {
  const Value::Pointer value = promoted(pool);
  value->set_counters(0, 0);
  return make(*value);
}

void CompactValue::destroy(CompactValue* value, const LimitsPool& pool) {
  value->limits(pool).give_back();
  delete value;
}

void CompactValue::set_state(const TokenBucket::State& state) {
  full_at_ = state.full_at();
  fraction_ = state.fraction & kMost<kFractionBits>;
}

void CompactValue::count_call(Outcome outcome) {
  if (outcome == Outcome::granted) {
    if (granted_calls_ < kMost<kGrantedBits>) granted_calls_ = (granted_calls_ + 1) & kMost<kGrantedBits>;
  } else if (denied_calls_ < kMost<kDeniedBits>) {
    denied_calls_ = (denied_calls_ + 1) & kMost<kDeniedBits>;
  }
}

Value::Pointer CompactValue::promoted(const LimitsPool& pool) const {
  Value::Pointer value = Value::create(limits(pool));
  value->cells()[0].as<TokenBucket::State>() = state();
  value->set_counters(granted_calls(), denied_calls());
  return value;
}

}  // namespace ratelimit
