// SPDX-License-Identifier: MIT
// How many keys and subjects there are, by their forms. Reading it takes no time, however many there are.
//
// Keys may be freed by a thread of the server's own, hence the atomic counters.
#ifndef RATELIMIT_MODULE_KEYSPACE_CENSUS_H
#define RATELIMIT_MODULE_KEYSPACE_CENSUS_H

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "storage/stored_value.h"
#include "storage/tally.h"

namespace ratelimit {

class Census {
 public:
  /// A key has this value from now on.
  void add(const StoredValue& value) {
    of(value.form()) += 1;
    if (value.is_stored()) limiters_ += 1;
    if (SubjectTable* const table = value.subject_table()) table->tally_in(subjects_);
  }
  /// A value that was added is about to be freed.
  void remove(const StoredValue& value) {
    of(value.form()) -= 1;
    if (value.is_stored()) limiters_ -= 1;
  }
  /// A key that was added stores limits from now on.
  void note_limiter() { limiters_ += 1; }

  [[nodiscard]] std::uint64_t keys(StoredValue::Form form) const { return read(keys_[static_cast<std::size_t>(form)]); }
  [[nodiscard]] std::uint64_t limiters() const { return read(limiters_); }
  [[nodiscard]] std::uint64_t subjects() const { return read(subjects_.number); }

 private:
  using Number = std::atomic<std::int64_t>;

  [[nodiscard]] static std::uint64_t read(const Number& number) {
    return static_cast<std::uint64_t>(number.load(std::memory_order_relaxed));
  }
  [[nodiscard]] Number& of(StoredValue::Form form) { return keys_[static_cast<std::size_t>(form)]; }

  std::array<Number, 3> keys_{};
  Number limiters_{0};
  Tally subjects_;
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_KEYSPACE_CENSUS_H
