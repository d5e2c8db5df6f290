// SPDX-License-Identifier: MIT
// The section of the module in INFO.
#ifndef RATELIMIT_MODULE_SERVER_INFO_H
#define RATELIMIT_MODULE_SERVER_INFO_H

#include <cstdint>

#include "server/context.h"

struct RedisModuleInfoCtx;

namespace ratelimit::server {

/// Writes the section, field by field.
class InfoSection {
 public:
  explicit InfoSection(RedisModuleInfoCtx* handle);
  void add(const char* field, std::uint64_t number) const;

 private:
  RedisModuleInfoCtx* handle_;
};

/// Lets the server call `write` for each INFO. False if the server refuses.
[[nodiscard]] bool register_info(Context context, void (*write)(RedisModuleInfoCtx*, int for_crash_report));

}  // namespace ratelimit::server

#endif  // RATELIMIT_MODULE_SERVER_INFO_H
