// SPDX-License-Identifier: MIT
// The data type `ratelimit`: what the server does with our values on its own account, which is saving, loading,
// copying, freeing, measuring and comparing them.
#ifndef RATELIMIT_MODULE_KEYSPACE_DATA_TYPE_H
#define RATELIMIT_MODULE_KEYSPACE_DATA_TYPE_H

#include "server/api.h"

namespace ratelimit {

/// What TYPE tells of our keys. Nine characters, as the server demands: it is part of every RDB file.
inline constexpr const char* kTypeName = "ratelimit";

/// Registers the type; null if the server refuses.
[[nodiscard]] server::DataType register_data_type(server::Context context);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_KEYSPACE_DATA_TYPE_H
