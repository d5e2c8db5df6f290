// SPDX-License-Identifier: MIT
// A module of its own, without rate limiting: what any command of a module costs, whatever it does. In C against the
// bare interface, so that nothing of ours is in it.
//
//   FLOOR.REPLY key     replies with five integers
//   FLOOR.OPEN key      opens the key for writing, changes the 16 bytes behind it, and replies with five integers.
//                       A key that does not exist is made, and ends after a day.
#include <redismodule.h>

static RedisModuleType* type;

typedef struct {
  long long calls;
  long long unused;  // 16 bytes, as the state of a token bucket
} Value;

static int reply_with_five(RedisModuleCtx* ctx, long long fourth) {
  RedisModule_ReplyWithArray(ctx, 5);
  RedisModule_ReplyWithLongLong(ctx, 1);
  RedisModule_ReplyWithLongLong(ctx, 1000000);
  RedisModule_ReplyWithLongLong(ctx, 999999);
  RedisModule_ReplyWithLongLong(ctx, fourth);
  return RedisModule_ReplyWithLongLong(ctx, 37113);
}

static int reply_only(RedisModuleCtx* ctx, RedisModuleString** argv, int argc) {
  (void)argv;
  if (argc != 2) return RedisModule_WrongArity(ctx);
  return reply_with_five(ctx, 0);
}

static Value* make(RedisModuleKey* key) {
  Value* value = RedisModule_Calloc(1, sizeof *value);
  RedisModule_ModuleTypeSetValue(key, type, value);
  RedisModule_SetExpire(key, 86400000);
  return value;
}

static int open_and_reply(RedisModuleCtx* ctx, RedisModuleString** argv, int argc) {
  if (argc != 2) return RedisModule_WrongArity(ctx);
  RedisModuleKey* key = RedisModule_OpenKey(ctx, argv[1], REDISMODULE_READ | REDISMODULE_WRITE);
  const int is_absent = RedisModule_KeyType(key) == REDISMODULE_KEYTYPE_EMPTY;
  if (!is_absent && RedisModule_ModuleTypeGetType(key) != type) {
    RedisModule_CloseKey(key);
    return RedisModule_ReplyWithError(ctx, REDISMODULE_ERRORMSG_WRONGTYPE);
  }
  Value* value = is_absent ? make(key) : RedisModule_ModuleTypeGetValue(key);
  const long long calls = ++value->calls;
  RedisModule_CloseKey(key);
  return reply_with_five(ctx, calls);
}

static void* load(RedisModuleIO* io, int version) {
  (void)version;
  Value* value = RedisModule_Calloc(1, sizeof *value);
  value->calls = RedisModule_LoadSigned(io);
  return value;
}

static void save(RedisModuleIO* io, void* value) { RedisModule_SaveSigned(io, ((Value*)value)->calls); }

int RedisModule_OnLoad(RedisModuleCtx* ctx, RedisModuleString** argv, int argc) {
  (void)argv;
  (void)argc;
  if (RedisModule_Init(ctx, "floor", 1, REDISMODULE_APIVER_1) == REDISMODULE_ERR) return REDISMODULE_ERR;
  RedisModule_SetModuleOptions(ctx, REDISMODULE_OPTION_NO_IMPLICIT_SIGNAL_MODIFIED);
  RedisModuleTypeMethods methods = {.version = REDISMODULE_TYPE_METHOD_VERSION, .rdb_load = load, .rdb_save = save};
  methods.free = RedisModule_Free;
  type = RedisModule_CreateDataType(ctx, "floorval1", 0, &methods);
  if (type == NULL) return REDISMODULE_ERR;
  if (RedisModule_CreateCommand(ctx, "floor.reply", reply_only, "readonly fast", 1, 1, 1) == REDISMODULE_ERR ||
      RedisModule_CreateCommand(ctx, "floor.open", open_and_reply, "write deny-oom fast", 1, 1, 1) == REDISMODULE_ERR) {
    return REDISMODULE_ERR;
  }
  return REDISMODULE_OK;
}
