// What a key of the data type holds: its limits and, for each of them, the state; and what it has reserved, if it ever
// did.
//
// One allocation: a header of 16 bytes and the cells behind it. A key with one small limit is thus 32 bytes. Values that
// reserve have a pointer more, behind the cells.
#ifndef RATELIMIT_MODULE_VALUE_H
#define RATELIMIT_MODULE_VALUE_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "limits_pool.h"
#include "ratelimit/limits.h"
#include "ratelimit/operations.h"
#include "ratelimit/reservations.h"

namespace ratelimit {

class Value {
 public:
  struct Deleter {
    void operator()(Value* value) const { destroy(value); }
  };
  using Pointer = std::unique_ptr<Value, Deleter>;

  /// Whether a value can reserve.
  enum class Room : bool { for_states, for_reservations };

  /// An idle value with these limits.
  [[nodiscard]] static Pointer create(SharedLimits limits, Room room = Room::for_states);
  /// Ends a value whose pointer was released to the server. Callable from any thread.
  static void destroy(Value* value);

  /// Reads what `encoded` wrote; null if the bytes are anything else.
  [[nodiscard]] static Pointer decode(std::string_view bytes, LimitsPool& pool);
  /// The limits and the states, in the one binary form.
  [[nodiscard]] std::string encoded() const;
  /// The same limits, states and reservations once more; its counters begin anew.
  [[nodiscard]] Pointer copy() const;
  /// A value with room for reservations that takes over everything of this one, which is left as good as idle.
  [[nodiscard]] Pointer move_to_more_room();

  Value(const Value&) = delete;
  Value& operator=(const Value&) = delete;

  [[nodiscard]] const Limits& limits() const { return *limits_; }
  [[nodiscard]] const SharedLimits& shared_limits() const { return limits_; }
  [[nodiscard]] std::span<Cell> cells();
  [[nodiscard]] std::span<const Cell> cells() const;

  /// What was reserved; null if there is no room for it.
  [[nodiscard]] Reservations* reservations() { return has_reservations_ != 0 ? slot()->get() : nullptr; }
  [[nodiscard]] const Reservations* reservations() const { return has_reservations_ != 0 ? slot()->get() : nullptr; }
  /// The turn of who waits, if somebody does.
  [[nodiscard]] Turn turn() const { return has_reservations_ != 0 ? reservations()->turn : Turn{}; }

  /// Does an operation, for which there must be room if it reserves. Returns what Account::perform does.
  bool perform(const Operation& operation);

  /// Brings what is ahead of `now` back to it. Whether anything is, `is_ahead` says.
  [[nodiscard]] bool is_ahead(Instant now) const;
  void clamp(Instant now);

  /// Calls that were granted and denied since this server holds the value; they stop at their largest number.
  [[nodiscard]] std::uint32_t granted_calls() const { return granted_calls_; }
  [[nodiscard]] std::uint32_t denied_calls() const { return denied_calls_; }
  void count_call(Outcome outcome);
  void take_counters_of(const Value& other);

  /// When all states are idle, all holds have ended, and nobody waits.
  [[nodiscard]] Instant idle_at() const;

  /// Offers piece `i` of the memory behind the cells to `move` (see EventLog::relocate_piece). False if there is no
  /// such piece. The value itself is one piece more; it may be moved by a copy of its bytes.
  template <class Move>
  bool relocate_piece(std::size_t i, Move move) {
    for (std::size_t limit = 0; limit < limits().size(); ++limit) {
      const bool moved = limits()[limit].visit([&](const auto& algorithm) {
        auto& state = state_in(cells()[limit], algorithm);
        if constexpr (requires { state.relocate_piece(i, move); }) {
          const std::size_t pieces = state.heap_pieces();
          if (i < pieces) return state.relocate_piece(i, move);
          i -= pieces;
        }
        return false;
      });
      if (moved) return true;
    }
    return false;
  }

  /// Bytes that states and reservations occupy beyond the value and the object of its reservations.
  [[nodiscard]] std::size_t bytes_behind() const;
  /// Allocations of the value and of what is behind it.
  [[nodiscard]] std::size_t memory_pieces() const;

 private:
  using Slot = std::unique_ptr<Reservations>;

  Value(SharedLimits limits, Room room);
  ~Value();

  /// Where the reservations are, in a value that has room for them: behind the cells.
  [[nodiscard]] Slot* slot();
  [[nodiscard]] const Slot* slot() const;

  SharedLimits limits_;
  std::uint32_t granted_calls_ = 0;
  std::uint32_t denied_calls_ : 31 = 0;
  std::uint32_t has_reservations_ : 1 = 0;
};

static_assert(sizeof(Value) == 16 && sizeof(Value) % alignof(Cell) == 0);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_VALUE_H
