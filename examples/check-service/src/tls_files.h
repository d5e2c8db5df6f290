// SPDX-License-Identifier: MIT
// The certificate of the doors as its files have it: read once, so that all doors show the same. Depends on the settings.
#ifndef RATELIMIT_SERVICE_TLS_FILES_H
#define RATELIMIT_SERVICE_TLS_FILES_H

#include <string>

#include "settings.h"

namespace ratelimit::service {

/// Texts in PEM; a text is empty if the settings name no file.
struct TlsFiles {
  std::string certificate{};
  std::string key{};
  std::string authorities{};
};

/// Throws std::runtime_error, which says the setting whose file cannot be read, or is empty.
[[nodiscard]] TlsFiles read_tls_files(const ListenTls& settings);

}  // namespace ratelimit::service

#endif  // RATELIMIT_SERVICE_TLS_FILES_H
