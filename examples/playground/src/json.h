// SPDX-License-Identifier: MIT
// Writes the few kinds of JSON that the page reads. Whoever writes sees to the commas by calling `item` before each
// element. Depends on std only.
#ifndef RATELIMIT_PLAYGROUND_JSON_H
#define RATELIMIT_PLAYGROUND_JSON_H

#include <cstdint>
#include <string>
#include <string_view>

namespace ratelimit::playground {

class Json {
 public:
  Json& open(char bracket) {
    text_ += bracket;
    is_first_ = true;
    return *this;
  }
  Json& close(char bracket) {
    text_ += bracket;
    is_first_ = false;
    return *this;
  }
  /// Begins an element of a list, or behind `key` of an object.
  Json& item() {
    if (!is_first_) text_ += ',';
    is_first_ = false;
    return *this;
  }
  Json& key(std::string_view name) {
    item().quoted(name);
    text_ += ':';
    return *this;
  }
  Json& number(std::int64_t value) {
    text_ += std::to_string(value);
    return *this;
  }
  /// A number that may be more than a double counts exactly: a string, for BigInt.
  Json& large(std::int64_t value) {
    text_ += '"' + std::to_string(value) + '"';
    return *this;
  }
  Json& flag(bool value) {
    text_ += value ? "true" : "false";
    return *this;
  }
  Json& quoted(std::string_view value) {
    constexpr std::string_view kHex = "0123456789abcdef";
    text_ += '"';
    for (const char c : value) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < 0x20) {
        text_.append("\\u00") += kHex[byte >> 4U];
        text_ += kHex[byte & 0xFU];
        continue;
      }
      if (c == '"' || c == '\\') text_ += '\\';
      text_ += c;
    }
    text_ += '"';
    return *this;
  }

  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  std::string text_;
  bool is_first_ = true;
};

}  // namespace ratelimit::playground

#endif  // RATELIMIT_PLAYGROUND_JSON_H
