// SPDX-License-Identifier: MIT
// Whatever the module allocates comes from the server, so that INFO memory, MEMORY USAGE and maxmemory see it. The
// symbols stay inside the module. Nothing may be allocated before the server has handed over its API: the module has
// no static objects.
#include <cstddef>
#include <new>

#include "server/process.h"

// The standard says that these throw when memory is out. The server's allocator ends the process instead, as it does
// for the server's own data.
void* operator new(std::size_t bytes) { return ratelimit::server::allocate(bytes); }
void* operator new[](std::size_t bytes) { return ratelimit::server::allocate(bytes); }
void operator delete(void* memory) noexcept { ratelimit::server::deallocate(memory); }
void operator delete[](void* memory) noexcept { ratelimit::server::deallocate(memory); }
void operator delete(void* memory, std::size_t) noexcept { ratelimit::server::deallocate(memory); }
void operator delete[](void* memory, std::size_t) noexcept { ratelimit::server::deallocate(memory); }
