// SPDX-License-Identifier: MIT
#include "server/command.h"

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "server/acl.h"
#include "server/door.h"

namespace ratelimit::server {
namespace {

std::uint64_t wire_key_flags(KeyUse use) {
  switch (use) {
    case KeyUse::none: return 0;
    case KeyUse::read: return REDISMODULE_CMD_KEY_RO | REDISMODULE_CMD_KEY_ACCESS;
    case KeyUse::update:
    case KeyUse::update_two:
    case KeyUse::update_many: return kUpdatesKey;
  }
  return 0;
}

RedisModuleCommandArgType wire_type(ArgumentDoc::Type type) {
  switch (type) {
    case ArgumentDoc::Type::key: return REDISMODULE_ARG_TYPE_KEY;
    case ArgumentDoc::Type::integer: return REDISMODULE_ARG_TYPE_INTEGER;
    case ArgumentDoc::Type::string: return REDISMODULE_ARG_TYPE_STRING;
    case ArgumentDoc::Type::token: return REDISMODULE_ARG_TYPE_PURE_TOKEN;
    case ArgumentDoc::Type::block: return REDISMODULE_ARG_TYPE_BLOCK;
    case ArgumentDoc::Type::one_of: return REDISMODULE_ARG_TYPE_ONEOF;
  }
  return REDISMODULE_ARG_TYPE_STRING;
}

/// Keeps the lists that the server reads while it registers one command: a deque, so that none of them moves.
using ArgumentLists = std::deque<std::vector<RedisModuleCommandArg>>;

RedisModuleCommandArg* wire_arguments(std::span<const ArgumentDoc> docs, ArgumentLists& lists) {
  if (docs.empty()) return nullptr;
  std::vector<RedisModuleCommandArg> list;
  for (const ArgumentDoc& doc : docs) {
    RedisModuleCommandArg arg{};
    arg.name = doc.name;
    arg.type = wire_type(doc.type);
    arg.key_spec_index = doc.type == ArgumentDoc::Type::key ? 0 : -1;
    arg.token = doc.token;
    arg.flags = (doc.optional ? REDISMODULE_CMD_ARG_OPTIONAL : 0) | (doc.repeats ? REDISMODULE_CMD_ARG_MULTIPLE : 0) |
                (doc.repeats_token ? REDISMODULE_CMD_ARG_MULTIPLE_TOKEN : 0);
    arg.subargs = wire_arguments(doc.parts, lists);
    list.push_back(arg);
  }
  list.push_back({});  // the end, to the server
  return lists.emplace_back(std::move(list)).data();
}

}  // namespace

Registration register_command(Context context, const CommandDescription& command) {
  // The specification of keys below is for those who ask the server; the server itself routes calls in a cluster by these
  // positions or, where there is no fixed one, by asking the command.
  const bool has_many = command.key == KeyUse::update_many;
  const int key = command.key == KeyUse::none || has_many ? 0 : 1;
  const int after_first = command.key == KeyUse::update_two ? 1 : 0;
  const std::string flags = std::string(command.flags) + (has_many ? " getkeys-api" : "");
  if (RedisModule_CreateCommand(context.handle(), command.name, command.function, flags.c_str(), key, key + after_first,
                                key) != REDISMODULE_OK) {
    return Registration::name_taken;  // names, flags and positions are constants of ours: there is no other reason
  }
  RedisModuleCommandKeySpec key_specs[2]{};
  key_specs[0].flags = wire_key_flags(command.key);
  key_specs[0].begin_search_type = REDISMODULE_KSPEC_BS_INDEX;
  key_specs[0].bs.index.pos = 1;
  if (command.key == KeyUse::update_many) {
    key_specs[0].find_keys_type = REDISMODULE_KSPEC_FK_KEYNUM;
    key_specs[0].fk.keynum = {.keynumidx = 0, .firstkey = 1, .keystep = 1};
  } else {
    key_specs[0].find_keys_type = REDISMODULE_KSPEC_FK_RANGE;
    key_specs[0].fk.range = {.lastkey = after_first, .keystep = 1, .limit = 0};
  }

  ArgumentLists lists;
  RedisModuleCommandInfo info{};
  info.version = REDISMODULE_COMMAND_INFO_VERSION;
  info.summary = command.summary;
  info.complexity = command.complexity;
  info.since = command.since;
  info.arity = command.arity;
  info.key_specs = command.key == KeyUse::none ? nullptr : key_specs;
  info.args = wire_arguments(command.arguments, lists);
  RedisModuleCommand* registered = RedisModule_GetCommand(context.handle(), command.name);
  const bool is_done = RedisModule_SetCommandInfo(registered, &info) == REDISMODULE_OK &&
                       set_acl_categories(registered, command.categories);
  return is_done ? Registration::done : Registration::refused;
}

}  // namespace ratelimit::server
