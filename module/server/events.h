// SPDX-License-Identifier: MIT
// Events of the server that the module listens to.
//
// To be registered while the module is loaded; each function returns false if the server refuses. Each kind of event has one
// listener: the one that was registered last.
#ifndef RATELIMIT_MODULE_SERVER_EVENTS_H
#define RATELIMIT_MODULE_SERVER_EVENTS_H

#include "server/context.h"

struct RedisModuleCtx;
struct RedisModuleString;

namespace ratelimit::server {

/// Called with the name of a key to which something happened.
using KeyListener = int (*)(RedisModuleCtx*, int type, const char* event, RedisModuleString* key);

/// Called right after the server forked a child.
[[nodiscard]] bool listen_to_forks(Context context, void (*listener)(RedisModuleCtx*));
/// Called when the server became a primary or a replica.
[[nodiscard]] bool listen_to_role_changes(Context context, void (*listener)(RedisModuleCtx*));
/// Called when a database is emptied.
[[nodiscard]] bool listen_to_flushes(Context context, void (*listener)());
/// Called when two databases trade their places, with their numbers.
[[nodiscard]] bool listen_to_swaps(Context context, void (*listener)(int first, int second));
/// Called for a key that has expired, after it was removed.
[[nodiscard]] bool listen_to_expiries(Context context, KeyListener listener);
/// Called for a key that was renamed, moved or copied, with its new name.
[[nodiscard]] bool listen_to_new_names(Context context, KeyListener listener);

}  // namespace ratelimit::server

#endif  // RATELIMIT_MODULE_SERVER_EVENTS_H
