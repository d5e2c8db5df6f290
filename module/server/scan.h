// SPDX-License-Identifier: MIT
// A step of the server's own SCAN through the selected database.
#ifndef RATELIMIT_MODULE_SERVER_SCAN_H
#define RATELIMIT_MODULE_SERVER_SCAN_H

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "server/context.h"

struct RedisModuleCallReply;

namespace ratelimit::server {

struct ScanOptions {
  std::string_view cursor;   ///< 0, or where the step before ended
  std::string_view pattern;  ///< of the names of keys, as SCAN knows patterns
  const char* type;          ///< of the keys, as TYPE tells it
  std::int64_t count;        ///< of keys of any type to look at, about
};

class ScanStep {
 public:
  ScanStep(Context context, const ScanOptions& options);
  ScanStep(const ScanStep&) = delete;
  ScanStep& operator=(const ScanStep&) = delete;
  ~ScanStep();

  /// Whether the server has taken the step. If not, `reply_error` says why.
  [[nodiscard]] bool is_taken() const;
  void reply_error() const;

  /// Where the next step begins; 0 after the last one.
  [[nodiscard]] std::string_view next_cursor() const;
  /// The keys that were found. Their names live as long as this.
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::string_view name(std::size_t i) const;

 private:
  Context context_;
  RedisModuleCallReply* reply_;  ///< null if the server has no command SCAN
};

}  // namespace ratelimit::server

#endif  // RATELIMIT_MODULE_SERVER_SCAN_H
