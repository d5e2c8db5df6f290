// SPDX-License-Identifier: MIT
// The section of the module in INFO.
#ifndef RATELIMIT_MODULE_SERVER_INFO_H
#define RATELIMIT_MODULE_SERVER_INFO_H

#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "server/context.h"

struct RedisModuleInfoCtx;

namespace ratelimit::server {

/// Writes the section, field by field.
class InfoSection {
 public:
  explicit InfoSection(RedisModuleInfoCtx* handle);
  void add(const char* field, std::uint64_t number) const;
  void add(const char* field, std::string_view text) const;
  /// A field of several numbers, each with its name.
  struct Part {
    const char* name;
    std::uint64_t number;
  };
  void add(const char* field, std::initializer_list<Part> parts) const;

 private:
  RedisModuleInfoCtx* handle_;
};

/// Lets the server call `write` for each INFO. False if the server refuses.
[[nodiscard]] bool register_info(Context context, void (*write)(RedisModuleInfoCtx*, int for_crash_report));

}  // namespace ratelimit::server

#endif  // RATELIMIT_MODULE_SERVER_INFO_H
