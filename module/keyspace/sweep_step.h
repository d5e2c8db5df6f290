// SPDX-License-Identifier: MIT
// One step of the background sweep through the table of one key.
#ifndef RATELIMIT_MODULE_KEYSPACE_SWEEP_STEP_H
#define RATELIMIT_MODULE_KEYSPACE_SWEEP_STEP_H

#include <optional>
#include <string>

#include "keyspace/background_sweep.h"
#include "server/api.h"

namespace ratelimit {

/// Sweeps the next kSubjectsAStep subjects of that key, in the selected database: brings changed limits to them,
/// forgets idle ones, compacts their segments. If limits have changed so often that this is too much for one step, it
/// ends earlier. At the end of its table, a key that nobody needs is removed: no limits are stored, nobody is in the
/// table, and the key itself is idle. On a replica nothing is forgotten or removed, for the primary says what is. None
/// if the key has no table.
[[nodiscard]] std::optional<BackgroundSweep::Found> sweep_step(server::Context context, const std::string& name);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_KEYSPACE_SWEEP_STEP_H
