// SPDX-License-Identifier: MIT
// JSON as the service writes it: one flat object at a time, into one string. std only.
#ifndef RATELIMIT_SERVICE_JSON_TEXT_H
#define RATELIMIT_SERVICE_JSON_TEXT_H

#include <cstdint>
#include <string>
#include <string_view>

namespace ratelimit::service {

/// Appends a string of JSON, with its quotes. Bytes that are no UTF-8 become U+FFFD, so that the text is JSON whatever a
/// client sent.
void append_json_string(std::string& text, std::string_view value);

/// Writes one object. Names are literals: they are written as they are.
class JsonObject {
 public:
  explicit JsonObject(std::string& text) : text_(text) { text_ += '{'; }
  JsonObject(const JsonObject&) = delete;
  JsonObject& operator=(const JsonObject&) = delete;
  ~JsonObject() = default;

  /// After the last field.
  void end() { text_ += '}'; }

  void add(std::string_view name, std::string_view value) {
    begin(name);
    append_json_string(text_, value);
  }
  void add(std::string_view name, const char* value) { add(name, std::string_view(value)); }
  void add(std::string_view name, std::int64_t value) {
    begin(name);
    text_ += std::to_string(value);
  }
  void add(std::string_view name, bool value) {
    begin(name);
    text_ += value ? "true" : "false";
  }
  void add_null(std::string_view name) {
    begin(name);
    text_ += "null";
  }
  /// A list of one string.
  void add_list(std::string_view name, std::string_view item) {
    begin(name);
    text_ += '[';
    append_json_string(text_, item);
    text_ += ']';
  }

 private:
  void begin(std::string_view name) {
    if (is_any_) text_ += ',';
    is_any_ = true;
    text_.append("\"").append(name).append("\":");
  }

  std::string& text_;
  bool is_any_ = false;
};

}  // namespace ratelimit::service

#endif  // RATELIMIT_SERVICE_JSON_TEXT_H
