// SPDX-License-Identifier: MIT
#include "storage/segment.h"

#include <cassert>
#include <type_traits>
#include <utility>

namespace ratelimit {
namespace {

constexpr std::size_t kSmallestBytes = 128;

constexpr std::size_t stride_of(std::size_t limits) { return sizeof(std::uint64_t) + limits * sizeof(Cell); }

/// How many cells a slot has: at least one, for a pointer to a subject out of line.
std::size_t cells_for(const SharedLimits& limits) { return limits ? std::max<std::size_t>(limits->size(), 1) : 1; }

/// The next size that common allocators have: {4, 5, 6, 7} * 2^k.
constexpr std::size_t rounded_up(std::size_t bytes) {
  if (bytes <= kSmallestBytes) return kSmallestBytes;
  const std::size_t step = std::size_t{1} << (static_cast<unsigned>(std::bit_width(bytes - 1)) - 3);
  return (bytes + step - 1) / step * step;
}
static_assert(rounded_up(129) == 160 && rounded_up(160) == 160 && rounded_up(7169) == 8192 &&
              rounded_up(8193) == 10240);

/// Slots for so many subjects, gaps included. With fewer gaps a segment would soon have to grow; with more, memory is wasted.
/// (Measured: a twelfth gives 27.1 bytes a subject on average. A sixteenth saves nothing, an eighth costs a byte.)
constexpr std::size_t room_for(std::size_t subjects) { return subjects + subjects / 12 + 1; }

/// Whether states of these limits own memory. Then they must be destroyed, and a copy of their bytes is no copy.
bool own_memory(const Limits& limits) {
  for (std::size_t i = 0; i < limits.size(); ++i) {
    if (limits[i].visit([]<class A>(const A&) { return !std::is_trivially_destructible_v<typename A::State>; })) {
      return true;
    }
  }
  return false;
}

/// Moves states to a place that holds none. Those in `from` must not be destroyed.
void move_bytes(std::span<const Cell> from, void* to) { std::memcpy(to, from.data(), from.size_bytes()); }

/// Moves the states out of a value, which is left idle.
void move_states_out(Value& value, void* to) {
  move_bytes(value.cells(), to);
  construct_idle(value.limits(), value.cells());
}

}  // namespace

SortedRun::SortedRun(SharedLimits limits, std::size_t most)
    : limits_(std::move(limits)),
      stride_(stride_of(cells_for(limits_))),
      slots_(std::make_unique_for_overwrite<std::byte[]>(most * stride_)) {}

std::size_t SortedRun::find(SubjectHash hash) const {
  std::size_t low = 0;
  for (std::size_t high = size_; low < high;) {
    const std::size_t middle = low + (high - low) / 2;
    std::uint64_t word = 0;
    std::memcpy(&word, slots_.get() + middle * stride_, sizeof(word));
    if (word < hash.word()) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

std::byte* SortedRun::append(std::uint64_t word) {
  std::byte* const slot = slots_.get() + size_++ * stride_;
  std::memcpy(slot, &word, sizeof(word));
  return slot + sizeof(word);
}

void SortedRun::add(SubjectHash hash, std::span<const Cell> cells) { move_bytes(cells, append(hash.word())); }

void SortedRun::add(SubjectHash hash, Value::Pointer value) {
  if (&value->limits() == &*limits_ && !value->subject().is_reserved() && !value->has_several_lists()) {
    move_states_out(*value, append(hash.word()));
  } else {
    const Segment::OutOfLine out_of_line{value.release()};
    std::memcpy(append(hash.word() | Segment::kOutOfLine), &out_of_line, sizeof(out_of_line));
  }
}

std::size_t Segment::bytes_for(std::size_t subjects, std::size_t limits) {
  return rounded_up(sizeof(Block) + room_for(subjects) * stride_of(limits));
}

Segment Segment::allocate(std::size_t bytes, std::size_t limits, unsigned depth, std::uint16_t version) {
  const std::size_t slots = (bytes - sizeof(Block)) / stride_of(limits);
  auto* const block = new (::operator new(bytes)) Block;
  std::memset(static_cast<void*>(block + 1), 0, slots * stride_of(limits));
  return {block, slots, limits, depth, version};
}

Segment Segment::create(const SortedRun& run, std::size_t first, std::size_t last, unsigned depth,
                        std::uint16_t version) {
  const std::size_t limits = cells_for(run.limits_);
  const Segment segment = allocate(bytes_for(last - first, limits), limits, depth, version);
  segment.block_->limits = run.limits_;
  segment.fill(run, first, last);
  return segment;
}

/// Puts each subject at its home, or behind the one before if that is further on; but early enough that the rest have room.
void Segment::fill(const SortedRun& run, std::size_t first, std::size_t last) const {
  const std::byte* source = run.slots_.get() + first * run.stride_;
  std::size_t next = 0;
  for (std::size_t i = first; i < last; ++i, source += run.stride_) {
    std::uint64_t from = 0;
    std::memcpy(&from, source, sizeof(from));
    const std::size_t at = std::min(std::max(next, home(from)), slots_ - (last - i));
    std::memcpy(slot(at), source, run.stride_);
    if ((from & kOutOfLine) != 0) ++block_->out_of_line;
    next = at + 1;
  }
  block_->used = static_cast<std::uint32_t>(last - first);
}

Segment Segment::clone() const {
  const Segment copy = allocate(bytes(), limits_, depth_, version_);
  *copy.block_ = *block_;
  std::memcpy(copy.slot(0), slot(0), slots_ * stride());
  if (block_->used == 0 || (block_->out_of_line == 0 && !own_memory(*limits()))) return copy;
  for (std::size_t at = 0; at < slots_; ++at) {
    if (!is_taken(at)) continue;
    if (is_out_of_line(at)) {
      copy.cells(at)[0].emplace(OutOfLine{Value::copy(subject(at)).release()});
    } else {
      copy_states(at, copy);
    }
  }
  return copy;
}

/// Copies states to the same slot of another segment, whose bytes there are not destroyed.
void Segment::copy_states(std::size_t at, const Segment& copy) const {
  for (std::size_t i = 0; i < limits()->size(); ++i) {
    (*limits())[i].visit([&]<class A>(const A& algorithm) {
      const typename A::State& state = state_in(cells(at)[i], algorithm);
      copy.cells(at)[i].emplace(typename A::State(state));
    });
  }
}

void Segment::destroy() const {
  if (block_->used > 0 && (block_->out_of_line > 0 || own_memory(*limits()))) {
    for (std::size_t at = 0; at < slots_; ++at) {
      if (is_taken(at)) end(at);
    }
  }
  discard();
}

void Segment::discard() const {
  std::destroy_at(block_);
  ::operator delete(block_);
}

std::size_t Segment::bytes() const { return rounded_up(sizeof(Block) + slots_ * stride()); }

std::size_t Segment::owners() const {
  if (size() == 0) return 0;
  return own_memory(*limits()) ? size() : out_of_line();
}

bool Segment::is_too_large() const {
  return block_->used < slots_ - slots_ * 3 / 8 && bytes_for(block_->used, limits_) < bytes();
}

std::size_t Segment::walk_on(std::size_t at, std::uint64_t word) const {
  for (std::size_t high = slots_; at < high;) {
    const std::size_t middle = at + (high - at) / 2;
    if (is_before(middle, word)) {
      at = middle + 1;
    } else {
      high = middle;
    }
  }
  return at;
}

std::size_t Segment::walk_back(std::size_t at, std::uint64_t word) const {
  for (std::size_t low = 0; low < at;) {
    const std::size_t middle = low + (at - low) / 2;
    if (key(middle) >= word) {
      at = middle;
    } else {
      low = middle + 1;
    }
  }
  return at;
}

/// The gap nearest to slot `at`, so that the fewest subjects move when a subject is put before that slot.
std::size_t Segment::nearest_gap(std::size_t at) const {
  for (std::size_t on = at, back = at; on < slots_ || back > 0;) {
    if (on < slots_ && !is_taken(on++)) return on - 1;
    if (back > 0 && !is_taken(--back)) return back;
  }
  assert(false);
  return slots_;
}

std::size_t Segment::open(SubjectHash hash) const {
  assert(block_->used < slots_);
  std::size_t at = lower_bound(hash);
  const std::size_t gap = nearest_gap(at);
  if (gap >= at) {
    move_slots(at, gap, at + 1);
  } else {
    --at;
    move_slots(gap + 1, at + 1, gap);
  }
  word(at) = hash.word();
  ++block_->used;
  return at;
}

void Segment::put(std::size_t at, Value::Pointer value) const {
  if (&value->limits() == &*limits() && value->reservations() == nullptr && !value->has_several_lists()) {
    move_states_out(*value, cells(at).data());
  } else {
    cells(at)[0].emplace(OutOfLine{value.release()});
    word(at) |= kOutOfLine;
    ++block_->out_of_line;
  }
}

void Segment::end(std::size_t at) const {
  if (is_out_of_line(at)) {
    Value::destroy(value(at));
    word(at) &= ~kOutOfLine;
    --block_->out_of_line;
  } else {
    ratelimit::destroy(*limits(), cells(at));
  }
}

void Segment::leave(std::size_t at) const {
  word(at) = 0;
  --block_->used;
}

void Segment::move_all_into(SortedRun& run) const {
  assert(block_->out_of_line == 0 && stride() == run.stride_);
  const std::byte* source = slot(0);
  for (std::size_t at = 0; at < slots_; ++at, source += run.stride_) {
    if (!is_taken(at)) continue;
    std::memcpy(run.slots_.get() + run.size_++ * run.stride_, source, run.stride_);
  }
}

Segment Segment::moved_to(void* place) const {
  Segment moved = *this;
  moved.block_ = std::launder(static_cast<Block*>(place));
  return moved;
}

bool Segment::is_valid(const HashRange& range) const {
  std::size_t used = 0;
  std::size_t out_of_line = 0;
  std::uint64_t before = 0;
  for (std::size_t at = 0; at < slots_; ++at) {
    if (!is_taken(at)) continue;
    const bool is_in_order = before < key(at) && range.contains(hash(at));
    const auto [low, high] = std::minmax({at, home(key(at))});
    for (std::size_t between = low; between <= high; ++between) {
      if (!is_taken(between)) return false;
    }
    if (!is_in_order || (is_out_of_line(at) && value(at) == nullptr)) return false;
    before = key(at);
    ++used;
    if (is_out_of_line(at)) ++out_of_line;
  }
  return used == size() && out_of_line == this->out_of_line() && (used == 0 || cells_for(limits()) == limits_);
}

}  // namespace ratelimit
