// What a key of the data type holds: its limits and, for each of them, the state; what it has reserved, if it ever did;
// and an subject table, if it is more than one subject.
//
// One allocation: a header of 16 bytes and the cells behind it. A key with one small limit is thus 32 bytes. Values that
// reserve, or have an subject table, have a pointer more, before the cells.
#ifndef RATELIMIT_MODULE_STORAGE_VALUE_H
#define RATELIMIT_MODULE_STORAGE_VALUE_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ratelimit/codec/bytes.h"
#include "ratelimit/codec/format.h"
#include "ratelimit/limits.h"
#include "ratelimit/reservations.h"
#include "ratelimit/states.h"
#include "storage/limits_pool.h"
#include "storage/subject.h"

namespace ratelimit {

/// What a key has besides the subject that it is itself.
class Subjects {
 public:
  Subjects() = default;
  Subjects(const Subjects&) = delete;
  Subjects& operator=(const Subjects&) = delete;
  virtual ~Subjects() = default;
};

class Value {
 public:
  struct Deleter {
    void operator()(Value* value) const { destroy(value); }
  };
  using Pointer = std::unique_ptr<Value, Deleter>;

  /// Whether a value can reserve, and have an subject table.
  enum class Room : bool { for_states, for_extra };

  /// An idle value with these limits.
  [[nodiscard]] static Pointer create(SharedLimits limits, Room room = Room::for_states);
  /// Ends a value whose pointer was released to the server. Callable from any thread.
  static void destroy(Value* value);

  /// Reads what `encoded` wrote; null if the bytes are anything else. Limits that are not written are `known`, if these are
  /// not null. What the key is besides is put into `dense`; null if it is not to be more than one subject.
  [[nodiscard]] static Pointer decode(std::string_view bytes, LimitsPool& pool, const SharedLimits& known = {},
                                      std::optional<SubjectTableHead>* subject_table = nullptr);
  /// The same, from where a version would be behind one; more may follow.
  [[nodiscard]] static Pointer decode_body(Reader& in, LimitsPool& pool, const SharedLimits& known,
                                           std::optional<SubjectTableHead>* subject_table = nullptr);
  /// Limits, states and reservations, in the one binary form.
  [[nodiscard]] std::string encoded() const;
  /// The limits, states and reservations of a subject once more.
  [[nodiscard]] static Pointer copy(const Subject& subject);
  /// A value with room for more that takes over everything of this one, which is left as good as idle.
  [[nodiscard]] Pointer move_to_extra();
  /// A value with room for more that takes over all of a subject, which is left as good as idle.
  [[nodiscard]] static Pointer take(const Subject& subject);

  Value(const Value&) = delete;
  Value& operator=(const Value&) = delete;

  [[nodiscard]] const Limits& limits() const { return *limits_; }
  [[nodiscard]] const SharedLimits& shared_limits() const { return limits_; }
  [[nodiscard]] std::span<Cell> cells();
  [[nodiscard]] std::span<const Cell> cells() const;

  /// What was reserved; null if there is no room for it.
  [[nodiscard]] Reservations* reservations() { return has_extra_ != 0 ? &extra()->reservations : nullptr; }
  [[nodiscard]] const Reservations* reservations() const { return has_extra_ != 0 ? &extra()->reservations : nullptr; }

  /// Null if there is none.
  [[nodiscard]] Subjects* subjects() const { return has_extra_ != 0 ? extra()->subjects.get() : nullptr; }
  /// For which there must be room.
  void set_subjects(std::unique_ptr<Subjects> subjects) { extra()->subjects = std::move(subjects); }
  [[nodiscard]] std::unique_ptr<Subjects> take_subjects() { return std::move(extra()->subjects); }

  /// The subject that the key is itself.
  [[nodiscard]] Subject subject() { return {limits_, cells(), reservations()}; }

  /// Calls that were granted and denied since this server holds the value; they stop at their largest number.
  [[nodiscard]] std::uint32_t granted_calls() const { return granted_calls_; }
  [[nodiscard]] std::uint32_t denied_calls() const { return denied_calls_; }
  void count_call(Outcome outcome);
  void set_counters(std::uint32_t granted, std::uint32_t denied);

  /// Whether the server was told when the key ends, since this value is in it. One that was loaded may have no end.
  [[nodiscard]] bool has_end() const { return has_end_ != 0; }
  void note_end() { has_end_ = 1; }

  /// When all states are idle, all holds have ended, and nobody waits.
  [[nodiscard]] Instant idle_at() const;

  /// Bytes that states and reservations occupy beyond the value and the object of more; without the subject table.
  [[nodiscard]] std::size_t bytes_behind() const;
  /// Allocations of the value and of what is behind it; without the subject table.
  [[nodiscard]] std::size_t memory_pieces() const;
  /// The object of its reservations and its subject table; null if there is no room for them.
  [[nodiscard]] const void* extra_object() const { return has_extra_ != 0 ? extra() : nullptr; }

 private:
  struct Extra {
    Reservations reservations;
    std::unique_ptr<Subjects> subjects;
  };
  using Slot = std::unique_ptr<Extra>;

  Value(SharedLimits limits, Room room);
  ~Value();

  /// Where more is, in a value that has room for it, and otherwise the cells.
  [[nodiscard]] Slot* slot();
  [[nodiscard]] const Slot* slot() const;
  [[nodiscard]] Extra* extra() { return slot()->get(); }
  [[nodiscard]] Extra* extra() const { return slot()->get(); }

  SharedLimits limits_;
  std::uint32_t granted_calls_ = 0;
  std::uint32_t denied_calls_ : 30 = 0;
  std::uint32_t has_end_ : 1 = 0;
  std::uint32_t has_extra_ : 1 = 0;
};

/// The subject as it goes on under other limits from `now` on: what was used stays used, what was reserved stays reserved.
/// It is left as good as idle. Holds that have ended should have been collected before.
[[nodiscard]] Value::Pointer carry_over(const Subject& subject, const SharedLimits& limits, Instant now);

static_assert(sizeof(Value) == 16 && sizeof(Value) % alignof(Cell) == 0);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_STORAGE_VALUE_H
