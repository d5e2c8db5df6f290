// SPDX-License-Identifier: MIT
// The only use of libsodium. It needs no sodium_init, which opens the source of randomness and picks functions for the
// processor: this function has one version and no state.
#include "storage/keyed_hash.h"

#include <sodium/crypto_shorthash_siphash24.h>

#include <bit>
#include <cstddef>

namespace ratelimit {

static_assert(crypto_shorthash_siphash24_KEYBYTES == std::tuple_size_v<HashSecret>);

std::uint64_t keyed_hash(const HashSecret& secret, std::string_view bytes) {
  std::array<std::uint8_t, crypto_shorthash_siphash24_BYTES> output;
  crypto_shorthash_siphash24(output.data(), reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(),
                             secret.data());
  if constexpr (std::endian::native == std::endian::little) return std::bit_cast<std::uint64_t>(output);
  std::uint64_t hash = 0;
  for (std::size_t i = output.size(); i > 0; --i) hash = hash << 8U | output[i - 1];
  return hash;
}

}  // namespace ratelimit
