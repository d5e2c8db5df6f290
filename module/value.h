// What a key of the data type holds: its limits and, for each of them, the state.
//
// One allocation: a header of 16 bytes and the cells behind it. A key with one small limit is thus 32 bytes.
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

namespace ratelimit {

class Value {
 public:
  struct Deleter {
    void operator()(Value* value) const { destroy(value); }
  };
  using Pointer = std::unique_ptr<Value, Deleter>;

  /// An idle value with these limits.
  [[nodiscard]] static Pointer create(SharedLimits limits);
  /// Ends a value whose pointer was released to the server. Callable from any thread.
  static void destroy(Value* value);

  /// Reads what `encoded` wrote; null if the bytes are anything else.
  [[nodiscard]] static Pointer decode(std::string_view bytes, LimitsPool& pool);
  /// The limits and the states, in the one binary form.
  [[nodiscard]] std::string encoded() const;

  Value(const Value&) = delete;
  Value& operator=(const Value&) = delete;

  [[nodiscard]] const Limits& limits() const { return *limits_; }
  [[nodiscard]] std::span<Cell> cells();
  [[nodiscard]] std::span<const Cell> cells() const;

  /// Calls that were granted and denied since this server holds the value; they stop at their largest number.
  [[nodiscard]] std::uint32_t granted_calls() const { return granted_calls_; }
  [[nodiscard]] std::uint32_t denied_calls() const { return denied_calls_; }
  void count_call(Outcome outcome);
  void take_counters_of(const Value& other);

  /// When all states are idle.
  [[nodiscard]] Instant idle_at() const;

  /// Offers piece `i` of the memory behind the cells to `move` (see EventLog::relocate_piece). False if there is no
  /// such piece. The value itself is one piece more; it may be moved by a copy of its bytes.
  template <class Move>
  bool relocate_piece(std::size_t i, Move move) {
    for (std::size_t limit = 0; limit < limits().size(); ++limit) {
      const std::size_t pieces = pieces_behind(limit);
      if (i < pieces) return log_state(limit).relocate_piece(i, move);
      i -= pieces;
    }
    return false;
  }

  /// Bytes that the states occupy beyond the value itself.
  [[nodiscard]] std::size_t bytes_behind() const;
  /// Allocations of the value and its states.
  [[nodiscard]] std::size_t memory_pieces() const;

 private:
  explicit Value(SharedLimits limits);
  ~Value();

  /// Allocations behind the cell of a limit.
  [[nodiscard]] std::size_t pieces_behind(std::size_t limit) const;
  /// The state of a limit that is an exact log.
  [[nodiscard]] SlidingLog::State& log_state(std::size_t limit) { return cells()[limit].as<SlidingLog::State>(); }

  SharedLimits limits_;
  std::uint32_t granted_calls_ = 0;
  std::uint32_t denied_calls_ = 0;
};

static_assert(sizeof(Value) == 16 && sizeof(Value) % alignof(Cell) == 0);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_VALUE_H
