// SPDX-License-Identifier: MIT
// For modules other than ours, which the tests build, each from one file, and load beside ours. A module asks the server for
// its functions by name, as every module does, and needs no redismodule.h for that.
#ifndef RATELIMIT_TESTS_SUPPORT_OTHER_MODULE_H
#define RATELIMIT_TESTS_SUPPORT_OTHER_MODULE_H

// What is static here, each module has for itself, however many of them a server loads.
namespace other_module {

struct Context;
struct Text;
struct Reply;

constexpr int kOk = 0;
constexpr int kError = 1;

static int (*get_api)(const char*, void*);
static int (*set_attributes)(Context*, const char*, int version, int api_version);
static int (*create_command)(Context*, const char*, int (*)(Context*, Text**, int), const char*, int, int, int);
static Reply* (*call)(Context*, const char* command, const char* format, ...);
static void (*free_reply)(Reply*);
static int (*reply_number)(Context*, long long);

template <class Function>
bool find(const char* name, Function*& function) {
  return get_api(name, reinterpret_cast<void*>(&function)) == kOk;
}

/// Finds the functions above. It comes first, and gives the module its name.
static bool begin(Context* context, const char* name) {
  get_api = *reinterpret_cast<int (**)(const char*, void*)>(context);
  const bool has_all = find("RedisModule_SetModuleAttribs", set_attributes) &&
                       find("RedisModule_CreateCommand", create_command) && find("RedisModule_Call", call) &&
                       find("RedisModule_FreeCallReply", free_reply) &&
                       find("RedisModule_ReplyWithLongLong", reply_number);
  if (has_all) set_attributes(context, name, 1, 1);
  return has_all;
}

}  // namespace other_module

#endif  // RATELIMIT_TESTS_SUPPORT_OTHER_MODULE_H
