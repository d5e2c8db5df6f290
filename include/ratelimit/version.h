// The version of the project. CMake reads it from here.
#ifndef RATELIMIT_VERSION_H
#define RATELIMIT_VERSION_H

namespace ratelimit {

inline constexpr const char* kVersion = "0.1.0";

/// The same as one number, as MODULE LIST shows it: ten thousands, hundreds and units.
inline constexpr int kVersionNumber = 100;

}  // namespace ratelimit

#endif  // RATELIMIT_VERSION_H
