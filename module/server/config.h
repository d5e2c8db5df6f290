// SPDX-License-Identifier: MIT
// Settings of the module that the server keeps: CONFIG GET and CONFIG SET know them, CONFIG REWRITE saves them.
//
// The server calls a setting by the module's name, a dot, and the name that is given here. A setting has its place in
// memory, which outlives the module's use: what stands there when the setting is registered is its default. To be
// registered while the module is loaded, before `load_settings`. Each function returns false if the server refuses.
#ifndef RATELIMIT_MODULE_SERVER_CONFIG_H
#define RATELIMIT_MODULE_SERVER_CONFIG_H

#include <cstdint>
#include <span>
#include <string_view>

#include "server/context.h"

struct RedisModuleString;

namespace ratelimit::server {

/// An integer from `least` to `most`.
[[nodiscard]] bool register_number(Context context, const char* name, std::int64_t& place, std::int64_t least,
                                   std::int64_t most);

/// `yes` or `no`, set when the module is loaded and not later.
[[nodiscard]] bool register_fixed_flag(Context context, const char* name, bool& place);

/// How the server reads and sets one of several words, by its position among them.
struct ChoiceAccess {
  void* place;
  int (*get)(const char* name, void* place);
  int (*set)(const char* name, int position, void* place, RedisModuleString** error);
};
[[nodiscard]] bool register_choice(Context context, const char* name, const ChoiceAccess& access,
                                   std::span<const std::string_view> words);

/// One of several words, which end with a zero byte each and stand in the order of the values of `Enum`.
template <class Enum>
[[nodiscard]] bool register_choice(Context context, const char* name, Enum& place,
                                   std::span<const std::string_view> words) {
  constexpr int kOk = 0;
  const ChoiceAccess access{
      .place = &place,
      .get = [](const char*, void* at) { return static_cast<int>(*static_cast<Enum*>(at)); },
      .set = [](const char*, int position, void* at,
                RedisModuleString**) { return *static_cast<Enum*>(at) = static_cast<Enum>(position), kOk; },
  };
  return register_choice(context, name, access, words);
}

/// Gives all settings the values that the server was told before: in its configuration file, or by MODULE LOADEX. The
/// server's log says which of them is wrong.
[[nodiscard]] bool load_settings(Context context);

}  // namespace ratelimit::server

#endif  // RATELIMIT_MODULE_SERVER_CONFIG_H
