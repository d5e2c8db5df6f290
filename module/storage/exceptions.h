// SPDX-License-Identifier: MIT
// The subjects of a limiter that have limits of their own (RL.DEFINE … FOR).
//
// They stand beside the table of all others: no change of the key's limits reaches them, nobody here is forgotten for being
// idle, and their names are kept. A key without exceptions has no such object.
#ifndef RATELIMIT_MODULE_STORAGE_EXCEPTIONS_H
#define RATELIMIT_MODULE_STORAGE_EXCEPTIONS_H

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "ratelimit/units.h"
#include "storage/hash_table.h"
#include "storage/subject.h"
#include "storage/subject_hash.h"
#include "storage/value.h"

namespace ratelimit {

class Exceptions {
 public:
  /// How many a key may have.
  static constexpr std::size_t kMost = kMaxExceptions;
  using Names = std::map<SubjectHash, std::string>;

  [[nodiscard]] std::size_t size() const { return names_.size(); }
  /// The names of all, in the order of their hashes.
  [[nodiscard]] const Names& names() const { return names_; }

  /// The subject with its own limits; none if it is no exception. O(1).
  [[nodiscard]] std::optional<Subject> find(SubjectHash hash) { return subjects_.find(hash); }
  /// Puts a subject in place of the exception with that hash, or adds one.
  void put(SubjectHash hash, std::string_view name, Value::Pointer value) {
    names_.try_emplace(hash, name);
    subjects_.put(hash, std::move(value));
  }
  /// The same for an exception that is there.
  Subject put(SubjectHash hash, Value::Pointer value) { return subjects_.put(hash, std::move(value)); }
  /// Removes an exception, which must be there, and what its subject has used. All views of subjects are void then.
  void remove(SubjectHash hash) {
    subjects_.remove(hash);
    names_.erase(hash);
  }

  /// From now on the number of exceptions is in that sum, too.
  void tally_in(Tally& sum) { subjects_.tally_in(sum); }

  /// Bytes of everything but the limits. `allocated` says what a piece of memory really takes.
  [[nodiscard]] std::size_t memory(std::size_t (*allocated)(const void*)) const;
  /// Allocations, estimated.
  [[nodiscard]] std::size_t pieces() const { return 1 + names_.size() + subjects_.pieces(); }

 private:
  HashTable subjects_;
  Names names_;
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_STORAGE_EXCEPTIONS_H
