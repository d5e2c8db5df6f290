// SPDX-License-Identifier: MIT
#include "keyspace/module.h"

namespace ratelimit {
namespace {

Module* the_module = nullptr;

}  // namespace

Module& module() { return *the_module; }

// Never destroyed: the server does not unload a module that has a data type.
void create_module(FindZone find_zone, BackgroundSweep::Step step) { the_module = new Module(find_zone, step); }

}  // namespace ratelimit
