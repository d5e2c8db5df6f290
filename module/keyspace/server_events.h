// SPDX-License-Identifier: MIT
// What the server tells the module of its own accord: that keys expired, have new names or are gone, that databases traded
// their places, that it forked or changed its role.
#ifndef RATELIMIT_MODULE_KEYSPACE_SERVER_EVENTS_H
#define RATELIMIT_MODULE_KEYSPACE_SERVER_EVENTS_H

#include "server/api.h"

namespace ratelimit {

/// Registers for all of it. False if the server refuses.
[[nodiscard]] bool listen_to_server_events(server::Context context);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_KEYSPACE_SERVER_EVENTS_H
