// What the server holds for a key, in whichever form that is.
//
// There are three forms. A key that is one token bucket is a compact value of 16 bytes. Any other key that is one subject
// is a value. A key that has a subject table besides is a value with that table. Only this file asks which form it is; the
// rest of the module asks for what it needs: the key's own subject, the table, the counters.
//
// A view, passed by value. The server owns what it points to. A change that needs other memory does not replace anything
// by itself: it makes what is to take the place, and the caller hands that to the server, which then frees the old one.
#ifndef RATELIMIT_MODULE_STORAGE_STORED_VALUE_H
#define RATELIMIT_MODULE_STORAGE_STORED_VALUE_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ratelimit/codec/codec.h"
#include "ratelimit/decision.h"
#include "ratelimit/limits.h"
#include "storage/compact_value.h"
#include "storage/limits_pool.h"
#include "storage/subject.h"
#include "storage/subject_table.h"
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

  /// Calls that were granted and denied since this server holds the key; each stops at its largest number.
  struct Counters {
    std::uint32_t granted = 0;
    std::uint32_t denied = 0;
    friend bool operator==(const Counters&, const Counters&) = default;
  };

  /// `stored` is what the server holds; null if the key does not exist.
  StoredValue(void* stored, const LimitsPool& pool) : stored_(stored), pool_(&pool) {}

  /// Makes a key of its content; the table has no subjects yet.
  [[nodiscard]] static Pointer make(KeyContent content, const LimitsPool& pool);

  /// Whether the key exists. If it does not, only what says so below may be called.
  [[nodiscard]] explicit operator bool() const { return stored_ != nullptr; }
  [[nodiscard]] void* get() const { return stored_; }

  // ---- The key's own subject

  /// The key's own subject. The state of a compact value is unpacked into `loose`, and the view is one of `loose`: whoever
  /// changes it calls `write_back`.
  [[nodiscard]] Subject own_subject(Cell& loose) const;
  /// Packs `loose` into a compact value again; other values need nothing. Null, or what must take the place of this because
  /// the state does not fit into a compact value.
  [[nodiscard]] Pointer write_back(const Cell& loose) const;
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
  /// Of a key that does not exist, nothing is counted.
  void count_call(Outcome outcome) const;
  /// Whether the server was told when the key ends, since it holds this. A key that was loaded may have no end.
  [[nodiscard]] bool has_end() const;
  void note_end() const;

  // ---- What takes the place of this. It goes on counting calls from here. What it takes over is left as good as idle here.

  /// With `own` for the key's own subject; the table stays. The key need not exist.
  [[nodiscard]] Pointer with_own(Value::Pointer own) const;
  /// With all of a key as another server sent it. The table stays if `content` has one with the same head. Another secret
  /// means that the key was deleted and created again: then the table is a new one. The key need not exist.
  [[nodiscard]] Pointer replaced_by(KeyContent content) const;
  /// The same with room for reservations of the key's own subject, which must have none.
  [[nodiscard]] Pointer with_reservations() const;
  /// The same with a table that has no subjects yet; there must be none. A key that does not exist begins idle under
  /// `limits`.
  [[nodiscard]] Pointer with_table(const SubjectTableHead& head, const SharedLimits& limits) const;

  // ---- What the server does with values

  /// The key in its binary form, but for the subjects of its table.
  [[nodiscard]] std::string encoded() const;
  /// The same once more, with counters at zero. O(n).
  [[nodiscard]] Pointer copy() const;
  /// Frees it. Callable from any thread.
  void destroy() const;

  /// Bytes of everything but the limits that keys share. `allocated` says what a piece of memory really takes.
  [[nodiscard]] std::size_t memory(std::size_t (*allocated)(const void*)) const;
  /// Allocations: how much work it is to free this.
  [[nodiscard]] std::size_t pieces() const;

  /// Offers the first allocation to `move`, which returns the memory that is to be used instead, having copied the bytes
  /// and freed the old, or null to leave it.
  template <class Move>
  void relocate(Move move) {
    if (void* place = move(stored_)) stored_ = place;
  }
  /// Offers piece `i` of the memory behind it. False if there is no such piece.
  template <class Move>
  bool relocate_piece(std::size_t i, Move move) const {
    if (is_compact()) return false;
    if (value().subject().relocate_piece(i, move)) return true;
    SubjectTable* const table = subject_table();
    return table != nullptr && table->hash_table().relocate_piece(i, move);
  }

 private:
  [[nodiscard]] bool is_compact() const { return CompactValue::is(stored_); }
  [[nodiscard]] CompactValue& compact() const { return *static_cast<CompactValue*>(stored_); }
  [[nodiscard]] Value& value() const { return *static_cast<Value*>(stored_); }

  [[nodiscard]] Pointer owned(void* stored) const { return Pointer(stored, Deleter{pool_}); }
  [[nodiscard]] Value::Pointer promoted() const;

  void* stored_;
  const LimitsPool* pool_;
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_STORAGE_STORED_VALUE_H
