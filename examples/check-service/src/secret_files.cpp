// SPDX-License-Identifier: MIT
#include "secret_files.h"

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <utility>

namespace ratelimit::service {

std::optional<std::string> read_password(const std::string& path, std::string& target) {
  std::ifstream file(path);
  std::string password;
  if (!file || !std::getline(file, password) || password.empty()) {
    return "must be a file that can be read, with a password";
  }
  target = std::move(password);
  return std::nullopt;
}

std::optional<std::string> read_token(const std::string& path, std::string& target) {
  constexpr std::size_t kShortest = 16;
  constexpr std::size_t kLongest = 512;
  std::string token;
  if (read_password(path, token)) return "must be a file that can be read, with a token";
  const bool is_visible = std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (token.size() < kShortest || token.size() > kLongest || !is_visible) {
    return "must hold a token of 16 to 512 visible characters of ASCII";
  }
  target = std::move(token);
  return std::nullopt;
}

}  // namespace ratelimit::service
