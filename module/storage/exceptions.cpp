// SPDX-License-Identifier: MIT
#include "storage/exceptions.h"

namespace ratelimit {

std::size_t Exceptions::memory(std::size_t (*allocated)(const void*)) const {
  constexpr std::size_t kLinks = 4 * sizeof(void*);  // of a node of the map
  std::size_t bytes = allocated(this) + subjects_.bytes() + subjects_.bytes_outside(allocated);
  for (const auto& [hash, name] : names_) {
    bytes += sizeof(Names::value_type) + kLinks;
    const bool is_in_node = name.capacity() <= std::string().capacity();
    if (!is_in_node) bytes += name.capacity() + 1;
  }
  return bytes;
}

}  // namespace ratelimit
