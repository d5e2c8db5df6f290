// SPDX-License-Identifier: MIT
// A module that has CL.THROTTLE already, built by the tests: as far as a server can see it does what redis-cell does. It
// keeps the arrival time as a string that expires, and replicates the question, also when it refuses.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "other_module.h"

namespace {

using namespace other_module;

struct Key;

constexpr int kRead = 1;
constexpr int kWrite = 2;

Key* (*open_key)(Context*, Text*, int mode);
void (*close_key)(Key*);
char* (*string_of)(Key*, std::size_t*, int mode);
int (*set_string)(Key*, Text*);
int (*set_expire)(Key*, long long milliseconds);
Text* (*create_text)(Context*, long long);
void (*free_text)(Context*, Text*);
int (*to_number)(const Text*, long long*);
int (*reply_list)(Context*, long);
int (*replicate_call)(Context*);

bool find_all() {
  return find("RedisModule_OpenKey", open_key) && find("RedisModule_CloseKey", close_key) &&
         find("RedisModule_StringDMA", string_of) && find("RedisModule_StringSet", set_string) &&
         find("RedisModule_SetExpire", set_expire) && find("RedisModule_CreateStringFromLongLong", create_text) &&
         find("RedisModule_FreeString", free_text) && find("RedisModule_StringToLongLong", to_number) &&
         find("RedisModule_ReplyWithArray", reply_list) && find("RedisModule_ReplicateVerbatim", replicate_call);
}

long long unix_time() {
  using namespace std::chrono;
  return duration_cast<nanoseconds>(system_clock::now().time_since_epoch()).count();
}

int throttle(Context* context, Text** words, int count) {
  long long numbers[4] = {0, 0, 0, 1};  // max_burst, count, period, quantity
  for (int i = 2; i < count && i < 6; ++i) to_number(words[i], &numbers[i - 2]);
  const auto [burst, units, period, quantity] = numbers;
  const long long interval = period * 1'000'000'000 / std::max(units, 1LL);

  Key* key = open_key(context, words[1], kRead | kWrite);
  std::size_t size = 0;
  const char* bytes = string_of(key, &size, kRead);
  const long long now = unix_time();
  const long long before = size > 0 ? std::stoll(std::string(bytes, size)) : now;
  const long long after = std::max(before, now) + interval * quantity;
  const bool refused = after - now > interval * (burst + 1);
  if (!refused) {
    Text* text = create_text(context, after);
    set_string(key, text);
    set_expire(key, (after - now) / 1'000'000);
    free_text(context, text);
  }
  close_key(key);
  reply_list(context, 2);
  reply_number(context, refused ? 1 : 0);
  reply_number(context, burst + 1);
  replicate_call(context);
  return kOk;
}

}  // namespace

extern "C" int RedisModule_OnLoad(Context* context, Text**, int) {
  if (!begin(context, "other") || !find_all()) return kError;
  return create_command(context, "cl.throttle", throttle, "write", 1, 1, 1);
}
