// SPDX-License-Identifier: MIT
// One subject on its own: its limits, a state for each of them, and what it has reserved, if it ever did.
//
// One allocation: a header of 16 bytes and the cells behind it. A value with one small limit thus takes 32 bytes. A
// value with room for reservations has a pointer to them, before the cells. A subject that is asked under several lists
// of limits has the last grants of its accounts behind the cells (account.h).
#ifndef RATELIMIT_MODULE_STORAGE_VALUE_H
#define RATELIMIT_MODULE_STORAGE_VALUE_H

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ratelimit/account.h"
#include "ratelimit/codec/bytes.h"
#include "ratelimit/codec/format.h"
#include "ratelimit/limits.h"
#include "ratelimit/reservations.h"
#include "ratelimit/states.h"
#include "storage/limits_pool.h"
#include "storage/subject.h"

namespace ratelimit {

class Value {
 public:
  struct Deleter {
    void operator()(Value* value) const { destroy(value); }
  };
  using Pointer = std::unique_ptr<Value, Deleter>;

  /// Whether a value can reserve.
  enum class Room : bool { for_states, for_reservations };
  /// Whether the subject is asked under one list of limits, or its limits are those of accounts from several lists.
  enum class Lists : bool { one, several };

  /// An idle value with these limits.
  [[nodiscard]] static Pointer create(SharedLimits limits, Room room = Room::for_states, Lists lists = Lists::one);
  /// Ends a value whose pointer was released to the server. Callable from any thread.
  static void destroy(Value* value);

  /// Reads what `encoded` wrote; null if the bytes are anything else. If they do not tell the limits, these are `known`,
  /// which may be null. The bytes of a key may have the head of a subject table behind them: it is put into
  /// `subject_table`. If that is null, such bytes are refused.
  [[nodiscard]] static Pointer decode(std::string_view bytes, LimitsPool& pool, const SharedLimits& known = {},
                                      std::optional<SubjectTableHead>* subject_table = nullptr);
  /// Reads the same without the version that `encoded` begins with; more bytes may follow.
  [[nodiscard]] static Pointer decode_body(Reader& in, LimitsPool& pool, const SharedLimits& known,
                                           std::optional<SubjectTableHead>* subject_table = nullptr);
  /// Limits, states and reservations, in the one binary form.
  [[nodiscard]] std::string encoded() const;
  /// A copy of a subject: the same limits, states and reservations, and counters at zero.
  [[nodiscard]] static Pointer copy(const Subject& subject);
  /// A value with room for reservations that takes over all of a subject, which is left as good as idle. If the subject
  /// has reserved nothing, there need be no room.
  [[nodiscard]] static Pointer take(const Subject& subject, Room room = Room::for_reservations);
  /// The same, and it goes on counting calls from here.
  [[nodiscard]] Pointer with_reservations();

  Value(const Value&) = delete;
  Value& operator=(const Value&) = delete;

  [[nodiscard]] const Limits& limits() const { return *limits_; }
  [[nodiscard]] const SharedLimits& shared_limits() const { return limits_; }
  [[nodiscard]] std::span<Cell> cells();
  [[nodiscard]] std::span<const Cell> cells() const;

  /// What was reserved; null if there is no room for it.
  [[nodiscard]] Reservations* reservations() { return has_room_ != 0 ? slot()->get() : nullptr; }
  [[nodiscard]] const Reservations* reservations() const { return has_room_ != 0 ? slot()->get() : nullptr; }

  /// The last grants of the accounts; empty while the subject is asked under one list.
  [[nodiscard]] std::span<Instant> last_grants();
  [[nodiscard]] std::span<const Instant> last_grants() const;
  [[nodiscard]] bool has_several_lists() const { return has_several_lists_ != 0; }

  [[nodiscard]] Subject subject() { return {limits_, cells(), reservations(), last_grants().data()}; }

  /// Calls that were granted and denied since this server holds the value; each stops at its largest number. Only values that
  /// are a key, and not a subject of a table, count.
  [[nodiscard]] std::uint32_t granted_calls() const { return granted_calls_; }
  [[nodiscard]] std::uint32_t denied_calls() const { return denied_calls_; }
  void count_call(Outcome outcome);
  void set_counters(std::uint32_t granted, std::uint32_t denied);
  static constexpr std::uint32_t kMostGranted = std::numeric_limits<std::uint32_t>::max();
  static constexpr std::uint32_t kMostDenied = kMostGranted >> 3U;

  /// Whether the server was told when the key ends, since this value is in it. A key that was loaded may have no end.
  [[nodiscard]] bool has_end() const { return has_end_ != 0; }
  void note_end() { has_end_ = 1; }

  /// When all states are idle, all holds have ended, and nobody waits.
  [[nodiscard]] Instant idle_at() const;

  /// Bytes that states and reservations own besides the value itself and the object `reservations`.
  [[nodiscard]] std::size_t bytes_behind() const;
  /// Allocations: the value, and what it owns.
  [[nodiscard]] std::size_t memory_pieces() const;

 private:
  using Slot = std::unique_ptr<Reservations>;

  Value(SharedLimits limits, Room room, Lists lists);
  ~Value();

  /// A value with the same limits as a subject, and with room for what that has.
  [[nodiscard]] static Pointer create_like(const Subject& subject, Room room);

  /// Where the pointer to the reservations is, in a value with room for them; else where the cells are.
  [[nodiscard]] Slot* slot();
  [[nodiscard]] const Slot* slot() const;

  SharedLimits limits_;
  std::uint32_t granted_calls_ = 0;
  std::uint32_t denied_calls_ : 29 = 0;
  std::uint32_t has_end_ : 1 = 0;
  std::uint32_t has_room_ : 1 = 0;
  std::uint32_t has_several_lists_ : 1 = 0;
};

/// A subject when the limits change that its key stores, as of `now`: what is used stays used, and what is reserved
/// stays reserved. `subject` is left as good as idle. Holds that have ended should have been collected before.
[[nodiscard]] Value::Pointer carry_over(const Subject& subject, const SharedLimits& limits, Instant now);

/// A subject that goes over to a key which stores no limits: it keeps its accounts. `subject` is left as good as idle.
[[nodiscard]] Value::Pointer take_along(const Subject& subject);

/// A subject whose accounts are as a call finds and opens them. `subject` is left as good as idle.
[[nodiscard]] Value::Pointer with_accounts(const Subject& subject, NamedAccounts& accounts, LimitsPool& pool);

static_assert(sizeof(Value) == 16 && sizeof(Value) % alignof(Cell) == 0);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_STORAGE_VALUE_H
