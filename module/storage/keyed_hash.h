// SPDX-License-Identifier: MIT
// The hash by which a dense key finds its subjects. It is keyed, because strangers choose the names of subjects: they must
// not be able to find many names whose hashes are alike.
//
// SipHash-2-4 of 64 bits (Aumasson, Bernstein, 2012), by libsodium (docs/adr/0014-subjects-are-hashed-by-libsodium.md).
#ifndef RATELIMIT_MODULE_STORAGE_KEYED_HASH_H
#define RATELIMIT_MODULE_STORAGE_KEYED_HASH_H

#include <array>
#include <cstdint>
#include <string_view>

namespace ratelimit {

using HashSecret = std::array<std::uint8_t, 16>;

/// The hash is the same on every machine for the same secret and bytes, so it may be sent to replicas. O(bytes). Allocates
/// nothing. Callable from any thread.
[[nodiscard]] std::uint64_t keyed_hash(const HashSecret& secret, std::string_view bytes);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_STORAGE_KEYED_HASH_H
