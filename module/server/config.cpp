// SPDX-License-Identifier: MIT
#include "server/config.h"

#include <cstddef>
#include <vector>

#include "server/door.h"

namespace ratelimit::server {
namespace {

long long number_at(const char*, void* place) { return *static_cast<std::int64_t*>(place); }
int set_number(const char*, long long number, void* place, RedisModuleString**) {
  *static_cast<std::int64_t*>(place) = number;
  return REDISMODULE_OK;
}

int flag_at(const char*, void* place) { return *static_cast<bool*>(place) ? 1 : 0; }
int set_flag(const char*, int flag, void* place, RedisModuleString**) {
  *static_cast<bool*>(place) = flag != 0;
  return REDISMODULE_OK;
}

}  // namespace

bool register_number(Context context, const char* name, std::int64_t& place, std::int64_t least, std::int64_t most) {
  return RedisModule_RegisterNumericConfig(context.handle(), name, place, REDISMODULE_CONFIG_DEFAULT, least, most,
                                           number_at, set_number, nullptr, &place) == REDISMODULE_OK;
}

bool register_fixed_flag(Context context, const char* name, bool& place) {
  return RedisModule_RegisterBoolConfig(context.handle(), name, place ? 1 : 0, REDISMODULE_CONFIG_IMMUTABLE, flag_at,
                                        set_flag, nullptr, &place) == REDISMODULE_OK;
}

// The server copies the words.
bool register_choice(Context context, const char* name, const ChoiceAccess& access,
                     std::span<const std::string_view> words) {
  std::vector<const char*> texts;
  std::vector<int> positions;
  for (std::size_t i = 0; i < words.size(); ++i) {
    texts.push_back(words[i].data());
    positions.push_back(static_cast<int>(i));
  }
  return RedisModule_RegisterEnumConfig(context.handle(), name, access.get(name, access.place),
                                        REDISMODULE_CONFIG_DEFAULT, texts.data(), positions.data(),
                                        static_cast<int>(words.size()), access.get, access.set, nullptr,
                                        access.place) == REDISMODULE_OK;
}

bool load_settings(Context context) { return RedisModule_LoadConfigs(context.handle()) == REDISMODULE_OK; }

}  // namespace ratelimit::server
