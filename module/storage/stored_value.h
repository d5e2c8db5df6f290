// SPDX-License-Identifier: MIT
// What the server holds for a key, in whichever form that is.
//
// There are three forms. A key that is one token bucket is a compact value of 16 bytes. Any other key that is one subject
// is a value. A key with a subject table is a table value: the table, and a value for the key's own subject. Only this file
// acts by the form; the rest of the module asks for what it needs: the key's own subject, the table, the counters.
//
// A view, passed by value. The server owns what it points to. A change that needs other memory does not replace anything
// by itself: it returns what must take the place, and the caller hands that to the server, which then frees the old one.
#ifndef RATELIMIT_MODULE_STORAGE_STORED_VALUE_H
#define RATELIMIT_MODULE_STORAGE_STORED_VALUE_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ratelimit/codec/format.h"
#include "ratelimit/decision.h"
#include "ratelimit/limits.h"
#include "ratelimit/states.h"
#include "storage/compact_value.h"
#include "storage/limits_pool.h"
#include "storage/subject.h"
#include "storage/subject_table.h"
#include "storage/table_value.h"
#include "storage/value.h"

namespace ratelimit {

/// A key as it is written, but for the subjects of its table: its own subject and, if it has a table, the head of that.
struct KeyContent {
  Value::Pointer own;
  std::optional<SubjectTableHead> table;
};

/// Reads what StoredValue::encoded wrote; none if the bytes are anything else.
[[nodiscard]] std::optional<KeyContent> decode_key(std::string_view bytes, LimitsPool& pool);

class StoredValue {
 public:
  struct Deleter {
    const LimitsPool* pool;
    void operator()(void* stored) const { StoredValue(stored, *pool).destroy(); }
  };
  /// What the server does not hold yet; `release` is for handing it over.
  using Pointer = std::unique_ptr<void, Deleter>;

  /// Calls that were granted and denied since this server holds the key; each stops at its largest number. The calls of
  /// a key with a table are counted in its history instead.
  struct Counters {
    std::uint32_t granted = 0;
    std::uint32_t denied = 0;
    friend bool operator==(const Counters&, const Counters&) = default;
  };
  enum class Form : std::uint8_t { compact, value, table };

  /// `stored` is what the server holds; null if the key does not exist.
  StoredValue(void* stored, const LimitsPool& pool) : stored_(stored), pool_(&pool) {}

  /// Makes a key of its content; the table has no subjects yet.
  [[nodiscard]] static Pointer make(KeyContent content, const LimitsPool& pool);

  /// Whether the key exists. If it does not, only what says so below may be called.
  [[nodiscard]] explicit operator bool() const { return stored_ != nullptr; }
  [[nodiscard]] void* get() const { return stored_; }

  [[nodiscard]] Form form() const {
    if (CompactValue::is(stored_)) return Form::compact;
    return TableValue::is(stored_) ? Form::table : Form::value;
  }

  // ---- The key's own subject

  /// The key's own subject. The state of a compact value is unpacked into `loose`, and the view is one of `loose`: whoever
  /// changes it calls `write_back`.
  [[nodiscard]] Subject own_subject(Cell& loose) const;
  [[nodiscard]] const SharedLimits& own_limits() const;
  /// When the key's own subject is idle; nothing is said of those in the table.
  [[nodiscard]] Instant own_idle_at() const;

  // ---- The table. These may be asked of a key that does not exist.

  /// Null if the key has none.
  [[nodiscard]] SubjectTable* subject_table() const;
  /// The limits that the key stores for all its subjects; null if it stores none.
  [[nodiscard]] SharedLimits stored_limits() const;
  [[nodiscard]] bool is_stored() const;
  /// Whether calls are decided and counted, but granted all the same.
  [[nodiscard]] bool is_shadow() const;

  // ---- What is kept beside the subjects

  [[nodiscard]] Counters counters() const;
  /// Where the counters of this form stop.
  [[nodiscard]] Counters most_counted() const;
  /// The history of the key's table begins, as of an instant.
  void begin_history(Instant at) const;
  /// Of a key that does not exist, nothing is counted. For keys without a table.
  void count_call(Outcome outcome) const;
  /// Whether the server was told when the key ends, since it holds this. A key that was loaded may have no end.
  [[nodiscard]] bool has_end() const;
  void note_end() const;

  // ---- Changes that may need other memory. Null: the change was made in place. Otherwise the result must take the place of
  // this, which has handed over what it had. Calls are counted on from here.

  /// After a change of the view that `own_subject` gave: packs `loose` into a compact value again. A state that does not fit
  /// makes it a value, and a value that has become small is made compact.
  [[nodiscard]] Pointer write_back(const Cell& loose) const;
  /// Puts `own` in place of the key's own subject. The table stays. The key need not exist.
  [[nodiscard]] Pointer put_own(Value::Pointer own) const;
  /// Whether `replace` may put this content in place of this. It may not if the table stays, and stores other limits:
  /// its subjects would be under limits that are not those of the key, and nobody could read them back.
  [[nodiscard]] bool may_be_replaced_by(const KeyContent& content) const;
  /// Puts all of a key, as another server sent it, in place of this one. The table stays if `content` has one with the same
  /// head. Another secret means that the key was deleted and created again: then the table is a new one. The key need not
  /// exist.
  [[nodiscard]] Pointer replace(KeyContent content) const;
  /// Makes room for reservations of the key's own subject, which must have none.
  [[nodiscard]] Pointer add_reservations() const;
  /// Adds a table without subjects; there must be none. A key that does not exist begins idle under `limits`.
  [[nodiscard]] Pointer add_table(const SubjectTableHead& head, const SharedLimits& limits) const;

  // ---- What the server does with values

  /// The key in its binary form, but for the subjects of its table.
  [[nodiscard]] std::string encoded() const;
  /// Appends the same to `bytes`.
  void encode(std::string& bytes) const;
  /// The same once more, with counters at zero. O(n).
  [[nodiscard]] Pointer copy() const;
  /// Frees it. Callable from any thread.
  void destroy() const;

  /// Bytes of everything but the limits in the pool, which keys share. `allocated` says what a piece of memory really
  /// takes. Of large tables, some numbers are estimated from a sample.
  [[nodiscard]] std::size_t memory(std::size_t (*allocated)(const void*)) const;
  /// Allocations: how much work it is to free this.
  [[nodiscard]] std::size_t pieces() const;

  /// Offers the first allocation to `move`, which returns the memory that is to be used instead, having copied the bytes
  /// and freed the old, or null to leave it.
  template <class Move>
  void relocate(Move move) {
    if (void* place = move(stored_)) stored_ = place;
  }
  /// Offers piece `i` of the memory behind it in the same way. False if there is no such piece.
  template <class Move>
  bool relocate_piece(std::size_t i, Move move) const {
    if (form() == Form::compact) return false;
    if (form() == Form::value) return value().subject().relocate_piece(i, move);
    if (i-- == 0) return relocate_own(move), true;
    return table_value().own->subject().relocate_piece(i, move) ||
           table_value().table->hash_table().relocate_piece(i, move);
  }

 private:
  // Each may be called only if the form is that one.
  [[nodiscard]] CompactValue& compact() const { return *static_cast<CompactValue*>(stored_); }
  [[nodiscard]] Value& value() const { return *static_cast<Value*>(stored_); }
  [[nodiscard]] TableValue& table_value() const { return *static_cast<TableValue*>(stored_); }
  /// The key's own subject, unless the form is compact.
  [[nodiscard]] Value& own() const { return form() == Form::table ? *table_value().own : value(); }

  template <class Move>
  void relocate_own(Move move) const {
    Value::Pointer& own = table_value().own;
    if (void* place = move(own.get())) {
      static_cast<void>(own.release());  // its memory is freed by now
      own.reset(static_cast<Value*>(place));
    }
  }

  [[nodiscard]] Pointer owned(void* stored) const { return Pointer(stored, Deleter{pool_}); }
  [[nodiscard]] Pointer in_place() const { return owned(nullptr); }
  [[nodiscard]] Value::Pointer own_with_reservations() const;
  [[nodiscard]] bool keeps_table(const KeyContent& content) const;

  void* stored_;
  const LimitsPool* pool_;
};

// Asked several times in each call: the compiler sees them through.

inline const SharedLimits& StoredValue::own_limits() const {
  return form() == Form::compact ? compact().limits(*pool_) : own().shared_limits();
}

inline SubjectTable* StoredValue::subject_table() const {
  return stored_ != nullptr && form() == Form::table ? table_value().table.get() : nullptr;
}

inline bool StoredValue::is_stored() const {
  const SubjectTable* const table = subject_table();
  return table != nullptr && table->is_stored();
}

inline bool StoredValue::is_shadow() const {
  const SubjectTable* const table = subject_table();
  return table != nullptr && table->is_shadow();
}

inline bool StoredValue::has_end() const { return form() == Form::compact ? compact().has_end() : own().has_end(); }

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_STORAGE_STORED_VALUE_H
