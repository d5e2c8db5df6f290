// SPDX-License-Identifier: MIT
// Secrets that stand in files, as container platforms hand them over. A line feed at the end of a file does not count. std only.
#ifndef RATELIMIT_SERVICE_SECRET_FILES_H
#define RATELIMIT_SERVICE_SECRET_FILES_H

#include <optional>
#include <string>

namespace ratelimit::service {

/// What is wrong; if nothing is, `target` has the password that the file holds, else it stays as it was.
[[nodiscard]] std::optional<std::string> read_password(const std::string& path, std::string& target);

/// Likewise, a token: it is sent in a header as it is, and must not be guessed.
[[nodiscard]] std::optional<std::string> read_token(const std::string& path, std::string& target);

}  // namespace ratelimit::service

#endif  // RATELIMIT_SERVICE_SECRET_FILES_H
