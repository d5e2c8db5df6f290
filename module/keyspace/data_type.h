// The data type `ratelimit`: what the server does with our values on its own account, which is saving, loading,
// copying, freeing, measuring and comparing them.
#ifndef RATELIMIT_MODULE_KEYSPACE_DATA_TYPE_H
#define RATELIMIT_MODULE_KEYSPACE_DATA_TYPE_H

#include <cstddef>

#include "ratelimit/units.h"
#include "server/api.h"

namespace ratelimit {

/// The command that puts an encoded value into a key: how a state reaches replicas and append-only files.
inline constexpr const char* kStoreCommand = "RL._STORE";

/// The command that carries out a granted call on a value that is there already: how the change to a log reaches a replica.
inline constexpr const char* kApplyCommand = "RL._APPLY";

/// The command that does an operation on a value that is there already: how it reaches a replica.
inline constexpr const char* kPerformCommand = "RL._PERFORM";

/// The commands that store limits in a key, that forget subjects of a key which are idle, and that put a chunk of subjects
/// into a key when an append-only file is rewritten.
inline constexpr const char* kDefineCommand = "RL._DEFINE";
inline constexpr const char* kSweepCommand = "RL._SWEEP";
inline constexpr const char* kFillCommand = "RL._FILL";

/// Bytes that what the server holds for a key takes, without the limits that keys share.
[[nodiscard]] std::size_t memory_of(const void* stored);

/// By how much the server's wall clock is ahead of the clock of decisions: nothing, unless it was stepped.
[[nodiscard]] Span wall_clock_lead(Instant now);

/// Registers the type; null if the server refuses.
[[nodiscard]] server::DataType register_data_type(server::Context context);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_KEYSPACE_DATA_TYPE_H
