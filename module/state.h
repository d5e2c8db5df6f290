// What the module keeps for as long as it is loaded.
//
// The server calls commands and methods of data types without any pointer of ours, so there must be one variable that
// outlives the calls. This is it; it is set once, by the loading of the module, and everything else hangs from it.
#ifndef RATELIMIT_MODULE_STATE_H
#define RATELIMIT_MODULE_STATE_H

#include "clock.h"
#include "early_expiries.h"
#include "followers.h"
#include "housekeeping.h"
#include "limits_pool.h"
#include "server/api.h"

namespace ratelimit {

struct Module {
  Clock clock;
  LimitsPool limits;
  EarlyExpiries early_expiries;
  Followers followers;
  Housekeeping housekeeping;
  server::DataType data_type = nullptr;
};

/// The module, once it is loaded.
[[nodiscard]] Module& module();

/// Makes the module; called once, when the server's memory can be used.
void create_module();

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_STATE_H
