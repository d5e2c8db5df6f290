// SPDX-License-Identifier: MIT
// The version of the project. CMake reads it from here. Depends on nothing.
#ifndef RATELIMIT_VERSION_H
#define RATELIMIT_VERSION_H

namespace ratelimit {

inline constexpr const char* kVersion = "0.1.0";

/// The version as one number, which MODULE LIST shows: 10000 * major + 100 * minor + patch.
inline constexpr int kVersionNumber = 100;

}  // namespace ratelimit

#endif  // RATELIMIT_VERSION_H
