// SPDX-License-Identifier: MIT
// A module that asks RL.LIMITERS on its own behalf, built by the tests: no user is behind the call that it makes.
// OTHER.LIMITERS replies how many keys it was told.
#include <cstddef>

#include "other_module.h"

namespace {

using namespace other_module;

Reply* (*element_of)(Reply*, std::size_t);
std::size_t (*length_of)(Reply*);

int ask(Context* context, Text**, int) {
  Reply* const reply = call(context, "RL.LIMITERS", "ccc", "0", "COUNT", "1000");
  reply_number(context, reply == nullptr ? -1 : static_cast<long long>(length_of(element_of(reply, 1))));
  if (reply != nullptr) free_reply(reply);
  return kOk;
}

}  // namespace

extern "C" int RedisModule_OnLoad(Context* context, Text**, int) {
  const bool has_all = begin(context, "asker") && find("RedisModule_CallReplyArrayElement", element_of) &&
                       find("RedisModule_CallReplyLength", length_of);
  return has_all ? create_command(context, "other.limiters", ask, "readonly", 0, 0, 0) : kError;
}
