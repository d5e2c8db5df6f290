// SPDX-License-Identifier: MIT
// What a key holds that has a subject table: the table, and the key's own subject beside it.
#ifndef RATELIMIT_MODULE_STORAGE_TABLE_VALUE_H
#define RATELIMIT_MODULE_STORAGE_TABLE_VALUE_H

#include <cstdint>
#include <memory>

#include "storage/subject_table.h"
#include "storage/value.h"

namespace ratelimit {

struct TableValue {
  // No other form begins with these two bits: a value begins with a pointer, whose lowest bits are 0, and a compact value
  // with a bit that is 1.
  static constexpr std::uint64_t kMark = 0b10;

  /// Whether `stored`, which the server holds for a key, is a table value.
  [[nodiscard]] static bool is(const void* stored) {
    return (*static_cast<const unsigned char*>(stored) & 0b11U) == kMark;
  }

  std::uint64_t mark = kMark;
  /// Always has room for reservations. Its limits are those of all subjects, if the table stores limits.
  Value::Pointer own;
  std::unique_ptr<SubjectTable> table;
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_STORAGE_TABLE_VALUE_H
