// SPDX-License-Identifier: MIT
#include "tls_files.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace ratelimit::service {
namespace {

std::string text_of(const std::string& path, const char* setting) {
  if (path.empty()) return {};
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(std::string(setting) + ": " + std::strerror(errno));
  std::string text(std::istreambuf_iterator<char>(file), {});
  // An empty text means that nothing is set: a file that is just being written must not open a door.
  if (text.empty()) throw std::runtime_error(std::string(setting) + ": is empty");
  return text;
}

}  // namespace

TlsFiles read_tls_files(const ListenTls& settings) {
  return {.certificate = text_of(settings.certificate, "listen_certificate"),
          .key = text_of(settings.key, "listen_key"),
          .authorities = text_of(settings.authorities, "listen_authorities")};
}

}  // namespace ratelimit::service
