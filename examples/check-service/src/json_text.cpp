// SPDX-License-Identifier: MIT
#include "json_text.h"

#include <array>
#include <cstddef>

namespace ratelimit::service {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

bool is_continuation(unsigned char byte) { return (byte & 0xC0U) == 0x80U; }

/// How many bytes the character at the front has; 0 if it is no UTF-8 (RFC 3629: no surrogates, nothing longer than needed).
std::size_t utf8_size(std::string_view text) {
  const auto at = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = at(0);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if (!is_continuation(at(i))) return 0;
  }
  const unsigned char second = at(1);
  const bool is_overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool is_beyond = (first == 0xED && second > 0x9F) || (first == 0xF4 && second > 0x8F);
  return is_overlong || is_beyond ? 0 : size;
}

void append_control(std::string& text, unsigned char byte) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  text.append("\\u00");
  text += kDigits[byte >> 4U];
  text += kDigits[byte & 0xFU];
}

}  // namespace

void append_json_string(std::string& text, std::string_view value) {
  text += '"';
  while (!value.empty()) {
    const std::size_t size = utf8_size(value);
    const auto first = static_cast<unsigned char>(value.front());
    if (size == 0) {
      text.append(kReplacement);
    } else if (first == '"' || first == '\\') {
      text += '\\';
      text += value.front();
    } else if (first < 0x20 || first == 0x7F) {
      append_control(text, first);
    } else {
      text.append(value.substr(0, size));
    }
    value.remove_prefix(size == 0 ? 1 : size);
  }
  text += '"';
}

}  // namespace ratelimit::service
