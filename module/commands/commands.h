// SPDX-License-Identifier: MIT
// The handlers of all commands, for the command table. Each is documented there, by its row.
#ifndef RATELIMIT_MODULE_COMMANDS_COMMANDS_H
#define RATELIMIT_MODULE_COMMANDS_COMMANDS_H

#include <optional>

#include "commands/call.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/grammar/fault.h"

namespace ratelimit::commands {

// check.cpp
std::optional<Fault> check(const Call& call);
/// The command that is named after an algorithm.
std::optional<Fault> check_one_limit(const Call& call, Algorithm algorithm);

// peek.cpp
std::optional<Fault> peek(const Call& call);

// reserve.cpp
std::optional<Fault> reserve(const Call& call);
std::optional<Fault> settle(const Call& call);

// reserve_all.cpp
std::optional<Fault> reserve_all(const Call& call);
std::optional<Fault> settle_all(const Call& call);

// refund.cpp
std::optional<Fault> refund(const Call& call);

// release.cpp
std::optional<Fault> release(const Call& call);

// block.cpp
std::optional<Fault> block(const Call& call);

// reset.cpp
std::optional<Fault> reset(const Call& call);

// transfer.cpp
std::optional<Fault> transfer(const Call& call);

// info.cpp
std::optional<Fault> info(const Call& call);

// check_all.cpp
std::optional<Fault> check_all(const Call& call);

// check_each.cpp
std::optional<Fault> check_each(const Call& call);

// define.cpp
std::optional<Fault> define(const Call& call);

// throttle.cpp
std::optional<Fault> throttle(const Call& call);

// top.cpp
std::optional<Fault> top(const Call& call);

// log.cpp
std::optional<Fault> log(const Call& call);

// limiters.cpp
std::optional<Fault> limiters(const Call& call);

// effect.cpp
std::optional<Fault> effect(const Call& call);

// debug.cpp
std::optional<Fault> debug(const Call& call);

}  // namespace ratelimit::commands

#endif  // RATELIMIT_MODULE_COMMANDS_COMMANDS_H
