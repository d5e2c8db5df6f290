// SPDX-License-Identifier: MIT
// What the C++ library would ask of an operating system, cut off: the core asks for nothing but memory. Where the library
// gives up, it would print why; here it ends at once, and the page shows an error.
#include <cstdarg>

#include <__verbose_abort>

[[noreturn]] void std::__libcpp_verbose_abort(const char* /*format*/, ...) { __builtin_trap(); }

extern "C" [[noreturn]] void abort_message(const char* /*format*/, ...) { __builtin_trap(); }

// Who asks for a random number is the table of subjects in a pasted log, lest strangers aim at collisions. The strangers
// are the page's own user here.
extern "C" int getentropy(void* buffer, unsigned long bytes) {
  for (unsigned long i = 0; i < bytes; ++i) static_cast<unsigned char*>(buffer)[i] = 0x5A;
  return 0;
}
