// SPDX-License-Identifier: MIT
// How words are written in the server's protocol. Pure; std only.
#ifndef RATELIMIT_CLIENT_WIRE_H
#define RATELIMIT_CLIENT_WIRE_H

#include <array>
#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>

namespace ratelimit::client {

/// Appends `mark`, the number in digits, and the end of a line.
inline void append_head(std::string& bytes, char mark, std::size_t number) {
  std::array<char, 24> head;
  head[0] = mark;
  char* const end = std::to_chars(head.data() + 1, head.data() + head.size() - 2, number).ptr;
  end[0] = '\r';
  end[1] = '\n';
  bytes.append(head.data(), static_cast<std::size_t>(end + 2 - head.data()));
}

inline void append_word(std::string& bytes, std::string_view word) {
  append_head(bytes, '$', word.size());
  bytes.append(word).append("\r\n");
}

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_WIRE_H
