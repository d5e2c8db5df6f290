// SPDX-License-Identifier: MIT
// The binary form of a history: chunks of records, as docs/format.md describes them.
//
// The form is canonical: equal histories give equal chunks. Hashes are not written. The reader computes them from the
// names, so that no bytes can put a name where calls of another subject are counted.
#ifndef RATELIMIT_MODULE_STORAGE_HISTORY_CODEC_H
#define RATELIMIT_MODULE_STORAGE_HISTORY_CODEC_H

#include <functional>
#include <string>
#include <string_view>

#include "storage/history.h"
#include "storage/subject_hash.h"

namespace ratelimit {

/// Calls `write` for each chunk of a history, in order; never for one without a record. No chunk is longer than
/// kChunkBytes and one record. O(n).
void encode_history(const History& history, const std::function<void(const std::string& chunk)>& write);

/// Adds the records of the chunk that follows those which the history was made of. `hash_of` gives the hash of a subject's
/// name. False if no writer writes these bytes there; the records before the fault have been added then.
[[nodiscard]] bool decode_history(std::string_view chunk, History& history,
                                  const std::function<SubjectHash(std::string_view name)>& hash_of);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_STORAGE_HISTORY_CODEC_H
