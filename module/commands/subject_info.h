// SPDX-License-Identifier: MIT
// What RL.INFO says of one subject: its limits and what is used of them, its leases and holds, and why a call is denied.
#ifndef RATELIMIT_MODULE_COMMANDS_SUBJECT_INFO_H
#define RATELIMIT_MODULE_COMMANDS_SUBJECT_INFO_H

#include <cstddef>

#include "keyspace/key_session.h"
#include "server/api.h"

namespace ratelimit {

/// So many of the leases of a limit, and of the holds of a subject, are listed: those that end first. And so many of the
/// exceptions of a key.
inline constexpr std::size_t kMostListed = 128;

/// Replies what there is of the subject of a session, which has found it: so many names, each with a value.
inline constexpr std::size_t kFieldsOfSubject = 9;
void reply_subject(const server::Context& context, const KeySession& session, Instant now);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_COMMANDS_SUBJECT_INFO_H
