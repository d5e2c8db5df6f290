// SPDX-License-Identifier: MIT
// The subjects of a dense key: who is meant by a name, and what the key remembers of all of them.
//
// A hash table knows subjects by hashes only. This adds what a key needs around it: the secret that names are hashed with,
// whether the key is a limiter (its limits are stored, and all subjects have them, but for exceptions), and its history.
#ifndef RATELIMIT_MODULE_STORAGE_SUBJECT_TABLE_H
#define RATELIMIT_MODULE_STORAGE_SUBJECT_TABLE_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "ratelimit/codec/format.h"
#include "storage/exceptions.h"
#include "storage/hash_table.h"
#include "storage/history.h"
#include "storage/limits_pool.h"
#include "storage/subject.h"
#include "storage/subject_hash.h"
#include "storage/value.h"

namespace ratelimit {

class SubjectTable {
 public:
  explicit SubjectTable(const SubjectTableHead& head) : head_(head), history_(hash_of({}).word()) {}
  /// `exceptions` may be null.
  SubjectTable(const SubjectTableHead& head, const HashTable& table,  // NOLINT(modernize-pass-by-value): it never moves
               std::unique_ptr<Exceptions> exceptions)
      : head_(head), hash_table_(table), exceptions_(std::move(exceptions)), history_(hash_of({}).word()) {}

  [[nodiscard]] const SubjectTableHead& head() const { return head_; }
  /// Whether limits are stored: then those of the key's own subject are the limits of all subjects.
  [[nodiscard]] bool is_stored() const { return head_.is_stored; }
  /// Whether calls are decided and counted, but granted all the same.
  [[nodiscard]] bool is_shadow() const { return head_.is_shadow; }
  /// From now on limits are stored.
  void store(bool is_shadow) {
    head_.is_stored = true;
    head_.is_shadow = is_shadow;
  }

  /// The hash of a subject's name. Who does not know the secret cannot find two names with the same hash.
  [[nodiscard]] SubjectHash hash_of(std::string_view name) const;

  // ---- Subjects, exceptions included

  /// How many there are, those included that are idle but not yet forgotten.
  [[nodiscard]] std::size_t size() const { return hash_table_.size() + exceptions_count(); }
  /// From now on their number is in that sum, too.
  void tally_in(Tally& sum) {
    sum_ = &sum;
    hash_table_.tally_in(sum);
    if (exceptions_) exceptions_->tally_in(sum);
  }
  /// A subject; none if it is not there. O(1). All views of subjects that were found before are void.
  [[nodiscard]] std::optional<Subject> find(SubjectHash hash) {
    if (exceptions_) [[unlikely]]
      return find_among_exceptions(hash);
    return hash_table_.find(hash);
  }
  /// Puts a subject in place of the one that is there, or adds it. It must have the limits of that one.
  Subject put(SubjectHash hash, Value::Pointer value);
  /// Forgets what a subject has used; an exception keeps its limits. All views of subjects are void then.
  void forget(SubjectHash hash);

  // ---- Exceptions: subjects of a limiter with limits of their own

  /// Null if there are none.
  [[nodiscard]] const Exceptions* exceptions() const { return exceptions_.get(); }
  [[nodiscard]] std::size_t exceptions_count() const { return exceptions_ ? exceptions_->size() : 0; }
  [[nodiscard]] bool is_exception(SubjectHash hash) const { return exceptions_ && exceptions_->names().contains(hash); }
  /// Makes a subject an exception, with its limits and states from then on those of `value`.
  void begin_exception(SubjectHash hash, std::string_view name, Value::Pointer value);
  /// Ends an exception, which must be there. Its subject is not there then.
  void end_exception(SubjectHash hash);

  // ---- All others

  [[nodiscard]] HashTable& hash_table() { return hash_table_; }
  [[nodiscard]] const HashTable& hash_table() const { return hash_table_; }

  /// What is remembered of the calls that the key answered.
  [[nodiscard]] History& history() { return history_; }
  [[nodiscard]] const History& history() const { return history_; }

  /// A copy: the same subjects under the same secret. Its history begins anew. O(n).
  [[nodiscard]] std::unique_ptr<SubjectTable> copy() const;

  /// The binary form of some subjects, from `from` on. Sets `from` to where the next chunk begins, or to none after the last
  /// one. Limits are written unless they are stored, and so are those of exceptions, which their names follow. Equal
  /// subjects give equal chunks.
  [[nodiscard]] std::string encoded_chunk(std::optional<SubjectHash>& from);
  /// Adds the subjects of a chunk. `stored` are the limits that all subjects have, or null if each has its own. `last` is the
  /// last subject of the chunk before, or none, and becomes the last one of this chunk. False if the bytes are anything else,
  /// if a subject is there already, or if they are not in ascending order; some may have been added then.
  [[nodiscard]] bool load_chunk(std::string_view chunk, const SharedLimits& stored, LimitsPool& pool,
                                std::optional<SubjectHash>& last);
  /// Adds what a chunk of a history says (history_codec.h) to that of this table. False if the bytes are anything else; the
  /// records before the fault have been added then.
  [[nodiscard]] bool load_history(std::string_view chunk);

  /// A number that differs if any subject differs. O(n).
  [[nodiscard]] std::uint64_t digest();

  /// Bytes of everything but the limits in the pool. What subjects own outside of their segments is estimated from a
  /// sample if they are many. `allocated` says what a piece of memory really takes.
  [[nodiscard]] std::size_t memory(std::size_t (*allocated)(const void*)) const;
  /// Allocations, estimated.
  [[nodiscard]] std::size_t pieces() const {
    return 1 + hash_table_.pieces() + (exceptions_ ? exceptions_->pieces() : 0) + history_.pieces();
  }

  /// Where the background sweep goes on.
  SubjectHash next_to_sweep = SubjectHash::smallest();

 private:
  /// As `find`, if there are exceptions. Out of the way of all other keys.
  [[nodiscard, gnu::cold]] std::optional<Subject> find_among_exceptions(SubjectHash hash);
  /// Calls `visit(hash, subject, name)` for all from `from` on, in the order of their hashes, until it returns false. The
  /// name is null unless the subject is an exception.
  template <class Visit>
  void for_each(SubjectHash from, Visit visit);
  [[nodiscard]] bool load_exception(SubjectHash hash, std::string_view name, Value::Pointer value);

  SubjectTableHead head_;
  HashTable hash_table_;
  std::unique_ptr<Exceptions> exceptions_;
  History history_;
  Tally* sum_ = nullptr;  ///< of all subjects; null before `tally_in`
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_STORAGE_SUBJECT_TABLE_H
