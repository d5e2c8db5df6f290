// SPDX-License-Identifier: MIT
// What the limits mean, as plainly as it can be said: the second opinion that the core has to agree with.
//
// A bucket is something owed that is paid off, a window a counter with an end, a sliding log a list of times and a
// loop, leases and holds are lists, and so are accounts. Slow on purpose, and nothing here is shared with the core but
// its words: units, limits as they are written, requests and operations.
#ifndef RATELIMIT_TESTS_CORE_ORACLE_H
#define RATELIMIT_TESTS_CORE_ORACLE_H

#include "oracle/list.h"
#include "oracle/model.h"
#include "oracle/subject.h"

#endif  // RATELIMIT_TESTS_CORE_ORACLE_H
