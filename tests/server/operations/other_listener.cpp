// SPDX-License-Identifier: MIT
// A module that listens to the events of modules, built by the tests. It deletes each key of which it hears: the worst that
// a listener can do to whoever sends an event too early.
#include "other_module.h"

namespace {

using namespace other_module;

constexpr int kEventsOfModules = 1 << 13;

int (*subscribe)(Context*, int types, int (*)(Context*, int type, const char* event, Text* key));

int remove(Context* context, int, const char*, Text* key) {
  Reply* const reply = call(context, "DEL", "s!", key);
  if (reply != nullptr) free_reply(reply);
  return kOk;
}

}  // namespace

extern "C" int RedisModule_OnLoad(Context* context, Text**, int) {
  const bool has_all = begin(context, "listener") && find("RedisModule_SubscribeToKeyspaceEvents", subscribe);
  return has_all ? subscribe(context, kEventsOfModules, remove) : kError;
}
