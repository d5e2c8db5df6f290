// What a key is besides the subject that it is itself: a limiter, whose limits are stored in it, and the home of many
// other subjects, each known by a keyed hash of its name.
#ifndef RATELIMIT_MODULE_STORAGE_SUBJECT_TABLE_H
#define RATELIMIT_MODULE_STORAGE_SUBJECT_TABLE_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ratelimit/codec/format.h"
#include "ratelimit/heavy_hitters.h"
#include "storage/hash_table.h"
#include "storage/limits_pool.h"
#include "storage/value.h"

namespace ratelimit {

class SubjectTable final : public Subjects {
 public:
  explicit SubjectTable(const SubjectTableHead& head) : head_(head) {}
  SubjectTable(const SubjectTableHead& head, const HashTable& table) : head_(head), hash_table_(table) {}

  [[nodiscard]] const SubjectTableHead& head() const { return head_; }
  /// Whether limits are stored: then they are those of the value, and all subjects have them.
  [[nodiscard]] bool is_stored() const { return head_.is_stored; }
  /// Whether calls are decided and counted, but granted all the same.
  [[nodiscard]] bool is_shadow() const { return head_.is_shadow; }
  /// Limits are stored from now on.
  void store(bool is_shadow) {
    head_.is_stored = true;
    head_.is_shadow = is_shadow;
  }

  /// By which a subject is known. Nobody who does not know the secret can find two names with the same one.
  [[nodiscard]] SubjectHash hash_of(std::string_view name) const;

  [[nodiscard]] HashTable& hash_table() { return hash_table_; }
  [[nodiscard]] const HashTable& hash_table() const { return hash_table_; }

  void note_denial(SubjectHash hash, std::string_view name);
  /// Null if nobody was denied.
  [[nodiscard]] const HeavyHitters* most_denied() const { return most_denied_.get(); }

  /// The same subjects under the same secret; who was denied is counted anew.
  [[nodiscard]] std::unique_ptr<SubjectTable> copy() const;

  /// The subjects in their binary form, a chunk at a time: begins with that at `from`, and leaves there where the next chunk
  /// begins; none after the last. Limits are written unless they are stored. Equal subjects give equal chunks.
  [[nodiscard]] std::string encoded_chunk(std::optional<SubjectHash>& from);
  /// Takes in the subjects of a chunk. `stored` are the limits of all, null if each has its own. `last` is the last subject
  /// of the chunk before, none if there is none, and becomes that of this one. False, perhaps with some of them taken in, if
  /// the bytes are anything else, or a subject is there already or does not stand behind the one before.
  [[nodiscard]] bool load_chunk(std::string_view chunk, const SharedLimits& stored, LimitsPool& pool,
                                std::optional<SubjectHash>& last);

  /// Of all subjects, whatever their order.
  [[nodiscard]] std::uint64_t digest();

  /// Bytes of everything, what is kept behind cells estimated from a sample of them.
  [[nodiscard]] std::size_t memory() const;
  /// Allocations.
  [[nodiscard]] std::size_t pieces() const { return 1 + hash_table_.pieces(); }

  /// Where the background sweep goes on.
  SubjectHash next_to_sweep = SubjectHash::smallest();

 private:
  SubjectTableHead head_;
  HashTable hash_table_;
  std::unique_ptr<HeavyHitters> most_denied_;
};

/// What a value is besides one subject; null if it is nothing more.
[[nodiscard]] inline SubjectTable* subject_table_of(const Value& value) {
  return static_cast<SubjectTable*>(value.subjects());
}

/// Reads a value, and what it is besides one subject, but for the subjects of its table. Null if the bytes are anything else.
[[nodiscard]] Value::Pointer decode_value(std::string_view bytes, LimitsPool& pool);
/// Writes it.
[[nodiscard]] std::string encode_value(const Value& value);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_STORAGE_SUBJECT_TABLE_H
