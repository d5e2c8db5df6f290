// SPDX-License-Identifier: MIT
// What every call of a command has: the server that asks, the module that answers, and one reading of the clock.
//
// All that one call decides, it decides as of the same instant.
#ifndef RATELIMIT_MODULE_KEYSPACE_CALL_CONTEXT_H
#define RATELIMIT_MODULE_KEYSPACE_CALL_CONTEXT_H

#include "keyspace/module.h"
#include "ratelimit/units.h"
#include "server/api.h"

namespace ratelimit {

struct CallContext {
  server::Context server;
  Module& module;
  Instant now;
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_KEYSPACE_CALL_CONTEXT_H
